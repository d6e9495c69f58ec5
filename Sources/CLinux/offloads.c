//  offloads.c — one feature of an interface, by its name: the kernel tells names and states in two lists of one order.

#include "offloads.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Linux has 64; a kernel that says more than this is not asked.
enum { most_features = 1024 };

static int ask(int fd, const char *interface, void *question) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, interface);
  request.ifr_data = question;
  return ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
}

/// How many features there are, or −errno.
static int count_features(int fd, const char *interface) {
  union {
    struct ethtool_sset_info info;
    uint32_t words[sizeof(struct ethtool_sset_info) / 4 + 1];
  } sets;
  memset(&sets, 0, sizeof sets);
  sets.info.cmd = ETHTOOL_GSSET_INFO;
  sets.info.sset_mask = 1ull << ETH_SS_FEATURES;
  int error = ask(fd, interface, &sets);
  if (error) return error;
  uint32_t count = sets.words[sizeof(struct ethtool_sset_info) / 4];
  return count > most_features ? -EOVERFLOW : (int)count;
}

/// The place of a feature among `count`, or −errno.
static int find_feature(int fd, const char *interface, const char *feature, int count) {
  struct ethtool_gstrings *names = calloc(1, sizeof *names + (size_t)count * ETH_GSTRING_LEN);
  if (!names) return -ENOMEM;
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_FEATURES;
  names->len = (uint32_t)count;
  int found = ask(fd, interface, names);
  if (!found) {
    found = -EOPNOTSUPP;
    for (int place = 0; place < count; place++) {
      const char *name = (const char *)names->data + place * ETH_GSTRING_LEN;
      if (!strncmp(name, feature, ETH_GSTRING_LEN)) found = place;
    }
  }
  free(names);
  return found;
}

static int is_active(int fd, const char *interface, int place, int count) {
  uint32_t blocks = ((uint32_t)count + 31) / 32;
  struct ethtool_gfeatures *states = calloc(1, sizeof *states + blocks * sizeof states->features[0]);
  if (!states) return -ENOMEM;
  states->cmd = ETHTOOL_GFEATURES;
  states->size = blocks;
  int answer = ask(fd, interface, states);
  if (!answer) answer = states->features[place / 32].active >> (place % 32) & 1;
  free(states);
  return answer;
}

int hawser_interface_feature(const char *interface, const char *feature) {
  if (strlen(interface) >= IFNAMSIZ) return -ENODEV;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int count = count_features(fd, interface);
  int answer = count < 0 ? count : find_feature(fd, interface, feature, count);
  if (answer >= 0) answer = is_active(fd, interface, answer, count);
  close(fd);
  return answer;
}
