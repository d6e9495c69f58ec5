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

/// The name (16 bytes with its end) of the interface that an open descriptor belongs to, and its layer. 0, or a negative
/// errno: -EBADFD when it belongs to none, -EINVAL when its packets have no offload header in front.
int hawser_tun_describe(int fd, char name[16], int *layer);
