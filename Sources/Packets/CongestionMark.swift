//  CongestionMark.swift — a path's congestion mark, passed on to the packet inside (RFC 6040).
//
//  The outer header is gone when a packet leaves the tunnel, so a mark in it must move to the inner one. Who is not
//  capable of ECN would not see it there and must learn by a loss: `notCapable` means that the packet has to be
//  dropped.

public enum CongestionMark: UInt8, CaseIterable, Sendable {
  case marked
  case alreadyMarked
  case notCapable
  /// No IP packet; nothing was changed.
  case notIP
}

/// Sets "congestion experienced" in an IP packet whose sender understands it.
public func markCongestion(_ packet: UnsafeMutableRawBufferPointer) -> CongestionMark {
  guard let start = packet.baseAddress, packet.count >= 20 else { return .notIP }
  let word = unsafe start.number16(0)
  // The traffic class is the second byte of IPv4 and 4 bits further to the left in IPv6.
  let shift: UInt16
  switch word >> 12 {
  case 4: shift = 0
  case 6: shift = 4
  default: return .notIP
  }
  switch word >> shift & 3 {
  case 0: return .notCapable
  case 3: return .alreadyMarked
  default: break
  }
  let marked = word | 3 << shift
  unsafe start.write(marked, 0)
  if shift == 0 {
    unsafe start.write(Checksum.updated(start.number16(10), replacing: word, by: marked), 10)
  }
  return .marked
}
