import Parity
import Primitives
import Redundancy
import Testing
import Wire

@Suite struct `A protected group` {
  /// Every shape up to 5 + 4, and of each every set of pieces that can arrive, in an order that is drawn.
  @Test(arguments: 1...5, 1...4)
  func `is made whole by any k of its k + m pieces, and by none fewer`(members: Int, parity: Int) {
    for arriving in 0..<(1 << (members + parity)) {
      let seed = UInt64(arriving * 100 + members * 10 + parity)
      var random = SeededRandom(seed: seed)
      var sender = Sender(members: members, parity: parity, seed: seed)
      for _ in 0..<members { sender.send(Int(random.below(random.below(4) > 0 ? 60 : 1_301))) }
      let pieces = sender.takePieces()
      #expect(pieces.count == members + parity)
      var decoder = ParityDecoder.usual()
      let delivered = deliver(pieces, arriving, to: &decoder, &random)
      let arrived = sender.sent.indices.filter { arriving >> $0 & 1 != 0 }
      if arriving.nonzeroBitCount >= members {
        let everything = sender.sent.indices.allSatisfy { delivered[$0] == 1 }
        #expect(everything && delivered.values.reduce(0, +) == members, "\(arriving) of \(members)+\(parity)")
        // Without parity nobody told that these are all.
        #expect((decoder.deadline == nil) == (arriving >> members != 0))
      } else {
        #expect(delivered.keys.sorted() == arrived, "\(arriving) of \(members)+\(parity)")
        #expect(decoder.counters.rebuilt == 0)
      }
    }
    /// How often each datagram came, those that arrived and those that were rebuilt; a wrong one fails.
    func deliver(
      _ pieces: [Piece], _ arriving: Int, to decoder: inout ParityDecoder, _ random: inout SeededRandom
    ) -> [Int: Int] {
      var counts: [Int: Int] = [:]
      let datagrams = pieces.filter(\.isMember).map { Datagram(location: $0.location, text: $0.text) }
      for index in pieces.indices.filter({ arriving >> $0 & 1 != 0 }).shuffled(using: &random) {
        let (verdict, rebuilt) = decoder.take(pieces[index])
        if pieces[index].isMember && verdict == .kept { counts[index, default: 0] += 1 }
        for one in rebuilt {
          let which = datagrams.firstIndex(of: one)
          #expect(which != nil, "rebuilt what was never sent: \(one)")
          if let which { counts[which, default: 0] += 1 }
        }
      }
      return counts
    }
  }

  /// Many groups under way at once, over paths with delays of their own, any shapes, any losses.
  @Test(arguments: 0..<150) func `gives each datagram at most once, as it was sent`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var sender = Sender(members: 1, parity: 1, seed: seed)
    var decoder = ParityDecoder.usual(bytes: 1 << 20)
    let loss = 0.02 + random.unit() * 0.4
    var inFlight: [(due: Int, piece: Piece)] = []
    var groups: [UInt32: [Piece]] = [:]
    for step in 0..<400 {
      if random.below(10) == 0 {
        sender.encoder.setShape(members: 1 + Int(random.below(16)), parity: 1 + Int(random.below(4)))
      }
      sender.send(Int(random.below(random.below(4) > 0 ? 200 : 1_301)), at: .zero + .milliseconds(Int64(step)))
      if random.below(20) == 0 {
        sender.encoder.flush()
        sender.drain()
      }
      for piece in sender.takePieces() where random.unit() >= loss {
        inFlight.append((step + Int(random.below(6)), piece))
        if random.below(30) == 0 { inFlight.append((step + Int(random.below(9)), piece)) }
      }
    }
    // Sorting by time of arrival, those of one time as they were sent.
    let order = inFlight.indices.sorted { (inFlight[$0].due, $0) < (inFlight[$1].due, $1) }
    var delivered = [Int](repeating: 0, count: sender.sent.count)
    for index in order {
      let piece = inFlight[index].piece
      groups[piece.header.group, default: []].append(piece)
      let (verdict, rebuilt) = decoder.take(piece)
      if piece.isMember && verdict == .kept { count(Datagram(location: piece.location, text: piece.text)) }
      for one in rebuilt { count(one) }
    }
    func count(_ datagram: Datagram) {
      guard let index = sender.sent.firstIndex(of: datagram) else {
        Issue.record("seed \(seed): rebuilt what was never sent")
        return
      }
      delivered[index] += 1
    }
    #expect(delivered.allSatisfy { $0 <= 1 }, "seed \(seed)")
    // And as much as there can be: what arrived, and all of each group of which enough arrived.
    for (group, pieces) in groups.sorted(by: { $0.key < $1.key }) {
      let distinct = Set(pieces.map(\.header.extra)).count
      guard case .parity(_, let members, _)? = pieces.first(where: { !$0.isMember })?.header.piece else { continue }
      if distinct >= members {
        let there = delivered.indices.filter { sender.groups[$0] == group && delivered[$0] == 1 }.count
        #expect(there == members, "seed \(seed), group \(group)")
      }
    }
    #expect(decoder.counters.rebuilt > 0 && decoder.counters.implausible == 0, "seed \(seed)")
    #expect(decoder.counters.contradiction == 0 && decoder.counters.wrongLength == 0, "seed \(seed)")
  }

  @Test func `costs a receiver no computation when nothing is lost`() {
    var sender = Sender(members: 4, parity: 2)
    var decoder = ParityDecoder.usual()
    for _ in 0..<40 { sender.send(200) }
    let verdicts = sender.takePieces().map { decoder.take($0).verdict }
    #expect(verdicts.prefix(6) == [.kept, .kept, .kept, .kept, .needless, .needless])
    #expect(decoder.counters.wholeGroups == 10 && decoder.counters.rebuiltGroups == 0)
    #expect(decoder.counters.kept == 40 && decoder.counters.needless == 20)
    #expect(decoder.deadline == nil)
  }

  @Test func `with one member is a copy of it`() {
    var sender = Sender(members: 1, parity: 1)
    sender.send(200)
    let pieces = sender.takePieces()
    #expect(pieces[1].text.suffix(200) == sender.sent[0].text[...])
    var decoder = ParityDecoder.usual()
    #expect(decoder.take(pieces[1]).rebuilt == sender.sent)
    #expect(decoder.take(pieces[0]).verdict == .duplicate)
  }

  @Test func `keeps an empty text apart from none`() {
    var sender = Sender(members: 3, parity: 1)
    for length in [0, 100, 0] { sender.send(length) }
    var decoder = ParityDecoder.usual()
    let pieces = sender.takePieces()
    for index in [1, 2] { #expect(decoder.take(pieces[index]).rebuilt.isEmpty) }
    #expect(decoder.take(pieces[3]).rebuilt == [sender.sent[0]])
  }

  @Test func `has parity that is 20 bytes longer than its longest datagram`() {
    var sender = Sender(members: 3, parity: 2)
    for length in [90, 1_200, 300] { sender.send(length) }
    let parity = sender.takePieces().filter { !$0.isMember }
    #expect(parity.map { $0.text.count + ParityHeader.length } == [1_220, 1_220])
    #expect(MemberImage.overhead == 20)
  }

  @Test func `is numbered in 24 bits, and its receiver follows across the end`() {
    var sender = Sender(members: 2, parity: 1)
    var decoder = ParityDecoder.usual()
    var numbers: [UInt32] = []
    for _ in 0..<4 {
      for _ in 0..<2 { sender.send(50) }
      // Two before the end of the numbers, and two behind it.
      let pieces = sender.takePieces().map { piece in
        var moved = piece
        moved.header.group = (piece.header.group &+ 0xff_fffe) & ParityHeader.groupMask
        return moved
      }
      numbers.append(pieces[0].header.group)
      #expect(decoder.take(pieces[0]).verdict == .kept)
      #expect(decoder.take(pieces[2]).rebuilt.count == 1)
    }
    #expect(numbers == [0xff_fffe, 0xff_ffff, 0, 1])
    #expect(decoder.counters.late == 0)
  }
}
