import Handshake
import Primitives
import Testing

@Suite struct `The replay window` {
  @Test(arguments: 0..<300) func `takes each counter once, and all that are not too old, in any order`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var window = ReplayWindow()
    var seen: Set<UInt64> = []
    var next: UInt64 = 0
    // From small steps to jumps over the whole window, and near the end of what 48 bits can count.
    var base = seed % 3 == 0 ? (1 << 48) - 50_000 : UInt64(0)
    let reach = [3, 64, 500, 8_192, 20_000][Int(random.below(5))]
    for _ in 0..<3_000 {
      base += random.below(UInt64(reach) / 2 + 2)
      let back = random.below(UInt64(reach) * 2)
      let counter = min(back > base ? 0 : base - back, (1 << 48) - 1)
      let expected: ReplayWindow.Verdict =
        counter >= next ? .fresh : next - counter > 8_192 ? .tooOld : seen.contains(counter) ? .repeated : .fresh
      let checked = window.check(counter)
      #expect(checked == expected, "seed \(seed), counter \(counter)")
      // Some are not authentic.
      if random.below(4) == 0 { continue }
      let accepted = window.accept(counter)
      #expect(accepted == expected, "seed \(seed), counter \(counter)")
      if accepted == .fresh {
        seen.insert(counter)
        next = max(next, counter + 1)
      }
    }
  }

  @Test func `is 8,192 counters long, exactly`() {
    for last in [8_191, 8_192, 100_000, 1 << 47] as [UInt64] {
      var window = ReplayWindow()
      _ = window.accept(last)
      let verdicts = (window.check(last - 8_191), last >= 8_192 ? window.check(last - 8_192) : .tooOld)
      #expect(verdicts == (.fresh, .tooOld))
      let accepted = (window.accept(last - 8_191), window.accept(last - 8_191), window.accept(last))
      #expect(accepted == (.fresh, .repeated, .repeated))
    }
  }

  @Test func `of two copies in one batch, which both pass the check, takes one`() {
    var window = ReplayWindow()
    let checks = [window.check(5), window.check(5)]
    let accepted = [window.accept(5), window.accept(5)]
    #expect(checks == [.fresh, .fresh] && accepted == [.fresh, .repeated])
  }

  @Test func `forgets what it saw one window before, bit by bit and at once`() {
    var window = ReplayWindow()
    for counter in 0..<20_000 as Range<UInt64> { _ = window.accept(counter) }
    // Each second one of the next window.
    for counter in stride(from: 20_001, to: 28_193, by: 2) as StrideTo<UInt64> { _ = window.accept(counter) }
    var verdicts: [ReplayWindow.Verdict] = []
    for counter in 20_001..<28_192 as Range<UInt64> { verdicts.append(window.check(counter)) }
    #expect(verdicts.enumerated().allSatisfy { $0.element == ($0.offset % 2 == 0 ? .repeated : .fresh) })
    _ = window.accept(1 << 40)
    let after = (1...8_191).allSatisfy { (back: UInt64) in window.check(1 << 40 - back) == .fresh }
    #expect(after)
  }
}

@Suite struct `The ring of sessions` {
  @Test(arguments: 0..<200) func `holds four at most, retires each once, and sends with a confirmed one`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var ring = KeyRing<Int>(life: .seconds(180))
    var (now, added, retired): (Instant, Int, Set<Int>) = (.zero, 0, [])
    var confirmed: Set<Int> = []
    for _ in 0..<400 {
      now += .milliseconds(Int64(random.below(30_000)))
      switch random.below(4) {
      case 0:
        let isInitiator = random.below(2) == 0
        ring.add(added, isInitiator: isInitiator, at: now)
        if isInitiator { confirmed.insert(added) }
        added += 1
      case 1, 2:
        let token = added - Int(random.below(4))
        if ring.contains(token) { confirmed.insert(token) }
        _ = ring.confirm(token, isElder: seed % 2 == 0)
      default: ring.expire(at: now)
      }
      while let token = ring.nextRetired() { #expect(retired.insert(token).inserted, "seed \(seed)") }
      let held = (0..<added).filter { ring.contains($0) }
      #expect(held.count <= 4 && held.allSatisfy { !retired.contains($0) }, "seed \(seed)")
      #expect(held.count + retired.count == added, "seed \(seed)")
      if let sending = ring.sending?.token { #expect(confirmed.contains(sending), "seed \(seed)") }
    }
    ring.removeAll()
    while let token = ring.nextRetired() { retired.insert(token) }
    #expect(retired.count == added && ring.sending == nil && ring.deadline == nil)
  }

  @Test func `sends with the old session until the new one is confirmed, and opens both`() {
    var ring = KeyRing<Int>(life: .seconds(180))
    ring.add(1, isInitiator: true, at: .zero)
    ring.add(2, isInitiator: false, at: Instant(nanoseconds: 1))
    #expect(ring.sending?.token == 1 && ring.contains(2) && ring.unconfirmed?.token == 2)
    let isSentWith = ring.confirm(2, isElder: true)
    #expect(isSentWith && ring.sending?.token == 2 && ring.contains(1) && ring.unconfirmed == nil)
    let again = ring.confirm(2, isElder: true)
    #expect(!again)
  }
}
