import Primitives
import Testing
import Wire

@testable import Relay

@Suite struct `A read of the front port` {
  @Test(arguments: [UInt64](0..<300))
  func `is sorted as each of its datagrams would be alone, and what goes on stays together`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let lengths = [20, 44, 60, 108, 168, 1_400]
    let pieceLength = lengths[Int(random.below(6))]
    var read: [UInt8] = []
    for _ in 0...random.below(20) { read += datagram(pieceLength, &random) }
    if random.below(2) == 0 { read += datagram(1 + Int(random.below(UInt64(pieceLength))), &random) }
    for side in [RelaySocket.front, .back(3)] {
      var expected: [DatagramRuns.Run] = []
      for start in stride(from: 0, to: read.count, by: pieceLength) {
        let end = min(start + pieceLength, read.count)
        let kind = kind(Array(read[start..<end]), side)
        if kind == .foreign, let last = expected.last, last.kind == .foreign {
          expected[expected.count - 1].range = last.range.lowerBound..<end
          expected[expected.count - 1].datagrams += 1
        } else {
          expected.append(DatagramRuns.Run(kind: kind, range: start..<end, datagrams: 1))
        }
      }
      let found = runs(read, pieceLength, side)
      #expect(found == expected, "seed \(seed), \(side)")
    }
  }

  @Test func `of one gateway's data is one run, and its sessions are asked for once`() {
    var read: [UInt8] = []
    for _ in 0..<40 { read += data(1_400, receiver: 9) }
    var asked = 0
    let found = read.withUnsafeBytes { bytes in
      var runs = DatagramRuns(bytes, pieceLength: 1_400, on: .front)
      return runs.next { _ in
        asked += 1
        return false
      }
    }
    #expect(found == DatagramRuns.Run(kind: .foreign, range: 0..<56_000, datagrams: 40))
    #expect(asked == 1)
  }

  @Test func `of nothing has no runs`() {
    #expect(runs([], 0, .front).isEmpty && runs([], 1_400, .back(0)).isEmpty)
  }

  private func runs(_ read: [UInt8], _ pieceLength: Int, _ side: RelaySocket) -> [DatagramRuns.Run] {
    read.withUnsafeBytes { bytes in
      var runs = DatagramRuns(bytes, pieceLength: pieceLength, on: side)
      var all: [DatagramRuns.Run] = []
      while let run = runs.next(isSession: { $0 < 3 }) { all.append(run) }
      return all
    }
  }

  private func kind(_ datagram: [UInt8], _ side: RelaySocket) -> DatagramRuns.Kind {
    datagram.withUnsafeBytes { bytes in
      if let question = RelayQuestion(bytes) { return .question(question) }
      if side != .front { return .foreign }
      if let header = ClearHeader(bytes), header.receiver < 3 { return .session(header.receiver) }
      if case .initiation? = HandshakeHeader(bytes) { return .initiation }
      return .foreign
    }
  }

  private func data(_ length: Int, receiver: UInt32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: length)
    bytes.withUnsafeMutableBytes { ClearHeader(path: 1, receiver: receiver, counter: 7).write(to: $0.baseAddress!) }
    return bytes
  }

  /// Of this length and of a kind that has it, or noise.
  private func datagram(_ length: Int, _ random: inout SeededRandom) -> [UInt8] {
    if length == RelayQuestion.length, random.below(2) == 0 {
      var bytes = [UInt8](repeating: 0, count: length)
      let question = RelayQuestion(
        nonce: RelayNonce(low: random.next(), high: random.next()), isAnswer: random.below(2) == 0)
      bytes.withUnsafeMutableBytes { question.write(to: $0.baseAddress!) }
      return bytes
    }
    if length == Initiation.length, random.below(2) == 0 {
      var bytes = [UInt8](repeating: 0, count: length)
      bytes.withUnsafeMutableBytes { HandshakeHeader.initiation(sender: 1).write(to: $0.baseAddress!) }
      return bytes
    }
    if length >= DataHeader.overhead, random.below(4) > 0 { return data(length, receiver: UInt32(random.below(6))) }
    return (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }
}

@Suite struct `An index of slots` {
  @Test(arguments: [UInt64](0..<40)) func `finds what a dictionary would find, also where all collide`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let capacity = 1 + Int(random.below(60))
    var index = SlotIndex(capacity: capacity)
    var hashes: [Int: UInt64] = [:]
    let spread = 1 + random.below(40)
    for _ in 0..<300 {
      let slot = Int(random.below(UInt64(capacity)))
      if let hash = hashes[slot] {
        index.remove(slot, hash)
        hashes[slot] = nil
      } else {
        let hash = random.below(spread) << 33 | random.below(spread)
        index.insert(slot, hash)
        hashes[slot] = hash
      }
      for (slot, hash) in hashes {
        var place = index.start(hash)
        var isFound = false
        var steps = 0
        while let candidate = index.next(hash, &place), steps <= capacity {
          if candidate == slot { isFound = true }
          steps += 1
        }
        let same = hashes.count { UInt32(truncatingIfNeeded: $0.value) == UInt32(truncatingIfNeeded: hash) }
        #expect(isFound && steps == same, "seed \(seed)")
      }
    }
  }

  /// The authors' test: key 00 01 … 0f, message 00 01 02 …; and what a key changes.
  @Test func `hashes as SipHash does`() {
    func sip(_ words: Int) -> UInt64 {
      var state = SipState(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908)
      for word in 0..<words { state.take(0x0706_0504_0302_0100 + UInt64(word) * 0x0808_0808_0808_0808, rounds: 2) }
      return state.finish(byteCount: UInt64(words) * 8, rounds: 2, last: 4)
    }
    #expect(sip(0) == 0x726f_db47_dd0e_0e31)
    #expect(sip(1) == 0x93f5_f579_9a93_2462)
    #expect(sip(2) == 0x3f2a_cc7f_57c2_9bdb)
    #expect(sip(3) == 0xb8ad_50c6_f649_af94)
    #expect(KeyedHash(low: 1, high: 2)(1, 2, 3) != KeyedHash(low: 1, high: 3)(1, 2, 3))
  }
}
