#include "tun.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

const int hawser_tun_layer3 = IFF_TUN, hawser_tun_layer2 = IFF_TAP;

const unsigned hawser_tun_checksum = TUN_F_CSUM, hawser_tun_tso4 = TUN_F_TSO4, hawser_tun_tso6 = TUN_F_TSO6,
               hawser_tun_tso_ecn = TUN_F_TSO_ECN;
// Linux 6.2; Debian 12's headers are older.
const unsigned hawser_tun_uso4 = 0x20, hawser_tun_uso6 = 0x40;

int hawser_tun_attach(int fd, const char *name, int layer, int is_one_of_many) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = (short)(layer | IFF_NO_PI | IFF_VNET_HDR | (is_one_of_many ? IFF_MULTI_QUEUE : 0));
  return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

int hawser_tun_describe(int fd, char name[16], int *layer) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  if (ioctl(fd, TUNGETIFF, &request) < 0) return -errno;
  if ((request.ifr_flags & (IFF_NO_PI | IFF_VNET_HDR)) != (IFF_NO_PI | IFF_VNET_HDR)) return -EINVAL;
  memcpy(name, request.ifr_name, IFNAMSIZ);
  name[IFNAMSIZ - 1] = 0;
  *layer = request.ifr_flags & (IFF_TUN | IFF_TAP);
  return 0;
}

int hawser_tun_set_offloads(int fd, unsigned offloads) {
  return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}
