//  Specimen.swift — a lane that is protected, as arrays: what was sent, and every piece that left for it.

import Parity
import Primitives
import Redundancy
import Testing
import Wire

struct Datagram: Equatable {
  var location: Location
  var text: [UInt8]
}

struct Piece: Equatable {
  var header: ParityHeader
  var location: Location
  /// Behind the header.
  var text: [UInt8]

  var isMember: Bool { if case .member = header.piece { true } else { false } }
}

struct Sender: ~Copyable {
  static let lane: UInt16 = 7
  var encoder: ParityEncoder
  private(set) var sent: [Datagram] = []
  /// The group of each of them; the greatest number for those that went without.
  private(set) var groups: [UInt32] = []
  private(set) var pieces: [Piece] = []
  private var random: SeededRandom

  init(
    members: Int, parity: Int, mostText: Int = 1_300, openFor: Interval = .milliseconds(40), seed: UInt64 = 1
  ) {
    encoder = ParityEncoder(code: ReedSolomon.code, mostText: mostText, openFor: openFor)
    encoder.setShape(members: members, parity: parity)
    random = SeededRandom(seed: seed)
  }

  /// One datagram of this length, whose location and bytes are drawn.
  @discardableResult
  mutating func send(_ length: Int, at now: Instant = .zero) -> ParityHeader? {
    let text = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let location = Location(
      lane: Sender.lane, flags: Location.Flags(rawValue: UInt8(random.below(16))),
      segment: UInt32(truncatingIfNeeded: random.next()), length: UInt32(random.below(1 << 24)),
      offset: UInt32(random.below(1 << 24)), segmentSize: UInt16(random.below(65_536)))
    let header = text.withUnsafeBytes { encoder.protect(location, $0, at: now) }
    sent.append(Datagram(location: location, text: text))
    groups.append(header?.group ?? .max)
    if let header { pieces.append(Piece(header: header, location: location, text: text)) }
    drain()
    return header
  }

  mutating func drain() {
    while let piece = encoder.nextParity() {
      // As a receiver reads it.
      let header = ParityHeader(extra: piece.header.extra, piece.text)
      #expect(header == piece.header)
      pieces.append(
        Piece(
          header: piece.header, location: Location(lane: Sender.lane, segment: 0, length: 0, offset: 0, segmentSize: 0),
          text: Array(piece.text.dropFirst(ParityHeader.length))))
    }
  }

  /// All pieces so far, once.
  mutating func takePieces() -> [Piece] {
    defer { pieces = [] }
    return pieces
  }
}

extension ParityDecoder {
  static func usual(groups: Int = 16, bytes: Int = 64 << 10, mostText: Int = 1_300) -> ParityDecoder {
    var limits = Limits(mostText: mostText)
    limits.groups = groups
    limits.bytes = bytes
    return ParityDecoder(code: ReedSolomon.code, limits: limits)
  }

  /// The verdict, and what it gave.
  mutating func take(_ piece: Piece, at now: Instant = .zero) -> (verdict: Verdict, rebuilt: [Datagram]) {
    let verdict = piece.text.withUnsafeBytes { receive(piece.header, piece.location, $0, at: now) }
    var rebuilt: [Datagram] = []
    while let one = nextRebuilt() { rebuilt.append(Datagram(location: one.location, text: Array(one.text))) }
    return (verdict, rebuilt)
  }
}
