//  DatagramOffload.swift — do many datagrams cross the socket in one call, both ways?
//
//  The trial sends three segments with one call through the loopback interface. If GRO works they arrive in one read;
//  if only the sending half works they arrive as three.

import Glibc

struct DatagramOffload: Equatable {
  /// The first call that failed, and its errno; nil when all worked.
  struct Failure: Equatable {
    let call: String
    let error: Int32
  }

  static let segment = 1000
  static let segments = 3

  var failure: Failure?
  /// The length of the first read: all segments when they came together.
  var firstRead = segment * segments

  static func observe() -> DatagramOffload {
    let receiver = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard receiver >= 0 else { return failed("socket") }
    defer { close(receiver) }
    let sender = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard sender >= 0 else { return failed("socket") }
    defer { close(sender) }

    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(receiver, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length) == 0
          && getsockname(receiver, __SOCKADDR_ARG(__sockaddr__: $0), &length) == 0
          && connect(sender, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length) == 0
      }
    }
    guard bound else { return failed("connect to 127.0.0.1") }
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    guard setsockopt(receiver, udpLevel, udpReceiveOffload, &on, size) == 0 else { return failed("UDP_GRO") }
    var segmentSize = Int32(segment)
    guard setsockopt(sender, udpLevel, udpSegment, &segmentSize, size) == 0 else { return failed("UDP_SEGMENT") }

    var payload = [UInt8](repeating: 0, count: segment * segments)
    guard send(sender, payload, payload.count, 0) == payload.count else { return failed("send with UDP_SEGMENT") }
    var waiting = pollfd(fd: receiver, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, 1000) == 1 else {
      return DatagramOffload(failure: Failure(call: "receive on the loopback interface", error: ETIMEDOUT))
    }
    let count = recv(receiver, &payload, payload.count, 0)
    guard count > 0 else { return failed("receive") }
    return DatagramOffload(firstRead: count)
  }

  private static func failed(_ call: String) -> DatagramOffload {
    DatagramOffload(failure: Failure(call: call, error: errno))
  }

  // Values of linux/udp.h; glibc's header has them behind macros that Swift sees on some versions only.
  private static let udpLevel = Int32(17)
  private static let udpSegment = Int32(103)
  private static let udpReceiveOffload = Int32(104)

  var diagnosis: Diagnosis {
    if let failure {
      let finding = "\(failure.call) fails with \(described(failure.error))"
      switch failure.error {
      case ENETUNREACH, EADDRNOTAVAIL, ETIMEDOUT, ENETDOWN:
        return .warning(
          "udp", "could not be tried: \(finding)",
          remedy: "bring the loopback interface up (ip link set lo up), and let 127.0.0.1 through the firewall")
      case ENOPROTOOPT:
        return .failure("udp", finding, remedy: "install Linux 6.1 or later")
      default:
        return .failure("udp", finding, remedy: "look for a security module or filter that forbids UDP sockets")
      }
    }
    if firstRead < DatagramOffload.segment * DatagramOffload.segments {
      return .warning(
        "udp", "UDP_SEGMENT works, but UDP_GRO does not join datagrams: receiving costs more",
        remedy: "install Linux 6.1 or later, as a distribution builds it")
    }
    return .fine("udp", "UDP_SEGMENT and UDP_GRO join datagrams")
  }
}
