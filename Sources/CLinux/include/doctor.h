//  doctor.h — trials of the kernel for `hawser doctor`: try it, note the errno, leave nothing behind.
//
//  A version number says little about a kernel: distributions leave things out and containers forbid them. So each
//  trial does in small what a gateway does all the time. Every trial ends within about a second, whatever the kernel
//  does.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

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

/// Values newer than Debian 12's headers.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
static const unsigned hawser_tun_segmentation = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
static const unsigned hawser_tun_udp_segmentation = TUN_F_USO4 | TUN_F_USO6;

/// Makes an interface of this open /dev/net/tun that is gone when it is closed; the kernel chooses its number.
/// Returns 0 or an errno.
static inline int hawser_tun_make(int fd) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "hwdoctor%d");
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  return ioctl(fd, TUNSETIFF, &request) ? errno : 0;
}

/// Returns 0 or an errno.
static inline int hawser_tun_offload(int fd, unsigned offloads) {
  return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) ? errno : 0;
}
