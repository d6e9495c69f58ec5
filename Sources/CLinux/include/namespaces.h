//  namespaces.h — being in another network namespace without ever being lost in it.
//
//  A namespace is a property of a thread. A thread that enters one and cannot get back (a closed descriptor, an
//  exhausted limit, an error path that forgets) would from then on do everybody's work in the wrong network, and
//  Swift's tasks hop between threads. So nobody enters here: the work goes to a thread made for it, which ends in the
//  namespace it entered. That costs about 30 µs. A socket belongs to the namespace it was made in, whoever uses it
//  later.
#pragma once

/// For `namespace_fd`: not an existing namespace but a new, empty one.
static const int hawser_new_namespace = -1;

/// Calls `body(context)` on a thread inside this network namespace and waits for its end.
/// Returns 0, or the errno that kept the thread from being made or from entering; then `body` was not called.
int hawser_run_in_namespace(int namespace_fd, void (*body)(void *context), void *context);

/// The same, for libraries that keep state in globals: one such visit at a time in the whole process.
int hawser_run_alone_in_namespace(int namespace_fd, void (*body)(void *context), void *context);

/// socket(2) inside this network namespace. Returns the descriptor, or −errno.
int hawser_socket_in_namespace(int namespace_fd, int domain, int type, int protocol);

/// Whether this descriptor is a network namespace: 1, 0, or −errno.
int hawser_is_network_namespace(int fd);

/// The permission bits and paths that Swift's importer cuts off with the macros they hide in.
int hawser_bind_mount(const char *source, const char *target);
/// Binds a directory to itself and makes it shared, as `ip netns` does: what is mounted below is seen in all mount
/// namespaces.
int hawser_share_directory(const char *path);
int hawser_detach_mount(const char *path);
