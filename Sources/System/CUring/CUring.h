//  liburing, and what Swift cannot see of it: macros over enum constants, and what is newer than Debian 12's liburing 2.3.
//  Numbers that the kernel's interface has fixed for good carry the release that they came with.
#pragma once
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const int hawser_op_read_multishot = 49;              // Linux 6.7
static const unsigned hawser_feat_min_timeout = 1u << 15;    // Linux 6.12
static const unsigned hawser_feat_no_iowait = 1u << 17;      // Linux 6.15
static const unsigned hawser_enter_no_iowait = 1u << 7;      // Linux 6.15

/// The next free entry, blank; NULL when the queue is full.
static inline struct io_uring_sqe *hawser_ring_entry(struct io_uring *ring) {
  struct io_uring_sqe *entry = io_uring_get_sqe(ring);
  if (entry) memset(entry, 0, sizeof *entry);
  return entry;
}

/// Fills an entry: everything that our operations have in common.
static inline void hawser_ring_prepare(
    struct io_uring_sqe *entry, int operation, int file, const void *address, unsigned length, __u64 tag) {
  entry->opcode = (__u8)operation;
  entry->fd = file;
  entry->addr = (__u64)(uintptr_t)address;
  entry->len = length;
  entry->off = (__u64)-1;  // where the file stands: the only position that a device or socket has
  entry->user_data = tag;
}

/// Reads again and again, each time into the next buffer of this group.
static inline void hawser_ring_prepare_read_multishot(
    struct io_uring_sqe *entry, int file, unsigned short group, __u64 tag) {
  hawser_ring_prepare(entry, hawser_op_read_multishot, file, NULL, 0, tag);
  entry->flags = IOSQE_BUFFER_SELECT;
  entry->buf_group = group;
}

/// Receives again and again, each time into the next buffer of this group: name, control data and payload, laid out as the
/// template says.
static inline void hawser_ring_prepare_receive_multishot(
    struct io_uring_sqe *entry, int file, const struct msghdr *layout, unsigned short group, __u64 tag) {
  hawser_ring_prepare(entry, IORING_OP_RECVMSG, file, layout, 1, tag);
  entry->off = 0;
  entry->ioprio = IORING_RECV_MULTISHOT;
  entry->flags = IOSQE_BUFFER_SELECT;
  entry->buf_group = group;
}

/// Made here, since Swift counts the members of this type to whichever module of C it met first.
static inline struct iovec hawser_slice(void *start, size_t length) {
  struct iovec slice = {start, length};
  return slice;
}

static const unsigned char hawser_link = IOSQE_IO_LINK;

static inline void hawser_ring_prepare_send(
    struct io_uring_sqe *entry, int file, const struct msghdr *message, unsigned flags, __u64 tag) {
  hawser_ring_prepare(entry, IORING_OP_SENDMSG, file, message, 1, tag);
  entry->off = 0;
  entry->msg_flags = flags | MSG_NOSIGNAL;
}

static inline void hawser_ring_prepare_poll_multishot(
    struct io_uring_sqe *entry, int file, unsigned events, __u64 tag) {
  hawser_ring_prepare(entry, IORING_OP_POLL_ADD, file, NULL, IORING_POLL_ADD_MULTI, tag);
  entry->off = 0;
  entry->poll32_events = events;  // little-endian; a big-endian machine would swap the halves
}

static inline void hawser_ring_prepare_cancel(struct io_uring_sqe *entry, __u64 target, __u64 tag) {
  entry->opcode = IORING_OP_ASYNC_CANCEL;
  entry->fd = -1;
  entry->addr = target;
  entry->user_data = tag;
}

/// A file that counts what is written to it: readable when somebody did. -errno when there can be none.
static inline int hawser_waker_make(void) {
  int file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return file < 0 ? -errno : file;
}

static inline void hawser_waker_wake(int file) {
  // It fails only when the count is at its end: then a wake-up waits to be seen.
  (void)!eventfd_write(file, 1);
}

/// The kernel's argument block with the field that liburing 2.3 still calls padding.
struct hawser_wait {
  __u64 signals;
  __u32 signals_size;
  __u32 least_microseconds;
  __u64 timeout;
};

/// Submits all entries, then waits for `count` completions, or until `least_microseconds` passed and there is one, or until
/// the timeout (NULL: for ever). One kernel call. Returns how many entries were taken, or -errno.
static inline int hawser_ring_enter(
    struct io_uring *ring, unsigned count, unsigned least_microseconds, struct __kernel_timespec *timeout,
    unsigned flags) {
  struct io_uring_sq *queue = &ring->sq;
  unsigned mask = *queue->kring_mask;
  unsigned tail = *queue->ktail;
  for (; queue->sqe_head != queue->sqe_tail; queue->sqe_head++) queue->array[tail++ & mask] = queue->sqe_head & mask;
  io_uring_smp_store_release(queue->ktail, tail);
  unsigned waiting = tail - *queue->khead;

  struct hawser_wait wait = {0, 0, least_microseconds, (__u64)(uintptr_t)timeout};
  long taken = syscall(
      __NR_io_uring_enter, ring->enter_ring_fd, waiting, count,
      flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &wait, sizeof wait);
  return taken < 0 ? -errno : (int)taken;
}
