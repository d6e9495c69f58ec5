//  TrafficDatagram.swift — what the simulator's own flows and pings say to each other: 24 bytes, and as many zeros as
//  asked for.
//
//      0            3      4          6     8                  16                 24
//      │ S │ I │ M  │ kind │ checksum │ 0 0 │ first number     │ second number    │ 0 …
//
//  Twenty-four, because UDP's 8 and these make the 32 bytes of a TCP header with timestamps: a segment of 1,448 bytes
//  then has the frame of TCP's, 1,514, and an acknowledgement 66. Checksum as in IP: the sum over all is 0xffff, so
//  that a bit that was flipped on the way makes a datagram worthless here as it would there. The three letters keep
//  dissectors from guessing.

import Primitives

struct TrafficDatagram {
  enum Kind: UInt8 {
    /// Segment number, transmission number.
    case segment = 1
    /// Next segment that is missing, transmission number that caused this.
    case acknowledgement
    /// Number, time of sending.
    case ping
    /// As in the ping.
    case pong
  }

  static let headerLength = 24

  var kind: Kind
  var first: UInt64
  var second: UInt64

  /// nil for what did not come over the line as it was sent.
  init?(_ bytes: Span<UInt8>) {
    guard bytes.count >= TrafficDatagram.headerLength, let kind = Kind(rawValue: bytes[3]) else { return nil }
    if bytes[0] != UInt8(ascii: "S") || onesComplementSum(bytes) != 0xffff { return nil }
    self.kind = kind
    first = 0
    second = 0
    for at in 8..<16 { first = first << 8 | UInt64(bytes[at]) }
    for at in 16..<24 { second = second << 8 | UInt64(bytes[at]) }
  }

  init(_ kind: Kind, _ first: UInt64, _ second: UInt64) {
    self.kind = kind
    self.first = first
    self.second = second
  }

  /// Header, and zeros up to this length.
  func write(into space: inout OutputSpan<UInt8>, length: Int = headerLength) {
    let letters: (UInt8, UInt8, UInt8) = (UInt8(ascii: "S"), UInt8(ascii: "I"), UInt8(ascii: "M"))
    var sum = UInt64(letters.0) << 8 + UInt64(letters.1) + UInt64(letters.2) << 8 + UInt64(kind.rawValue)
    for shift in stride(from: 0 as UInt64, to: 64, by: 16) {
      sum += (first >> shift & 0xffff) + (second >> shift & 0xffff)
    }
    while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
    let checksum = ~UInt16(sum)
    space.append(letters.0)
    space.append(letters.1)
    space.append(letters.2)
    space.append(kind.rawValue)
    space.append(UInt8(checksum >> 8))
    space.append(UInt8(checksum & 0xff))
    space.append(repeating: 0, count: 2)
    for number in [first, second] {
      for shift in stride(from: 56 as UInt64, through: 0, by: -8) {
        space.append(UInt8(truncatingIfNeeded: number >> shift))
      }
    }
    if length > TrafficDatagram.headerLength {
      space.append(repeating: 0, count: length - TrafficDatagram.headerLength)
    }
  }
}
