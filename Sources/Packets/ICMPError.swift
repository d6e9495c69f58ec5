//  ICMPError.swift — tells a sender why his packet goes no further, in the words of his IP version.
//
//      │ IP from us to the sender │ type code sum │ 0 or MTU │ his packet, as much of it as fits
//
//  An answer is never sent where it could multiply (RFC 1122 §3.2.2, RFC 4443 §2.4): to an error, to a packet for many,
//  to a source that is not one host, about a later fragment. An IPv4 error has 576 bytes at most (RFC 1812), an IPv6
//  error 1,280.
//
//  Not here.  How many are sent: whoever sends them limits the rate, as the same sections demand. That "too big" is
//  said only about IPv4 packets with DF; the others could be cut.

public import Primitives

public enum ICMPError: Equatable, Sendable {
  /// Packets up to `mtu` bytes would pass.
  case packetTooBig(mtu: Int)
  /// The TTL, or hop limit, came to its end.
  case timeExceeded
  /// A rule forbids it.
  case prohibited
  /// It is known where it belongs, but nobody is there now.
  case unreachable

  public static let mostLengthIPv4 = 576
  public static let mostLengthIPv6 = 1_280
  /// A buffer of so many bytes is enough.
  public static let mostLength = mostLengthIPv6

  /// Writes the error about a packet and says its length; nil when there must be none, or `source`, the address that
  /// we speak with, is of another family.
  public func write(
    about packet: UnsafeRawBufferPointer, _ view: PacketView, from source: IPAddress,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard source.family == view.family, unsafe isAnswerable(packet, view), let quoted = packet.baseAddress,
      let start = out.baseAddress
    else { return nil }
    let isIPv4 = view.family == .ipv4
    let header = isIPv4 ? 20 : 40
    let most = isIPv4 ? ICMPError.mostLengthIPv4 : ICMPError.mostLengthIPv6
    let quote = min(packet.count, view.totalLength, most - header - 8)
    let total = header + 8 + quote
    guard out.count >= total else { return nil }

    let sender = view.tuple.source
    let message = unsafe start + header
    unsafe message.write(isIPv4 ? code.ipv4 : code.ipv6, 0)
    unsafe message.write(0 as UInt16, 2)
    unsafe message.write(isIPv4 ? UInt32(min(code.word, 0xffff)) : code.word, 4)
    unsafe (message + 8).copyMemory(from: quoted, byteCount: quote)
    var sum = unsafe Checksum(UnsafeRawBufferPointer(start: message, count: 8 + quote))
    if isIPv4 {
      unsafe start.write(0x45c0 as UInt16, 0)  // what keeps a network alive goes first: precedence 6
      unsafe start.write(UInt16(total), 2)
      unsafe start.write(0x0000_4000 as UInt32, 4)  // DF: the identification need not be unique
      unsafe start.write(UInt16(64) << 8 | UInt16(PacketView.Transport.icmp), 8)
      unsafe start.write(0 as UInt16, 10)
      unsafe start.write(source.high | sender.high >> 32, 12)
      unsafe start.write(Checksum(UnsafeRawBufferPointer(start: start, count: header)).complement, 10)
    } else {
      unsafe start.write(0x6000_0000 as UInt32, 0)
      unsafe start.write(UInt16(8 + quote), 4)
      unsafe start.write(UInt16(PacketView.Transport.icmpv6) << 8 | 64, 6)
      unsafe start.write(source.high, 8)
      unsafe start.write(source.low, 16)
      unsafe start.write(sender.high, 24)
      unsafe start.write(sender.low, 32)
      sum.addPseudoHeader(
        source: source, destination: sender, transport: PacketView.Transport.icmpv6, length: 8 + quote)
    }
    unsafe message.write(sum.complement, 2)
    return total
  }

  /// Type and code for each family, and the word behind the checksum.
  private var code: (ipv4: UInt16, ipv6: UInt16, word: UInt32) {
    switch self {
    case .packetTooBig(let mtu): (0x0304, 0x0200, UInt32(clamping: mtu))
    case .timeExceeded: (0x0b00, 0x0300, 0)
    case .prohibited: (0x030d, 0x0101, 0)
    case .unreachable: (0x0301, 0x0103, 0)
    }
  }

  private func isAnswerable(_ packet: UnsafeRawBufferPointer, _ view: PacketView) -> Bool {
    guard packet.count >= view.headerLength, !view.isFragment || view.isFirstFragment else { return false }
    guard ICMPError.isOneHost(view.tuple.source), !view.isLimitedBroadcast else { return false }
    if view.isMulticast {
      // Path MTU discovery is for IPv6 multicast, too.
      guard case .packetTooBig = self, view.family == .ipv6 else { return false }
    }
    switch view.transport {
    case PacketView.Transport.icmp:
      // Unreachable, quench, redirect, time exceeded, parameter problem.
      switch unsafe packet[view.transportOffset] {
      case 3, 4, 5, 11, 12: return false
      default: return true
      }
    case PacketView.Transport.icmpv6:
      return unsafe packet[view.transportOffset] >= 128
    default: return true
    }
  }

  private static func isOneHost(_ address: IPAddress) -> Bool {
    if address.family == .ipv6 { return !address.isMulticast && (address.high != 0 || address.low > 1) }
    let network = address.high >> 56
    return network != 0 && network != 127 && network < 224
  }
}
