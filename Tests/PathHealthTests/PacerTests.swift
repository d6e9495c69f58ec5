import PathHealth
import Primitives
import Testing

@Suite struct `When bytes may leave` {
  @Test(arguments: [2, 20, 50, 100, 300, 1_000, 10_000] as [UInt64])
  func `a sender that never stops gets exactly its rate`(megabitsPerSecond: UInt64) {
    let rate = BitRate(bitsPerSecond: megabitsPerSecond * 1_000_000 + 7)
    var pacer = Pacer(rate: rate, at: .zero)
    var now = Instant.zero
    var sent = 0
    while now < .zero + .seconds(3) {
      let room = pacer.room(at: now)
      sent += room
      pacer.spend(room, at: now)
      guard let next = pacer.nextSend else { break }
      #expect(next > now)
      now = next
    }
    let earned = rate.bytes(in: now - .zero).value
    #expect(sent <= earned + pacer.burst)
    #expect(sent >= earned)
  }

  @Test func `nothing is rounded away in a day`() {
    // A rate that no power of ten divides, asked at moments that nothing divides either.
    let rate = BitRate(bitsPerSecond: 10_007)
    var pacer = Pacer(rate: rate, at: .zero)
    var random = SeededRandom(seed: 3)
    var now = Instant.zero
    var sent = 0
    while now < .zero + .seconds(86_400) {
      let room = pacer.room(at: now)
      pacer.spend(room, at: now)
      sent += room
      // Half a burst is there after 1.2 s; a second later it is not yet full, so nothing is lost.
      now = (pacer.nextSend ?? now) + .nanoseconds(Int64(random.below(1_000_000_000)))
    }
    sent += pacer.room(at: now)
    // The first burst was free, and less than a byte of the rest is still to come.
    #expect(sent - pacer.burst == rate.bytes(in: now - .zero).value)
  }

  @Test func `a late loop catches up with one burst and no more`() {
    var pacer = Pacer(rate: BitRate(bitsPerSecond: 1_000_000_000), at: .zero)
    pacer.spend(pacer.room(at: .zero), at: .zero)
    #expect(pacer.room(at: .zero) == 0)
    let late = Instant.zero + .milliseconds(80)
    #expect(pacer.room(at: late) == 125_000, "a millisecond of a gigabit")
    pacer.spend(125_000, at: late)
    #expect(pacer.room(at: late) == 0)
  }

  @Test func `bursts are small where they would be felt and whole batches where calls count`() {
    func burst(_ bitsPerSecond: UInt64) -> Int { Pacer(rate: BitRate(bitsPerSecond: bitsPerSecond), at: .zero).burst }
    #expect(burst(2_000_000) == 3_000, "two datagrams")
    #expect(burst(20_000_000) == 5_000, "2 ms")
    #expect(burst(50_000_000) == 12_500, "2 ms")
    #expect(burst(400_000_000) == 65_536, "a batch")
    #expect(burst(10_000_000_000) == 1_250_000, "1 ms")
  }

  @Test func `room opens with half a batch so that no call carries a single datagram`() {
    var pacer = Pacer(rate: BitRate(bitsPerSecond: 400_000_000), at: .zero)
    pacer.spend(65_536, at: .zero)
    #expect(pacer.room(at: .zero + .microseconds(600)) == 0)
    #expect(pacer.nextSend == .zero + .nanoseconds(655_360))
    #expect(pacer.room(at: .zero + .nanoseconds(655_360)) == 32_768)
    #expect(pacer.nextSend == nil)
  }

  @Test func `whoever must overdraws one burst at most, and pays it back`() {
    var pacer = Pacer(rate: BitRate(bitsPerSecond: 20_000_000), at: .zero)
    for _ in 0..<100 { pacer.spend(1_400, at: .zero) }
    // One burst of debt and half of one to earn: 7,500 bytes at 20 Mbit/s.
    #expect(pacer.nextSend == .zero + .milliseconds(3))
  }

  @Test func `a new rate keeps what was earned and no more than its own burst`() {
    var pacer = Pacer(rate: BitRate(bitsPerSecond: 1_000_000_000), at: .zero)
    pacer.setRate(BitRate(bitsPerSecond: 10_000_000), at: .zero)
    #expect(pacer.room(at: .zero) == 3_000)
    pacer.spend(3_000, at: .zero)
    pacer.setRate(BitRate(bitsPerSecond: 10_000_000_000), at: .zero)
    #expect(pacer.room(at: .zero) == 0)
  }

  @Test func `nothing that it is told makes it trap`() {
    var random = SeededRandom(seed: 11)
    var pacer = Pacer(rate: .maximum, at: .zero)
    for _ in 0..<20_000 {
      let now = Instant(nanoseconds: random.next() >> (1 + random.below(62)))
      switch random.below(3) {
      case 0: pacer.setRate(BitRate(bitsPerSecond: max(1, random.next() >> random.below(63))), at: now)
      case 1: pacer.spend(Int(truncatingIfNeeded: random.next()), at: now)
      default: _ = pacer.room(at: now)
      }
      #expect(pacer.room(at: now) <= pacer.burst)
    }
  }
}
