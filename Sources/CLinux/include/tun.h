//  tun.h — the ioctls of /dev/net/tun, whose numbers are macros that Swift does not import.
#pragma once

/// What is behind the interface: IP packets, or Ethernet frames.
extern const int hawser_tun_layer3, hawser_tun_layer2;

/// What the reader of the device can take.
extern const unsigned hawser_tun_checksum, hawser_tun_tso4, hawser_tun_tso6, hawser_tun_tso_ecn, hawser_tun_uso4,
    hawser_tun_uso6;

/// Binds an open /dev/net/tun to the interface of this name (at most 15 bytes), making it when there is none. With
/// `is_one_of_many` it becomes one of several queues of it. 0 or -errno.
int hawser_tun_attach(int fd, const char *name, int layer, int is_one_of_many);

/// 0 or -errno.
int hawser_tun_set_offloads(int fd, unsigned offloads);
