//  FlowReceiver.swift — the other end of a bulk flow: puts segments in order, counts them, acknowledges.
//
//  As TCP does, it acknowledges every second segment that comes in order, at once whatever does not, and a lonely one
//  after 5 ms. Only what is in order counts: that is what an application would get.

public import Primitives

public final class FlowReceiver: Machine {
  private static let patience = Interval.milliseconds(5)
  /// As many seconds as are kept one by one: a day.
  private static let mostSeconds = 86_400

  /// Payload bytes that came out in order.
  public private(set) var received = ByteCount.zero
  /// The same for each second of the simulation.
  public private(set) var receivedInSecond: [UInt64] = []

  private let segmentLength: Int
  /// The next segment in order.
  private var next: UInt64 = 0
  /// One more than the highest that came.
  private var end: UInt64 = 0
  /// What came ahead of its turn: one bit for each segment of the sender's largest window.
  private var early = Array(repeating: 0 as UInt64, count: FlowSender.largestWindow / 64)
  private var lastTransmission: UInt64 = 0
  /// How many segments wait for an acknowledgement.
  private var owed = 0
  private var isDue = false
  private var owedSince = Instant.zero

  public init(segment: ByteCount) { segmentLength = segment.value }

  public func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    guard let arrival = TrafficDatagram(datagram), arrival.kind == .segment else { return }
    let segment = arrival.first
    if segment >= next + UInt64(FlowSender.largestWindow) { return }
    lastTransmission = arrival.second
    if owed == 0 { owedSince = now }
    owed += 1
    let hadHole = end > next
    if segment != next || hadHole || owed >= 2 { isDue = true }
    if segment < next { return }

    mark(segment, true)
    end = max(end, segment + 1)
    var advanced: UInt64 = 0
    while next < end && isMarked(next) {
      mark(next, false)
      next += 1
      advanced += 1
    }
    if advanced > 0 { count(advanced * UInt64(segmentLength), at: now) }
  }

  public func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if !isDue { return nil }
    isDue = false
    owed = 0
    TrafficDatagram(.acknowledgement, next, lastTransmission).write(into: &datagram)
    return 0
  }

  public var deadline: Instant? { owed > 0 ? owedSince + FlowReceiver.patience : nil }

  public func expire(at now: Instant) {
    if owed > 0 && now >= owedSince + FlowReceiver.patience { isDue = true }
  }

  private func count(_ bytes: UInt64, at now: Instant) {
    received += ByteCount(Int(bytes))
    let second = min(Int(now.nanoseconds / 1_000_000_000), FlowReceiver.mostSeconds - 1)
    while receivedInSecond.count <= second { receivedInSecond.append(0) }
    receivedInSecond[second] += bytes
  }

  private func isMarked(_ segment: UInt64) -> Bool {
    let bit = Int(segment % UInt64(FlowSender.largestWindow))
    return early[bit / 64] >> UInt64(bit % 64) & 1 == 1
  }

  private func mark(_ segment: UInt64, _ isEarly: Bool) {
    let bit = Int(segment % UInt64(FlowSender.largestWindow))
    if isEarly { early[bit / 64] |= 1 << UInt64(bit % 64) } else { early[bit / 64] &= ~(1 << UInt64(bit % 64)) }
  }
}
