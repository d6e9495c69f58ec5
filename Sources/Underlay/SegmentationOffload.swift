//  SegmentationOffload.swift — how many datagrams one send may be, and what to do when an interface refuses.
//
//  Why.  One send of 44 datagrams costs little more than a send of one: cutting them is the kernel's or the adapter's
//  work (UDP_SEGMENT). Kernels take 64 at once before Linux 6.9 and 128 since; and before 6.11 an interface that cannot
//  finish checksums, or one with IPsec behind it, refuses with EIO what leaves through it. That is no error of the
//  path: the same datagrams one by one go through.
//
//  How.  The number is tried once on the loopback interface, not read from a version: distributions take patches back.
//  A refusal that can only mean the batch is remembered; one that may mean something else (EINVAL is also a source
//  address that is gone) is tried again singly, and the singles' own result tells.

import Glibc

public struct SegmentationOffload: Sendable {
  public enum Outcome: Equatable, Sendable {
    case sent
    /// Nothing of it left: send the same bytes again, one datagram at a time.
    case sendSingly
    /// An errno that has nothing to do with batches.
    case failed(Int32)
  }

  /// How many datagrams one send may be: for `SendMessages.next`. 1 when the interface refuses batches.
  public private(set) var mostSegments: Int

  /// The interface refuses batches, and all sends are single datagrams from now on.
  public var isRefused: Bool { mostSegments == 1 }

  public init(mostSegments: Int = SegmentationOffload.kernelLimit) { self.mostSegments = max(1, mostSegments) }

  /// What came of a send of so many datagrams.
  public mutating func note(_ result: Int32, segments: Int) -> Outcome {
    if result >= 0 { return .sent }
    let error = -result
    if segments > 1 {
      switch error {
      case EIO, EOPNOTSUPP, EPROTONOSUPPORT:
        mostSegments = 1
        return .sendSingly
      case EINVAL: return .sendSingly
      default: break
      }
    }
    return .failed(error)
  }

  static let oldLimit = 64
  static let newLimit = 128

  /// What this kernel takes; tried at the first use.
  public static let kernelLimit: Int = takes(newLimit) ? newLimit : takes(oldLimit) ? oldLimit : fallback

  /// Where nothing can be tried, since the loopback interface is down, most likely: every kernel with UDP_SEGMENT does
  /// so.
  private static let fallback = oldLimit

  /// Sends a batch of so many bytes, one a datagram, to itself.
  private static func takes(_ segments: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    if descriptor < 0 { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    var size: Int32 = 1
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        guard bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), length) == 0,
          getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: pointer), &length) == 0,
          setsockopt(descriptor, ControlMessages.levelUDP, ControlMessages.segment, &size, 4) == 0
        else { return false }
        let bytes = [UInt8](repeating: 0, count: segments)
        return sendto(descriptor, bytes, segments, 0, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), length) == segments
      }
    }
  }
}
