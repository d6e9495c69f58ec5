import Primitives
import Testing

@testable import PathHealth

/// What a line's delay shows of its queue, told report by report.
@Suite struct `A queue is told from the weather` {
  private static let base = Interval.milliseconds(20)

  @Test func `what a probe leaves standing is nobody's jitter`() {
    var line = Line()
    line.report(2_000) { _ in .zero }
    // A probe fills the line: the delay grows, stands for a moment, and falls again.
    for _ in 0..<20 {
      line.report(50, isSteady: false) { .microseconds(400) * Int64($0) }
      line.report(50, isSteady: false) { .milliseconds(20) - .microseconds(400) * Int64($0) }
      line.report(200) { _ in .zero }
    }
    #expect(line.queues.jitter == 0, "\(line.queues.jitter) ns")
    #expect(line.queues.threshold < Int64(4_000_000))
  }

  @Test func `half of a swing is excused, while nothing of us stands`() {
    var line = Line()
    var random = SeededRandom(seed: 7)
    line.report(4_000) { _ in .microseconds(Int64(random.below(10_000))) }
    let jitter = line.queues.jitter
    #expect((4_000_000...10_000_000).contains(jitter), "\(jitter) ns")
    #expect(line.queues.excusable <= 2 * jitter)
  }

  @Test func `a queue that grows while we cruise is none of the weather's`() {
    var line = Line()
    line.report(2_000) { _ in .zero }
    line.report(100) { .microseconds(200) * Int64($0) }
    #expect(line.queues.jitter == 0)
    #expect(line.queues.queue > line.queues.threshold)
  }

  private struct Line {
    var queues = QueueModel()
    var now = Instant.zero + .seconds(1)

    mutating func report(_ count: Int, isSteady: Bool = true, _ extra: (Int) -> Interval) {
      for index in 0..<count {
        now += .milliseconds(5)
        var sample = DeliverySample()
        sample.forwardDelay = base / 2 + extra(index)
        sample.roundTrip = base + extra(index)
        sample.priorSent = now - sample.roundTrip
        queues.receive(sample, rate: 0, isSteady: isSteady, at: now)
      }
    }
  }
}

@Suite struct `A startup ends` {
  @Test func `with what arrived last, not with the luckiest moment`() {
    var rates = RateModel()
    // Radio brings nothing for a while and then twice as much.
    for bytes in [1_000.0, 2_000, 4_000, 8_000, 4_000] { rates.raise(to: span(bytes)) }
    #expect(rates.rate == 800_000)
    rates.endStartup()
    #expect(rates.rate == 600_000)
  }

  @Test func `and never with more than was seen`() {
    var rates = RateModel()
    for bytes in [1_000.0, 2_000, 4_000] { rates.raise(to: span(bytes)) }
    rates.endStartup()
    #expect(rates.rate == 300_000)
    rates.endStartup()
    #expect(rates.rate == 300_000)
  }

  @Test func `with the greatest when the sender was hungry in the end`() {
    var rates = RateModel()
    for bytes in [1_000.0, 2_000, 4_000] { rates.raise(to: span(bytes)) }
    rates.raise(to: span(100, isHungry: true))
    rates.endStartup()
    #expect(rates.rate == 400_000)
  }

  /// Of 10 ms.
  private func span(_ bytes: Double, isHungry: Bool = false) -> RateModel.Span {
    RateModel.Span(
      rate: bytes * 100, bytes: bytes, received: 0.01, sent: 0.01, leastQueue: 0, loss: 0, datagramsLost: 0, marked: 0,
      isAppLimited: isHungry)
  }
}
