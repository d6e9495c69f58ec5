//  offloads.h — what an interface does for the kernel: checksums, cutting and joining packets (ethtool -k).
#pragma once

/// Whether a feature of this name, as `ethtool -k` lists it ("tx-udp-segmentation"), is on: 1, 0, or −errno
/// (−EOPNOTSUPP: this kernel has no such feature).
int hawser_interface_feature(const char *interface, const char *feature);
