//  spawn.h — starting a program inside a namespace, and saying exactly why when that fails.
//
//  Between the birth of a process and its exec only the kernel may be called, so this is C. The child shares our
//  memory until it execs (vfork), and we stand still meanwhile: it leaves errno and the step that failed in the order
//  itself.
//
//  A child that must not outlive us asks for a signal at our death. The kernel means the death of the *thread* that
//  made the child, and threads of a pool come and go. So one thread, which lives as long as the process, makes all
//  children.
//
//  Every descriptor but 0, 1 and 2 is closed at exec, also those that somebody handed to us by mistake. The lab's
//  locks build on it: a lock that we hold is held by the child as well until it runs its program, and not one moment
//  longer.
#pragma once

enum hawser_spawn_step {
  hawser_spawn_fork,
  hawser_spawn_namespace,
  hawser_spawn_mounts,
  hawser_spawn_descriptors,
  hawser_spawn_exec,
};

struct hawser_spawn_order {
  /// Looked up in PATH when it has no slash.
  const char *file;
  char *const *arguments;
  char *const *environment;
  /// −1: the namespace that we are in.
  int namespace_fd;
  /// A file that the program shall see as /etc/hosts; NULL: the machine's. With it the program gets its own mounts,
  /// and in /sys the devices of its network namespace.
  const char *hosts;
  /// What the program gets as 0, 1 and 2; −1 is /dev/null.
  int input, output, error_output;
  /// A session of its own: signals of our terminal do not reach it.
  int own_session;
  /// The signal that it gets when we die; 0: none.
  int signal_at_our_death;

  // Answers.
  int pid;
  int error;
  enum hawser_spawn_step step;
};

/// Returns 0 and sets `pid`, or −1 and sets `error` and `step`.
int hawser_spawn(struct hawser_spawn_order *order);

/// Becomes the program, in place: returns only when that failed, with `error` and `step` set. The calling thread then
/// may be in the namespace already; there is nothing to do but to report and exit.
void hawser_exec(struct hawser_spawn_order *order);

/// pidfd_open(2): a descriptor that stands for this process and becomes readable when it ends. −errno on failure.
int hawser_pidfd_open(int pid);
/// pidfd_send_signal(2). 0 or −errno.
int hawser_pidfd_signal(int pidfd, int signal);
