#include "priority.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

int hawser_run_before_others(void) {
  struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
  return sched_setscheduler(0, SCHED_FIFO, &lowest) ? -errno : 0;
}

int hawser_set_urgency(int nice, uint64_t slice_nanoseconds) {
  // The kernel's sched_attr; its header and glibc's <sched.h> exclude each other.
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {.size = sizeof attributes, .policy = SCHED_OTHER, .nice = nice, .runtime = slice_nanoseconds};
  return syscall(SYS_sched_setattr, 0, &attributes, 0) ? -errno : 0;
}
