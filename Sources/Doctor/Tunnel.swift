//  Tunnel.swift — can an interface be made, and does it take super-packets?
//
//  Without segmentation offload every packet of 1,400 bytes crosses into the gateway alone: measured, a tenth of the
//  throughput.

import CLinux
import Glibc

struct Tunnel: Equatable {
  static let device = "/dev/net/tun"

  /// errno of opening the device, 0 when it opened.
  var open: Int32 = 0
  /// errno of making an interface; nil when not tried, for want of CAP_NET_ADMIN or of the device.
  var make: Int32? = 0
  /// errno of checksum and TCP segmentation offload, and of UDP segmentation offload with them; nil when not tried.
  var segmentation: Int32? = 0
  var udpSegmentation: Int32? = 0

  static func observe(mayConfigure: Bool) -> Tunnel {
    let fd = Glibc.open(device, O_RDWR | O_CLOEXEC)
    guard fd >= 0 else { return Tunnel(open: errno, make: nil, segmentation: nil, udpSegmentation: nil) }
    // The interface was never made to persist, so it goes with its descriptor.
    defer { close(fd) }
    guard mayConfigure else { return Tunnel(make: nil, segmentation: nil, udpSegmentation: nil) }
    let make = hawser_tun_make(fd)
    guard make == 0 else { return Tunnel(make: make, segmentation: nil, udpSegmentation: nil) }
    return Tunnel(
      segmentation: hawser_tun_offload(fd, hawser_tun_segmentation),
      udpSegmentation: hawser_tun_offload(fd, hawser_tun_segmentation | hawser_tun_udp_segmentation))
  }

  var diagnosis: Diagnosis {
    switch open {
    case 0: break
    case ENOENT:
      return .failure(
        "tun", "\(Tunnel.device) does not exist",
        remedy: "modprobe tun; a container needs the device handed in, as with --device \(Tunnel.device)")
    case EACCES, EPERM:
      return .failure(
        "tun", "\(Tunnel.device) cannot be opened: \(described(open))",
        remedy: "run as root or chmod 0666 \(Tunnel.device); a container or service must be allowed the device")
    default:
      return .failure("tun", "\(Tunnel.device) cannot be opened: \(described(open))", remedy: "modprobe tun")
    }
    guard let make else {
      return .warning(
        "tun", "\(Tunnel.device) opens; offloads not tried, since that needs CAP_NET_ADMIN",
        remedy: "run this as root, or as the service runs")
    }
    if make != 0 {
      return .failure(
        "tun", "no interface can be made: \(described(make))",
        remedy: make == EPERM
          ? "allow it to make interfaces in this network namespace" : "use a kernel with CONFIG_TUN and IFF_VNET_HDR")
    }
    if let segmentation, segmentation != 0 {
      return .warning(
        "tun", "no segmentation offload (\(described(segmentation))): expect a tenth of the throughput",
        remedy: "install Linux 6.1 or later, as a distribution builds it")
    }
    if let udpSegmentation, udpSegmentation != 0 {
      return .warning(
        "tun",
        "TCP super-packets, but no UDP ones (\(described(udpSegmentation))): QUIC and WireGuard inside cost more",
        remedy: "install Linux 6.2 or later")
    }
    return .fine("tun", "\(Tunnel.device) opens; interfaces take TCP and UDP super-packets")
  }
}
