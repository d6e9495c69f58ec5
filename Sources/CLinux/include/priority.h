//  priority.h — running when it is time to, though others compute.
#pragma once
#include <stdint.h>

/// The calling thread runs before all ordinary ones, as the least of the real-time threads. 0 or -errno.
int hawser_run_before_others(void);

/// The calling thread's nice value, and the length of its slices. A short slice is what lets a thread interrupt
/// others when it wakes up (Linux 6.12; before that it is ignored). 0 or -errno.
int hawser_set_urgency(int nice, uint64_t slice_nanoseconds);
