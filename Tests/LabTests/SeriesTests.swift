//  SeriesTests.swift — what is read from a stream's arrivals, from pings with times, and what theory expects.

import Lab
import Testing

@Suite struct `Reading a series` {
  /// A megabyte a second in steps of ten milliseconds, with a silence.
  private func steady(silentFrom: Double, to: Double, burst: Int = 0) -> [(time: Double, bytes: Int)] {
    var arrivals: [(time: Double, bytes: Int)] = []
    for step in 0..<1_000 {
      let time = Double(step) / 100 + 0.001
      if time >= silentFrom && time < to { continue }
      arrivals.append((time, 10_000))
    }
    if burst > 0 { arrivals.append((to - 0.2, burst)) }
    return arrivals
  }

  @Test func `a mean is what came in that time`() throws {
    let series = GoodputSeries(steady(silentFrom: 4, to: 6), from: 0, to: 10, bin: 0.05)
    let before = try #require(series.mean(from: 0, to: 4))
    let whole = try #require(series.mean(from: 0, to: 10))
    #expect(abs(before - 8e6) < 1)
    #expect(series.mean(from: 4, to: 6) == 0)
    #expect(abs(whole - 6.4e6) < 1)
    #expect(series.mean(from: 20, to: 21) == nil)
  }

  @Test func `a stream is back when what it had before arrives again, to a few bins`() throws {
    let series = GoodputSeries(steady(silentFrom: 4, to: 6), from: 0, to: 10, bin: 0.05)
    let time = try #require(series.timeUntil(0.95 * 8e6, from: 4, before: 10))
    #expect(abs(time - 2) <= 0.151)
    #expect(series.timeUntil(0.95 * 8e6, from: 1, before: 3) == 0)
    #expect(series.timeUntil(1.2 * 8e6, from: 4, before: 10) == nil)
    #expect(series.timeUntil(0.95 * 8e6, from: 4, before: 5) == nil)
  }

  @Test func `what waited and comes at once is no return`() throws {
    let series = GoodputSeries(steady(silentFrom: 4, to: 6, burst: 500_000), from: 0, to: 10, bin: 0.05)
    let time = try #require(series.timeUntil(0.95 * 8e6, from: 4, before: 10))
    #expect(time > 1.5)
  }
}

@Suite struct `Reading pings with times` {
  private let output = Array(
    """
    PING 10.1.0.2 (10.1.0.2) 56(84) bytes of data.
    [100.010000] 64 bytes from 10.1.0.2: icmp_seq=1 ttl=62 time=10.0 ms
    [100.020000] 64 bytes from 10.1.0.2: icmp_seq=2 ttl=62 time=10.0 ms
    [100.020500] 64 bytes from 10.1.0.2: icmp_seq=2 ttl=62 time=10.5 ms (DUP!)
    [100.080000] 64 bytes from 10.1.0.2: icmp_seq=6 ttl=62 time=30.0 ms
    [100.070000] 64 bytes from 10.1.0.2: icmp_seq=7 ttl=62 time=10.0 ms
    """.utf8)

  @Test func `a ping without an answer left between those that have one`() {
    let pings = PingTimeline(parsing: output)
    #expect(pings.answers.map(\.number) == [1, 2, 6, 7])
    #expect(pings.lost(from: 99, to: 101) == (3, 7))
    // 3, 4 and 5 left at 20, 30 and 40 ms.
    #expect(pings.lost(from: 100.015, to: 100.035) == (2, 2))
    #expect(pings.lost(from: 100.055, to: 101) == (0, 1))
  }

  @Test func `a silence is a time without answers, whatever their order`() {
    let pings = PingTimeline(parsing: output)
    #expect(abs(pings.longestSilence(from: 100, to: 100.08) - 0.05) < 1e-6)
    #expect(abs(pings.longestSilence(from: 100, to: 101) - 0.92) < 1e-6)
  }

  @Test func `nothing at all is a silence`() {
    let pings = PingTimeline(parsing: [])
    #expect(pings.lost(from: 0, to: 10) == (0, 0))
    #expect(pings.longestSilence(from: 0, to: 10) == 10)
  }
}

@Suite struct `What theory expects` {
  @Test func `two of three pieces suffice, so a packet is lost with one more of its group`() {
    // Lost itself, and not both of the others there.
    #expect(abs(LossTheory.parity(data: 2, parity: 1, loss: 0.1) - 0.1 * (1 - 0.9 * 0.9)) < 1e-12)
    #expect(abs(LossTheory.parity(data: 1, parity: 1, loss: 0.1) - 0.01) < 1e-12)
    #expect(abs(LossTheory.parity(data: 4, parity: 0, loss: 0.1) - 0.1) < 1e-12)
    #expect(abs(LossTheory.copies(0.1, 0.1) - 0.01) < 1e-12)
  }
}
