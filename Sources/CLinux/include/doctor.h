//  doctor.h — trials of the kernel for `hawser doctor`: try it, note the errno, leave nothing behind.
//
//  A version number says little about a kernel: distributions leave things out and containers forbid them. So each
//  trial does in small what a gateway does all the time. Every trial ends within about a second, whatever the kernel
//  does.
#pragma once

/// Each field is 0 when that worked, an errno when it did not, and `hawser_not_tried` when something before it failed.
struct hawser_ring_trial {
  /// io_uring_setup with IORING_SETUP_SINGLE_ISSUER and IORING_SETUP_DEFER_TASKRUN.
  int setup;
  /// A ring of provided buffers.
  int buffer_ring;
  /// A datagram sent with sendmsg.
  int send_message;
  /// Two datagrams received by one multishot recvmsg.
  int receive_multishot;
  /// Two writes into a pipe read by one multishot read.
  int read_multishot;
};

static const int hawser_not_tried = -1;

struct hawser_ring_trial hawser_try_ring(void);

/// Whether something keeps the clock right: 1, 0, or −errno.
int hawser_clock_is_synchronised(void);

/// What the reader of a tunnel's interface may be asked to take apart.
extern const unsigned hawser_tun_segmentation, hawser_tun_udp_segmentation;

/// Makes an interface of this open /dev/net/tun that is gone when it is closed; the kernel chooses its number.
/// Returns 0 or an errno.
int hawser_tun_make(int fd);

/// Returns 0 or an errno.
int hawser_tun_offload(int fd, unsigned offloads);
