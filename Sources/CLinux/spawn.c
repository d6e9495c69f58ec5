#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// MARK: In the child

/// In kernels since 5.11; the headers may be older.
static const unsigned mark_close_on_exec = 1u << 2;

static int fail(struct hawser_spawn_order *order, enum hawser_spawn_step step) {
  order->error = errno;
  order->step = step;
  return -1;
}

static int enter(struct hawser_spawn_order *order) {
  if (order->namespace_fd >= 0 && setns(order->namespace_fd, CLONE_NEWNET)) return fail(order, hawser_spawn_namespace);
  if (!order->hosts) return 0;
  // A slave still sees mounts go away in the machine: a namespace that `down` unmounts must not live on in here.
  if (unshare(CLONE_NEWNS) || mount("", "/", "none", MS_SLAVE | MS_REC, NULL) ||
      mount(order->hosts, "/etc/hosts", "none", MS_BIND, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL))
    return fail(order, hawser_spawn_mounts);
  return 0;
}

static int place_descriptors(struct hawser_spawn_order *order) {
  int wanted[3] = {order->input, order->output, order->error_output};
  // First out of the way of each other: one that we got as 1 may be wanted as 0.
  for (int i = 0; i < 3; i++) {
    int fd = wanted[i] >= 0 ? fcntl(wanted[i], F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fd < 3) fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return fail(order, hawser_spawn_descriptors);
    wanted[i] = fd;
  }
  for (int i = 0; i < 3; i++)
    if (dup2(wanted[i], i) < 0) return fail(order, hawser_spawn_descriptors);
  syscall(SYS_close_range, 3u, ~0u, mark_close_on_exec);
  return 0;
}

/// A handler of ours must not run in a child that shares our memory, so they go before the mask does. What our user
/// chose to ignore (nohup) stays ignored; SIGPIPE, if anybody, we did.
static void default_signals(void) {
  struct sigaction standard = {.sa_handler = SIG_DFL}, now;
  for (int number = 1; number < NSIG; number++)
    if (sigaction(number, NULL, &now) == 0 && (now.sa_handler != SIG_IGN || number == SIGPIPE))
      sigaction(number, &standard, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(struct hawser_spawn_order *order, pid_t parent) {
  if (order->signal_at_our_death) {
    prctl(PR_SET_PDEATHSIG, order->signal_at_our_death);
    if (getppid() != parent) _exit(127);  // it died before we could ask
  }
  if (order->own_session) setsid();
  if (enter(order) == 0 && place_descriptors(order) == 0) {
    default_signals();
    execvpe(order->file, order->arguments, order->environment);
    fail(order, hawser_spawn_exec);
  }
  _exit(127);
}

// MARK: The thread that makes all children

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t desk = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct hawser_spawn_order *waiting;
static int maker_runs;

static void make_child(struct hawser_spawn_order *order) {
  pid_t parent = getpid();
  order->error = 0;
  pid_t pid = vfork();
  if (pid == 0) child(order, parent);
  if (pid < 0)
    fail(order, hawser_spawn_fork);
  else
    order->pid = pid;
}

static void *maker_main(void *unused) {
  (void)unused;
  pthread_mutex_lock(&desk);
  for (;;) {
    while (!waiting) pthread_cond_wait(&changed, &desk);
    make_child(waiting);
    waiting = NULL;
    pthread_cond_broadcast(&changed);
  }
  return NULL;
}

static int start_maker(void) {
  sigset_t all, before;
  sigfillset(&all);
  // The process's signals are for its other threads; and nobody's handler may run in a child that shares our memory.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, NULL, maker_main, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!error) pthread_detach(thread);
  return error;
}

int hawser_spawn(struct hawser_spawn_order *order) {
  pthread_mutex_lock(&turn);
  pthread_mutex_lock(&desk);
  if (!maker_runs && (errno = start_maker()) != 0) {
    fail(order, hawser_spawn_fork);
  } else {
    maker_runs = 1;
    waiting = order;
    pthread_cond_broadcast(&changed);
    while (waiting) pthread_cond_wait(&changed, &desk);
  }
  pthread_mutex_unlock(&desk);
  pthread_mutex_unlock(&turn);
  if (!order->error) return 0;
  // A child that failed before its exec has left us nothing but its status.
  if (order->step != hawser_spawn_fork)
    while (waitpid(order->pid, NULL, 0) < 0 && errno == EINTR) continue;
  return -1;
}

// MARK: Without a child

void hawser_exec(struct hawser_spawn_order *order) {
  order->error = 0;
  if (enter(order)) return;
  syscall(SYS_close_range, 3u, ~0u, mark_close_on_exec);
  default_signals();
  execvpe(order->file, order->arguments, order->environment);
  fail(order, hawser_spawn_exec);
}

int hawser_pidfd_open(int pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0u);
  return fd < 0 ? -errno : (int)fd;
}

int hawser_pidfd_signal(int pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0u) ? -errno : 0;
}
