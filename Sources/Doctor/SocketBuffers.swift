//  SocketBuffers.swift — do sockets hold what comes while the gateway is not running?
//
//  A process with rights passes the limits with SO_RCVBUFFORCE; all others get at most net.core.rmem_max, and Linux's
//  default of 208 KiB is 0.17 ms of 10 Gbit/s.

import Glibc
import Primitives

struct SocketBuffers: Equatable {
  /// What arrives at 10 Gbit/s in 13 ms, the longest that the scheduler keeps a busy gateway waiting. Less loses
  /// datagrams at each hiccup; more only hides a machine that is too slow.
  static let wantedReceive = ByteCount(16 << 20)
  /// The kernel must hold what the network card has not taken yet: 2 ms of 10 Gbit/s. More would be a queue out of
  /// our sight.
  static let wantedSend = ByteCount(2 << 20)

  /// net.core.rmem_max and wmem_max; nil when /proc does not tell.
  var receiveLimit: ByteCount? = wantedReceive
  var sendLimit: ByteCount? = wantedSend
  /// What SO_RCVBUFFORCE and SO_SNDBUFFORCE gave; nil when they were refused.
  var forcedReceive: ByteCount?
  var forcedSend: ByteCount?

  static func observe() -> SocketBuffers {
    var observed = SocketBuffers(
      receiveLimit: number(in: "/proc/sys/net/core/rmem_max").map { ByteCount($0) },
      sendLimit: number(in: "/proc/sys/net/core/wmem_max").map { ByteCount($0) })
    let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard fd >= 0 else { return observed }
    defer { close(fd) }
    observed.forcedReceive = force(fd, SO_RCVBUFFORCE, SO_RCVBUF, wantedReceive)
    observed.forcedSend = force(fd, SO_SNDBUFFORCE, SO_SNDBUF, wantedSend)
    return observed
  }

  private static func force(_ fd: Int32, _ set: Int32, _ get: Int32, _ wanted: ByteCount) -> ByteCount? {
    var value = Int32(wanted.value)
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard setsockopt(fd, SOL_SOCKET, set, &value, size) == 0, getsockopt(fd, SOL_SOCKET, get, &value, &size) == 0 else {
      return nil
    }
    return ByteCount(Int(value) / 2)  // Linux doubles what it is asked for, to pay for its own bookkeeping
  }

  var diagnosis: Diagnosis {
    let sizes = "\(SocketBuffers.wantedReceive.binary) to receive and \(SocketBuffers.wantedSend.binary) to send"
    let isForced =
      (forcedReceive ?? .zero) >= SocketBuffers.wantedReceive && (forcedSend ?? .zero) >= SocketBuffers.wantedSend
    if isForced { return .fine("buffers", "sockets take \(sizes), whatever net.core says") }
    let receive = "net.core.rmem_max"
    let send = "net.core.wmem_max"
    guard let receiveLimit, let sendLimit else {
      // Many kernels show them in the first network namespace only.
      return .warning(
        "buffers", "\(receive) and \(send) cannot be seen from here",
        remedy: "on the host: sysctl -w \(receive)=\(SocketBuffers.wantedReceive.value) "
          + "\(send)=\(SocketBuffers.wantedSend.value)")
    }
    var findings: [String] = []
    var settings: [String] = []
    for (name, limit, wanted) in [
      (receive, receiveLimit, SocketBuffers.wantedReceive),
      (send, sendLimit, SocketBuffers.wantedSend),
    ] where limit < wanted {
      findings.append("\(name) is \(limit.binary) where \(wanted.binary) are wanted")
      settings.append("\(name)=\(wanted.value)")
    }
    if findings.isEmpty { return .fine("buffers", "net.core allows \(sizes)") }
    return .warning(
      "buffers", findings.joined(separator: ", "), remedy: "sysctl -w \(settings.joined(separator: " "))")
  }
}

extension ByteCount {
  /// "208 KiB", "4 MiB": what limits are usually made of.
  fileprivate var binary: String {
    if value >= 1 << 20 { return "\(plainDecimal(Double(value) / Double(1 << 20), decimals: 1)) MiB" }
    return "\(plainDecimal(Double(value) / 1024, decimals: 1)) KiB"
  }
}
