//  WireObserver.swift — somebody who sees every datagram between gateways, and knows no key.
//
//  He must never see the same receiver, path and counter twice from one run of a gateway: that would be a nonce used
//  twice. And he must never see a byte of what the users send.

import Glibc
import Wire

public struct WireObserver {
  private struct Nonce: Hashable {
    var ends: UInt64
    var receiver: UInt32
    var counter: UInt64
  }

  private var seen: Set<Nonce> = []
  public private(set) var datagrams = 0
  public private(set) var bytes = 0
  /// Whether each datagram is searched for users' bytes.
  public var looksInside = true

  /// A sentence when there is something that he must not see.
  mutating func see(
    _ datagram: UnsafeRawBufferPointer, from gateway: Int, run: Int, to other: Int, mtu: Int, isIPv6: Bool
  ) -> String? {
    datagrams += 1
    bytes += datagram.count
    if datagram.count + (isIPv6 ? 48 : 28) > mtu {
      return "a datagram of \(datagram.count) bytes with an MTU of \(mtu)"
    }
    if let header = ClearHeader(datagram) {
      let nonce = Nonce(
        ends: UInt64(gateway) << 32 | UInt64(run) << 16 | UInt64(other), receiver: header.receiver,
        counter: UInt64(header.path) << 48 | header.counter)
      if !seen.insert(nonce).inserted { return "counter \(header.counter) of path \(header.path) was used twice" }
    }
    guard looksInside, let start = datagram.baseAddress else { return nil }
    let found = UserBytes.marker.withUnsafeBytes { marker in
      marker.baseAddress.flatMap { memmem(start, datagram.count, $0, marker.count) }
    }
    return found == nil ? nil : "a user's byte in clear"
  }
}
