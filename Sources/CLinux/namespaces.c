#include "namespaces.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>

struct visit {
  int namespace_fd;
  int error;
  void (*body)(void *);
  void *context;
};

static void *visit_main(void *raw) {
  struct visit *visit = raw;
  int failed = visit->namespace_fd == hawser_new_namespace ? unshare(CLONE_NEWNET)
                                                           : setns(visit->namespace_fd, CLONE_NEWNET);
  visit->error = failed ? errno : 0;
  if (!failed) visit->body(visit->context);
  return NULL;
}

int hawser_run_in_namespace(int namespace_fd, void (*body)(void *context), void *context) {
  struct visit visit = {namespace_fd, 0, body, context};
  pthread_t thread;
  int error = pthread_create(&thread, NULL, visit_main, &visit);
  if (error) return error;
  pthread_join(thread, NULL);
  return visit.error;
}

int hawser_run_alone_in_namespace(int namespace_fd, void (*body)(void *context), void *context) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&turn);
  int error = hawser_run_in_namespace(namespace_fd, body, context);
  pthread_mutex_unlock(&turn);
  return error;
}

struct socket_order {
  int domain, type, protocol, result;
};

static void make_socket(void *raw) {
  struct socket_order *order = raw;
  order->result = socket(order->domain, order->type, order->protocol);
  if (order->result < 0) order->result = -errno;
}

int hawser_socket_in_namespace(int namespace_fd, int domain, int type, int protocol) {
  struct socket_order order = {domain, type, protocol, -1};
  int error = hawser_run_in_namespace(namespace_fd, make_socket, &order);
  return error ? -error : order.result;
}

int hawser_is_network_namespace(int fd) {
  struct statfs what;
  if (fstatfs(fd, &what)) return -errno;
  if (what.f_type != NSFS_MAGIC) return 0;
  return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

int hawser_bind_mount(const char *source, const char *target) {
  return mount(source, target, "none", MS_BIND, NULL) ? -errno : 0;
}

int hawser_share_directory(const char *path) {
  if (mount("", path, "none", MS_SHARED | MS_REC, NULL) == 0) return 0;
  if (errno != EINVAL) return -errno;  // EINVAL: no mount point yet
  if (mount(path, path, "none", MS_BIND | MS_REC, NULL)) return -errno;
  return mount("", path, "none", MS_SHARED | MS_REC, NULL) ? -errno : 0;
}

int hawser_detach_mount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) ? -errno : 0; }
