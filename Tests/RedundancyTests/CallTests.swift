import Parity
import Primitives
import Redundancy
import Simulation
import Testing
import Wire

/// 50 packets of 200 bytes a second over three paths that lose one in ten: the class that parity is for.
@Suite struct `A call over three bad paths` {
  @Test func `loses what theory says, delivers nothing twice, and waits for no round trip`() {
    let packets = 20_000
    var call = Call(seed: 4)
    for number in 0..<packets { call.send(number, at: .zero + .milliseconds(Int64(number) * 20)) }
    call.finish()

    #expect(call.deliveries.allSatisfy { $0 <= 1 })
    let theory = ResidualLoss(members: 2, parity: 1, losses: [0.1, 0.1, 0.1]).ofDatagrams
    let lost = Double(call.deliveries.count { $0 == 0 }) / Double(packets)
    // In a group none are lost, or one, or both: 1.8 % and 1 % of the groups. The share of one group has this spread:
    let spread = (0.018 * 0.25 + 0.01 * 1 - theory * theory).squareRoot()
    #expect(abs(lost - theory) < 4 * spread / Double(packets / 2).squareRoot(), "\(lost), not \(theory)")
    #expect(call.decoder.counters.rebuilt > 1_400)
    // The second packet is 20 ms younger, the slowest path 60 ms long, and jitter adds a little.
    #expect(call.latest < .milliseconds(60 + 20 + 15), "\(call.latest.inMilliseconds) ms")
    #expect(call.encoder.counters.full == UInt64(packets / 2) && call.encoder.counters.timedOut == 0)
    #expect(call.decoder.counters.contradiction == 0 && call.decoder.counters.wrongLength == 0)
    #expect(call.decoder.counters.overrun == 0 && call.decoder.counters.outOfMemory == 0)
    #expect(call.decoder.deadline == nil)
  }
}

private struct Call: ~Copyable {
  var encoder = ParityEncoder(code: ReedSolomon.code, mostText: 1_300, openFor: .milliseconds(40))
  var decoder = ParityDecoder.usual()
  private(set) var deliveries: [Int] = []
  private(set) var latest = Interval.zero
  private var sentAt: [Instant] = []
  private var pieces: [Piece] = []
  private var paths: FixedArray<Link>
  private let placement = Placement(paths: 3)

  init(seed: UInt64) {
    encoder.setShape(members: 2, parity: 1)
    let random = SeededRandom(seed: seed)
    paths = FixedArray(count: 3) { path in
      var conditions = LinkConditions()
      conditions.delay = .milliseconds([12, 25, 60][path])
      conditions.jitter = .milliseconds(2)
      conditions.reorders = true
      conditions.loss = Probability(partsPerBillion: 100_000_000)
      conditions.duplication = Probability(partsPerBillion: 2_000_000)
      return Link(conditions, random: random.stream(number: UInt64(path)))
    }
  }

  mutating func send(_ number: Int, at now: Instant) {
    run(until: now)
    deliveries.append(0)
    sentAt.append(now)
    let location = Location(
      lane: 3, flags: .begins, segment: UInt32(number), length: 200, offset: 0, segmentSize: 0)
    let text = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 200)
    guard let header = text.withUnsafeBytes({ encoder.protect(location, $0, at: now) }) else { return }
    if case .member(let index) = header.piece {
      leave(Piece(header: header, location: location, text: text), over: placement.path(ofMember: index), at: now)
    }
    sendParity(at: now)
  }

  private mutating func sendParity(at now: Instant) {
    while let piece = encoder.nextParity() {
      guard case .parity(let row, let members, _) = piece.header.piece else { continue }
      let text = Array(piece.text.dropFirst(ParityHeader.length))
      leave(
        Piece(
          header: piece.header, location: Location(lane: 3, segment: 0, length: 0, offset: 0, segmentSize: 0),
          text: text), over: placement.path(ofParity: row, members: members), at: now)
    }
  }

  private mutating func leave(_ piece: Piece, over path: Int, at now: Instant) {
    let verdict = paths[path].accept(
      slot: UInt32(pieces.count), length: ByteCount(piece.text.count + 76), at: now)
    #expect(verdict == .queued)
    pieces.append(piece)
  }

  mutating func finish() {
    encoder.flush()
    if let last = sentAt.last {
      sendParity(at: last)
      run(until: last + .seconds(2))
    }
  }

  /// Everything that happens before this moment, in its order.
  private mutating func run(until end: Instant) {
    while true {
      var moment = end
      for path in paths.indices { if let due = paths[path].deadline { moment = min(moment, due) } }
      for due in [encoder.deadline, decoder.deadline] { if let due { moment = min(moment, due) } }
      encoder.expire(at: moment)
      sendParity(at: moment)
      decoder.expire(at: moment)
      for path in paths.indices {
        paths[path].expire(at: moment)
        while let outcome = paths[path].nextOutcome() {
          if case .delivered(let slot, let due, _, _) = outcome { arrive(pieces[Int(slot)], at: due) }
        }
      }
      if moment == end { return }
    }
  }

  private mutating func arrive(_ piece: Piece, at now: Instant) {
    let (verdict, rebuilt) = decoder.take(piece, at: now)
    if piece.isMember && verdict != .duplicate { deliver(piece.location, piece.text, at: now) }
    for one in rebuilt { deliver(one.location, one.text, at: now) }
  }

  private mutating func deliver(_ location: Location, _ text: [UInt8], at now: Instant) {
    let number = Int(location.segment)
    #expect(text == [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 200))
    deliveries[number] += 1
    latest = max(latest, now - sentAt[number])
  }
}
