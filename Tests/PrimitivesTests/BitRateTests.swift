import Primitives
import Testing

@Suite struct `Rates, bytes and time` {
  @Test(
    arguments: [
      (1_000_000, 125, 1_000_000), (300_000_000, 1_514, 40_373), (10_000_000_000, 1_514, 1_211), (3, 1, 2_666_666_667),
      (1_000_000_000_000, 1, 0), (1, 1_000_000_000, 8_000_000_000_000_000_000),
    ] as [(UInt64, Int, Int64)])
  func `the time on the line is rounded to the nearest nanosecond`(rate: UInt64, bytes: Int, nanoseconds: Int64) {
    #expect(BitRate(bitsPerSecond: rate).time(toSend: ByteCount(bytes)) == .nanoseconds(nanoseconds))
  }

  @Test(arguments: 0..<100) func `times that carry their fraction add up to the time of the sum`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rate = BitRate(bitsPerSecond: 1 + random.below(1 << (4 + random.below(38))))
    var fraction: UInt64 = 0
    var sum: UInt64 = 0
    var time: UInt64 = 0
    // Every second seed sends pieces so large that their billionths need more than 64 bits.
    let largest: UInt64 = seed % 2 == 0 ? 100_000 : 1 << 36
    for _ in 0..<100 {
      // 100 pieces must stay below 292 years at this rate.
      let bits = 1 + random.below(min(largest, rate.bitsPerSecond << 24))
      sum += bits
      time += UInt64(rate.time(toSendBits: bits, carrying: &fraction).nanoseconds)
      #expect(fraction < rate.bitsPerSecond, "seed \(seed)")
    }
    let exact = sum.multipliedFullWidth(by: 1_000_000_000)
    #expect(time == rate.bitsPerSecond.dividingFullWidth((exact.high, exact.low)).quotient, "seed \(seed)")
  }

  @Test(
    arguments: [
      (1_000_000, 1_000_000_000, 1_000_000), (1, 999_999_999, 0), (1, 1_000_000_000, 1), (300_000_000, 40_373, 12_111),
      (1_000_000_000_000, 86_400_000_000_000, 86_400_000_000_000_000),
    ] as [(UInt64, Int64, UInt64)])
  func `what passes in a time are whole bits`(rate: UInt64, nanoseconds: Int64, bits: UInt64) {
    let rate = BitRate(bitsPerSecond: rate)
    #expect(rate.bits(in: .nanoseconds(nanoseconds)) == bits)
    #expect(rate.bytes(in: .nanoseconds(nanoseconds)) == ByteCount(Int(bits / 8)))
  }

  @Test func `rates, shares and lengths compare`() {
    #expect(BitRate(bitsPerSecond: 1) < .maximum && Probability.never < .always && ByteCount.zero < ByteCount(1))
    #expect(Probability(partsPerBillion: 5_000_000).fraction == 0.005)
    var length = ByteCount(10)
    length += ByteCount(5)
    length -= ByteCount(1)
    #expect(length == ByteCount(14) && length - ByteCount(4) == ByteCount(10))
  }
}

@Suite struct `Points and spans of time` {
  @Test func `they add, subtract and divide`() {
    let start = Instant(nanoseconds: 5)
    #expect(start + .seconds(2) == Instant(nanoseconds: 2_000_000_005))
    #expect(start + .milliseconds(1) - .microseconds(1_000) == start)
    #expect(start - Instant(nanoseconds: 7) == .nanoseconds(-2))
    #expect(Interval.milliseconds(7) / 2 == .microseconds(3_500) && Interval.seconds(1) * 3 == .milliseconds(3_000))
    #expect(Interval.microseconds(1_500).inMilliseconds == 1.5 && Interval.milliseconds(1_500).inSeconds == 1.5)
  }
}
