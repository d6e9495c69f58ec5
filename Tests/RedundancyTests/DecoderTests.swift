import Parity
import Primitives
import Redundancy
import Testing
import Wire

@Suite struct `What a receiver keeps of groups` {
  private let sample = Location(lane: 7, segment: 1, length: 9, offset: 0, segmentSize: 0)

  @Test func `is given up when it has been open for long enough`() {
    var sender = Sender(members: 3, parity: 1)
    for _ in 0..<3 { sender.send(100) }
    let pieces = sender.takePieces()
    var decoder = ParityDecoder.usual()
    #expect(decoder.take(pieces[3], at: .zero + .milliseconds(100)).verdict == .kept)
    #expect(decoder.deadline == .zero + .milliseconds(600))
    decoder.expire(at: .zero + .milliseconds(599))
    #expect(decoder.counters.expired == 0)
    decoder.expire(at: .zero + .milliseconds(600))
    #expect(decoder.counters.expired == 1 && decoder.counters.missing == 3 && decoder.deadline == nil)
    #expect(decoder.take(pieces[0]).verdict == .late)
    #expect(decoder.take(pieces[1]).verdict == .late)
    #expect(decoder.take(pieces[3]).verdict == .duplicate, "it was here before the group was given up")
  }

  @Test func `is given up group by group, each at its time`() {
    var sender = Sender(members: 2, parity: 1)
    for _ in 0..<8 { sender.send(100) }
    var decoder = ParityDecoder.usual()
    for (step, piece) in sender.takePieces().filter({ $0.header.extra == 1 }).enumerated() {
      _ = decoder.take(piece, at: .zero + .milliseconds(Int64(10 * step)))
    }
    for step in 0..<4 {
      #expect(decoder.deadline == .zero + .milliseconds(Int64(500 + 10 * step)))
      decoder.expire(at: .zero + .milliseconds(Int64(500 + 10 * step)))
      #expect(decoder.counters.expired == UInt64(step + 1))
    }
    #expect(decoder.deadline == nil && decoder.counters.missing == 0, "nobody told how large the groups were")
  }

  @Test func `makes room for younger groups`() {
    var sender = Sender(members: 2, parity: 1)
    for _ in 0..<10 { sender.send(100) }
    let pieces = sender.takePieces()
    var decoder = ParityDecoder.usual(groups: 4)
    for group in 0..<4 { #expect(decoder.take(pieces[group * 3]).verdict == .kept) }
    #expect(decoder.counters.overrun == 0)
    #expect(decoder.take(pieces[12]).verdict == .kept)
    #expect(decoder.counters.overrun == 1)
    #expect(decoder.take(pieces[2]).verdict == .late, "group 0 had the slot of group 4")
    #expect(decoder.take(pieces[5]).rebuilt == [sender.sent[3]], "group 1 is still there")
  }

  @Test func `fits its memory, the oldest goes first`() {
    // 28 pieces of 1,024 bytes.
    var decoder = ParityDecoder.usual(bytes: 28 << 10, mostText: 1_008)
    var sender = Sender(members: 16, parity: 4, mostText: 1_008)
    for _ in 0..<48 { sender.send(1_008) }
    let pieces = sender.takePieces()
    // Of the first group 12 members, then of the second 15 members and a piece of parity: enough to rebuild.
    for index in 0..<12 { #expect(decoder.take(pieces[index]).verdict == .kept) }
    for index in 21..<36 { #expect(decoder.take(pieces[index]).verdict == .kept) }
    #expect(decoder.counters.outOfMemory == 0)
    #expect(decoder.take(pieces[36]).rebuilt == [sender.sent[16]])
    #expect(decoder.counters.outOfMemory == 0)
    #expect(decoder.take(pieces[40]).verdict == .kept)
    #expect(decoder.counters.outOfMemory == 1, "the first group had the oldest piece")
    #expect(decoder.take(pieces[12]).verdict == .late)
  }

  @Test func `is crowded out by its own youngest piece only if nothing else is older`() {
    var decoder = ParityDecoder.usual(bytes: 28 << 10, mostText: 1_008)
    var sender = Sender(members: 16, parity: 4, mostText: 1_008)
    for _ in 0..<48 { sender.send(1_008) }
    let pieces = sender.takePieces()
    for index in [0] + Array(20..<36) + Array(40..<51) {
      if index == 35 { continue }
      #expect(decoder.take(pieces[index]).verdict == .kept)
    }
    #expect(decoder.take(pieces[1]).verdict == .kept)
    #expect(decoder.take(pieces[2]).verdict == .crowded, "its group had the oldest piece of all")
    #expect(decoder.counters.outOfMemory == 1 && decoder.counters.crowded == 1)
  }

  @Test func `is forgotten when the lane begins anew`() {
    var sender = Sender(members: 2, parity: 1)
    sender.send(10)
    sender.send(10)
    let pieces = sender.takePieces()
    var decoder = ParityDecoder.usual()
    _ = decoder.take(pieces[0])
    decoder.reset()
    #expect(decoder.deadline == nil)
    #expect(decoder.take(pieces[0]).verdict == .kept)
    #expect(decoder.take(pieces[2]).rebuilt == [sender.sent[1]])
  }

  // MARK: Pieces that do not belong together

  @Test func `does not believe a member that its parity does not know of`() {
    var decoder = ParityDecoder.usual()
    #expect(take(&decoder, .parity(0, members: 3, of: 2), 100) == .kept)
    #expect(take(&decoder, .member(3), 50) == .contradiction)
    #expect(take(&decoder, .member(0), 85) == .contradiction, "longer than its parity")
    #expect(take(&decoder, .member(0), 84) == .kept)
    #expect(take(&decoder, .parity(1, members: 4, of: 2), 100) == .contradiction)
    #expect(take(&decoder, .parity(1, members: 3, of: 3), 100) == .contradiction)
    #expect(take(&decoder, .parity(1, members: 3, of: 2), 99) == .contradiction)
    #expect(decoder.counters.contradiction == 5 && decoder.counters.kept == 2)
  }

  @Test func `does not believe parity that its members do not fit`() {
    var decoder = ParityDecoder.usual()
    #expect(take(&decoder, .member(5), 80) == .kept)
    #expect(take(&decoder, .parity(0, members: 5, of: 1), 100) == .contradiction)
    #expect(take(&decoder, .parity(0, members: 6, of: 1), 95) == .contradiction)
    #expect(take(&decoder, .parity(0, members: 6, of: 1), 96) == .kept)
  }

  @Test func `has no place for pieces that are too long, or too short to be any`() {
    var decoder = ParityDecoder.usual(mostText: 200)
    #expect(take(&decoder, .member(0), 201) == .wrongLength)
    #expect(take(&decoder, .parity(0, members: 2, of: 1), 217) == .wrongLength)
    #expect(take(&decoder, .parity(0, members: 2, of: 1), 15) == .wrongLength)
    #expect(decoder.deadline == nil, "a group is not opened for nothing")
    #expect(take(&decoder, .member(0), 200) == .kept)
    #expect(take(&decoder, .parity(0, members: 2, of: 1), 216) == .kept)
  }

  @Test func `counts what turns out to be no datagram`() {
    var decoder = ParityDecoder.usual()
    let text = [UInt8](repeating: 0xff, count: 60)
    let piece = Piece(
      header: .init(group: 3, piece: .parity(0, members: 1, of: 1)), location: sample, text: text)
    #expect(decoder.take(piece).rebuilt.isEmpty)
    #expect(decoder.counters.implausible == 1 && decoder.counters.rebuilt == 0)
  }

  /// A peer with true keys, whose pieces say anything: never a trap, never more than the memory that was given, and
  /// every piece has one verdict.
  @Test(arguments: 0..<300) func `bears any pieces in any order`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var decoder = ParityDecoder.usual(groups: 1 << Int(random.below(5)), bytes: 22 * 320, mostText: 300)
    var now = Instant.zero
    var rebuilt: UInt64 = 0
    let groups = 1 + random.below(40)
    for _ in 0..<600 {
      now += .milliseconds(Int64(random.below(30)))
      let group = random.below(50) == 0 ? random.next() : random.below(groups)
      let members = 1 + Int(random.below(random.below(3) == 0 ? 16 : 4))
      let rows = 1 + Int(random.below(4))
      let kind: ParityHeader.Piece =
        random.below(3) == 0
        ? .parity(Int(random.below(UInt64(rows))), members: members, of: rows) : .member(Int(random.below(16)))
      let length = random.below(2) == 0 ? 40 : Int(random.below(330))
      let piece = Piece(
        header: .init(group: UInt32(truncatingIfNeeded: group), piece: kind),
        location: Location(
          lane: 1, flags: .init(rawValue: UInt8(random.below(256))), segment: UInt32(random.below(9)), length: 77,
          offset: UInt32(random.below(1 << 24)), segmentSize: 3),
        text: (0..<length).map { _ in random.below(4) == 0 ? UInt8(random.below(256)) : 0 })
      rebuilt += UInt64(decoder.take(piece, at: now).rebuilt.count)
      if random.below(10) == 0 { decoder.expire(at: now) }
      if let deadline = decoder.deadline, random.below(20) == 0 { decoder.expire(at: deadline) }
    }
    let counters = decoder.counters
    #expect(counters.rebuilt == rebuilt, "seed \(seed)")
    #expect(
      counters.kept + counters.duplicate + counters.needless + counters.late + counters.contradiction
        + counters.wrongLength + counters.crowded == 600, "seed \(seed)")
    decoder.expire(at: now + .seconds(1))
    #expect(decoder.deadline == nil, "seed \(seed)")
  }

  @Test func `has headers from elsewhere judged, too`() {
    var decoder = ParityDecoder.usual()
    for piece in [
      ParityHeader.Piece.member(-1), .member(16), .parity(-1, members: 2, of: 1), .parity(1, members: 2, of: 1),
      .parity(0, members: 0, of: 1), .parity(0, members: 17, of: 1), .parity(4, members: 2, of: 5),
    ] {
      #expect(take(&decoder, piece, 50) == .contradiction)
    }
  }

  private func take(_ decoder: inout ParityDecoder, _ piece: ParityHeader.Piece, _ length: Int)
    -> ParityDecoder.Verdict
  {
    decoder.take(
      Piece(
        header: .init(group: 1, piece: piece), location: sample, text: [UInt8](repeating: 0, count: length))
    ).verdict
  }
}
