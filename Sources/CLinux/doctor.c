//  doctor.c — a ring in small: set up by hand, used once for each thing that a gateway wants of it, and closed.
//
//  By hand and not with liburing, because a doctor must also run where that library is missing or too old, and because
//  it wants to know which step failed.

#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  entries = 8,
  buffers = 4,
  buffer_bytes = 256,
  page = 4096,
  op_read_multishot = 49,  // Linux 6.7; not in Debian 12's header
};

struct ring {
  int fd;
  char *map;
  size_t map_bytes;
  struct io_uring_sqe *sqes;
  size_t sqes_bytes;
  struct io_uring_params params;
  char *memory;  // one page for the ring of buffers, one for the buffers
};

static unsigned *word(struct ring *ring, unsigned offset) { return (unsigned *)(ring->map + offset); }

static int ring_open(struct ring *ring) {
  memset(ring, 0, sizeof *ring);
  ring->map = MAP_FAILED;
  ring->sqes = MAP_FAILED;
  ring->memory = MAP_FAILED;
  ring->params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  ring->fd = (int)syscall(SYS_io_uring_setup, entries, &ring->params);
  if (ring->fd < 0) return errno;
  // Since Linux 5.4 both queues share one mapping.
  size_t submissions = ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned);
  size_t completions = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
  ring->map_bytes = submissions > completions ? submissions : completions;
  ring->sqes_bytes = ring->params.sq_entries * sizeof(struct io_uring_sqe);
  int both = PROT_READ | PROT_WRITE;
  ring->map = mmap(NULL, ring->map_bytes, both, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
  if (ring->map == MAP_FAILED) return errno;
  ring->sqes = mmap(NULL, ring->sqes_bytes, both, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
  if (ring->sqes == MAP_FAILED) return errno;
  ring->memory = mmap(NULL, 2 * page, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ring->memory == MAP_FAILED ? errno : 0;
}

static void ring_close(struct ring *ring) {
  // The descriptor first: closing it cancels what is armed, and then the kernel writes into our memory no more.
  if (ring->fd >= 0) close(ring->fd);
  if (ring->map != MAP_FAILED) munmap(ring->map, ring->map_bytes);
  if (ring->sqes != MAP_FAILED) munmap(ring->sqes, ring->sqes_bytes);
  if (ring->memory != MAP_FAILED) munmap(ring->memory, 2 * page);
}

/// Hands `buffers` buffers to the kernel as group 0.
static int ring_provide(struct ring *ring) {
  struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)ring->memory, .ring_entries = buffers, .bgid = 0};
  if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_PBUF_RING, &registration, 1)) return errno;
  struct io_uring_buf *slots = (struct io_uring_buf *)ring->memory;
  for (int i = 0; i < buffers; i++) {
    slots[i].addr = (uintptr_t)(ring->memory + page + i * buffer_bytes);
    slots[i].len = buffer_bytes;
    slots[i].bid = (uint16_t)i;
  }
  // The tail lies over the unused last field of the first slot.
  __atomic_store_n(&slots[0].resv, buffers, __ATOMIC_RELEASE);
  return 0;
}

static int ring_enter(struct ring *ring, unsigned submit, unsigned wait) {
  struct __kernel_timespec second = {.tv_sec = 1};
  struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&second};
  unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  int done = (int)syscall(SYS_io_uring_enter, ring->fd, submit, wait, flags, &argument, sizeof argument);
  return done < 0 && errno != ETIME ? errno : 0;
}

static int ring_submit(struct ring *ring, const struct io_uring_sqe *sqe) {
  unsigned *tail = word(ring, ring->params.sq_off.tail);
  unsigned index = *tail & (ring->params.sq_entries - 1);
  ring->sqes[index] = *sqe;
  word(ring, ring->params.sq_off.array)[index] = index;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  return ring_enter(ring, 1, 0);
}

/// The next completion, waited for at most a second. Returns 0, an errno, or ETIME when nothing came.
static int ring_next(struct ring *ring, struct io_uring_cqe *completion) {
  unsigned *head = word(ring, ring->params.cq_off.head);
  unsigned *tail = word(ring, ring->params.cq_off.tail);
  if (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE)) {
    int error = ring_enter(ring, 0, 1);
    if (error) return error;
    if (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE)) return ETIME;
  }
  struct io_uring_cqe *queue = (struct io_uring_cqe *)(ring->map + ring->params.cq_off.cqes);
  *completion = queue[*head & (ring->params.cq_entries - 1)];
  __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
  return completion->res < 0 ? -completion->res : 0;
}

/// A completion of a multishot operation that used a buffer and stays armed.
static int ring_next_shot(struct ring *ring) {
  struct io_uring_cqe completion;
  int error = ring_next(ring, &completion);
  if (error) return error;
  unsigned wanted = IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
  return (completion.flags & wanted) == wanted ? 0 : EOPNOTSUPP;
}

static int try_read_multishot(struct ring *ring) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return errno;
  struct io_uring_sqe sqe = {
      .opcode = op_read_multishot, .fd = ends[0], .flags = IOSQE_BUFFER_SELECT, .buf_group = 0};
  int error = ring_submit(ring, &sqe);
  for (int shot = 0; shot < 2 && !error; shot++) {
    if (write(ends[1], "x", 1) != 1) error = errno;
    if (!error) error = ring_next_shot(ring);
  }
  close(ends[0]);
  close(ends[1]);
  return error;
}

static void try_datagrams(struct ring *ring, struct hawser_ring_trial *trial) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends)) {
    trial->send_message = errno;
    return;
  }
  char byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr outgoing = {.msg_iov = &part, .msg_iovlen = 1};
  struct io_uring_sqe send = {
      .opcode = IORING_OP_SENDMSG, .fd = ends[1], .addr = (uintptr_t)&outgoing, .len = 1};
  struct io_uring_cqe completion;
  for (int shot = 0; shot < 2; shot++) {
    trial->send_message = ring_submit(ring, &send);
    if (!trial->send_message) trial->send_message = ring_next(ring, &completion);
    if (trial->send_message) goto end;
  }
  struct msghdr incoming = {0};
  struct io_uring_sqe receive = {
      .opcode = IORING_OP_RECVMSG, .fd = ends[0], .addr = (uintptr_t)&incoming, .len = 1,
      .ioprio = IORING_RECV_MULTISHOT, .flags = IOSQE_BUFFER_SELECT, .buf_group = 0};
  trial->receive_multishot = ring_submit(ring, &receive);
  for (int shot = 0; shot < 2 && !trial->receive_multishot; shot++) trial->receive_multishot = ring_next_shot(ring);
end:
  close(ends[0]);
  close(ends[1]);
}

struct hawser_ring_trial hawser_try_ring(void) {
  struct hawser_ring_trial trial = {
      hawser_not_tried, hawser_not_tried, hawser_not_tried, hawser_not_tried, hawser_not_tried};
  // A ring for each multishot trial: what the first leaves armed cannot answer in place of the second.
  struct ring ring;
  trial.setup = ring_open(&ring);
  if (!trial.setup) {
    trial.buffer_ring = ring_provide(&ring);
    if (!trial.buffer_ring) try_datagrams(&ring, &trial);
  }
  ring_close(&ring);
  if (trial.setup || trial.buffer_ring) return trial;
  int error = ring_open(&ring);
  if (!error) error = ring_provide(&ring);
  trial.read_multishot = error ? error : try_read_multishot(&ring);
  ring_close(&ring);
  return trial;
}

// Values newer than Debian 12's headers.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
const unsigned hawser_tun_segmentation = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
const unsigned hawser_tun_udp_segmentation = TUN_F_USO4 | TUN_F_USO6;

int hawser_tun_make(int fd) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "hwdoctor%d");
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  return ioctl(fd, TUNSETIFF, &request) ? errno : 0;
}

int hawser_tun_offload(int fd, unsigned offloads) {
  return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) ? errno : 0;
}

int hawser_clock_is_synchronised(void) {
  struct timex state = {.modes = 0};
  return adjtimex(&state) < 0 ? -errno : !(state.status & STA_UNSYNC);
}
