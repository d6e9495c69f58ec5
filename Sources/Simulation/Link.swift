//  Link.swift — one direction of a line: a queue, a rate, a delay, and what goes wrong on the way.
//
//  Why.  Simulator and laboratory must mean the same by "80 Mbit/s, 30 ms, 1 % loss", or a result in one says nothing about
//  the other. So there is one model. The simulator calls it with invented time and the lab's wire with the machine's.
//
//  How.
//                        queue (bounded)          line (rate or trace)        in flight (delay + jitter)
//      accept ──────▶ │ 5 │ 4 │ 3 │ 2 │ ────────────▶ 1 ───────────▶ loss? ────▶ … · · · … ──────▶ nextOutcome
//               └─▶ queueFull, tooBig, down                            └─▶ lost
//
//  Time on the line is computed, not waited for: a packet's last bit leaves at max(line free, arrival) + size ÷ rate, to the
//  nanosecond, however late `expire` is called. So the rate is exact on a busy machine, and nobody needs to be woken for the
//  end of each packet: `deadline` is the earliest moment at which something can come *out*. When a rate changes while a packet
//  is on the line, the bits that are left go at the new rate.
//
//  Chance has one stream for a direction, drawn in the order in which packets leave the line, so a result does not depend on
//  when the caller looked. Loss strikes after the line: a lost packet used its share of the rate, as on a radio link.
//
//  Duplicates leave together. Order is kept unless the jitter may reorder (then each packet's delay is drawn for itself).
//
//  Always true.  (1) Every slot that `accept` queued comes out of `nextOutcome` exactly once as the last of its copies or as
//  lost. (2) Bytes in the queue never exceed its limit, but for one packet alone. (3) Without reordering, packets come out in
//  the order in which they went in. (4) Something is held ⇔ `deadline` is not nil.
//
//  Not here.  Payload bytes (a slot number stands for them), addresses, who is at the ends, the clock.

public import Primitives

public struct Link: ~Copyable {
  /// What became of a packet at the entrance.
  public enum Verdict: Equatable, Sendable {
    case queued
    /// The queue has no room.
    case queueFull
    /// Larger than the link's MTU.
    case tooBig
    case down
    /// More is in flight than `flightLimit`: a link without a rate must still be bounded.
    case flooded
  }

  public enum Outcome: Equatable, Sendable {
    /// Hand this packet over. `corruption`, when there is one, is a random number that says which bit to flip. The slot is
    /// the caller's again when `isLast`; before that, the same slot comes once more as a duplicate.
    case delivered(slot: UInt32, due: Instant, isLast: Bool, corruption: UInt64?)
    /// Gone; the slot is the caller's again.
    case lost(slot: UInt32, at: Instant, reason: Loss)
  }

  public enum Loss: Equatable, Sendable {
    case chance
    /// It was in the queue or in flight when the link went down.
    case cut
  }

  public struct Counters: Equatable, Sendable {
    public var accepted: UInt64 = 0
    public var delivered: UInt64 = 0
    public var deliveredBytes: UInt64 = 0
    public var duplicated: UInt64 = 0
    public var corrupted: UInt64 = 0
    // Why a packet did not come out, one field for each reason.
    public var queueFull: UInt64 = 0
    public var tooBig: UInt64 = 0
    public var down: UInt64 = 0
    public var flooded: UInt64 = 0
    public var lostByChance: UInt64 = 0
    public var cut: UInt64 = 0

    public init() {}
  }

  /// A link without a rate has no queue, so something else must bound what it holds: 64 MiB are 50 ms of 10 Gbit/s. Smaller
  /// would cut into delay-only links that a fast machine fills; larger only hides that the link needs a rate.
  public static let flightLimit = ByteCount(64 << 20)

  private struct Queued: BitwiseCopyable {
    var slot: UInt32
    var bytes: UInt32
    var arrived: UInt64
  }

  private struct Flying: BitwiseCopyable {
    var slot: UInt32
    var bytes: UInt32
    var release: UInt64
    var corruption: UInt64
    var isCorrupt: Bool
    var isLast: Bool
  }

  private struct Gone: BitwiseCopyable {
    var slot: UInt32
    var at: UInt64
    var isCut: Bool
  }

  public private(set) var conditions: LinkConditions
  public private(set) var counters = Counters()
  /// Bytes that wait for the line or are on it.
  public private(set) var queued = ByteCount.zero
  /// Bytes that left the line and have not arrived.
  public private(set) var inFlight = ByteCount.zero

  private var isDown = false
  private var clock: UInt64 = 0
  private var queue = RingBuffer<Queued>()
  private var flight = RingBuffer<Flying>()
  private var gone = RingBuffer<Gone>()
  private var queueLimit: Int
  /// When the line is free for the next packet.
  private var lineFree: UInt64 = 0
  /// What is left of the first packet when the rate changed, or a trace's opportunity ended, while it was on the line.
  private var headBitsLeft: UInt64?
  private var traceCursor = DeliveryTrace.Cursor()
  private var lastRelease: UInt64 = 0
  private var wander: Wander
  private var lossProcess: LossProcess
  private var random: SeededRandom

  /// `random` is this direction's own stream.
  public init(_ conditions: LinkConditions, random: SeededRandom) {
    self.conditions = conditions
    self.random = random
    queueLimit = conditions.queueLimit.value
    wander = Wander(deviation: conditions.jitter, random: random.stream(named: "wander"))
    lossProcess = LossProcess(conditions.loss, burst: conditions.burst)
  }

  // MARK: Inputs

  /// A packet arrives at the link's entrance. `length` is that of the whole frame, since that is what occupies a line.
  public mutating func accept(slot: UInt32, length: ByteCount, at now: Instant) -> Verdict {
    advance(to: now)
    if isDown {
      counters.down += 1
      return .down
    }
    if let mtu = conditions.largestFrame, length > mtu {
      counters.tooBig += 1
      return .tooBig
    }
    let bytes = length.value
    if conditions.line.isUnlimited {
      if inFlight.value + bytes > Link.flightLimit.value {
        counters.flooded += 1
        return .flooded
      }
      counters.accepted += 1
      depart(Queued(slot: slot, bytes: UInt32(bytes), arrived: clock), at: clock)
      return .queued
    }
    if queued.value + bytes > queueLimit && !queue.isEmpty {
      counters.queueFull += 1
      return .queueFull
    }
    counters.accepted += 1
    queue.append(Queued(slot: slot, bytes: UInt32(bytes), arrived: clock))
    queued += length
    return .queued
  }

  /// Time passed.
  public mutating func expire(at now: Instant) { advance(to: now) }

  /// New conditions from now on. What is in the queue or in flight stays there.
  public mutating func change(to new: LinkConditions, at now: Instant) {
    advance(to: now)
    if let head = queue.first { headBitsLeft = bitsLeft(of: head) }
    if new.jitter != conditions.jitter { wander.deviation = new.jitter }
    if new.loss != conditions.loss || new.burst != conditions.burst {
      lossProcess = LossProcess(new.loss, burst: new.burst)
    }
    if new.line != conditions.line { traceCursor = DeliveryTrace.Cursor() }
    conditions = new
    queueLimit = new.queueLimit.value
    lineFree = clock
    serve()
  }

  /// Cuts the line (what waits and flies is lost) or mends it.
  public mutating func set(isDown down: Bool, at now: Instant) {
    advance(to: now)
    isDown = down
    if !down { return }
    while let packet = queue.popFirst() { lose(packet.slot, at: clock, isCut: true) }
    while let packet = flight.popFirst() {
      if packet.isLast { lose(packet.slot, at: clock, isCut: true) }
    }
    headBitsLeft = nil
    queued = .zero
    inFlight = .zero
  }

  // MARK: Outputs

  /// What came out by now, in order; drain to nil after each input.
  public mutating func nextOutcome() -> Outcome? {
    if let packet = gone.popFirst() {
      let at = Instant(nanoseconds: packet.at)
      return .lost(slot: packet.slot, at: at, reason: packet.isCut ? .cut : .chance)
    }
    guard let packet = flight.first, packet.release <= clock else { return nil }
    _ = flight.popFirst()
    if packet.isLast { inFlight -= ByteCount(Int(packet.bytes)) }
    counters.delivered += 1
    counters.deliveredBytes += UInt64(packet.bytes)
    return .delivered(
      slot: packet.slot, due: Instant(nanoseconds: packet.release), isLast: packet.isLast,
      corruption: packet.isCorrupt ? packet.corruption : nil)
  }

  /// The earliest moment at which something can come out.
  public var deadline: Instant? {
    if !gone.isEmpty { return Instant(nanoseconds: clock) }
    var earliest = flight.first?.release
    if let head = queue.first {
      // With jitter the delay may shrink to nothing, so only a steady one lets us sleep past the end of the packet.
      let least = conditions.jitter == .zero ? UInt64(conditions.delay.nanoseconds) : 0
      let out = finish(of: head) &+ least
      earliest = min(earliest ?? out, out)
    }
    return earliest.map { Instant(nanoseconds: $0) }
  }

  // MARK: The line

  private mutating func advance(to now: Instant) {
    precondition(now.nanoseconds >= clock, "a link's time went back")
    clock = now.nanoseconds
    serve()
  }

  /// Lets every packet leave whose last bit is on its way by now.
  private mutating func serve() {
    while let head = queue.first {
      let end = finish(of: head)
      if end > clock { return }
      _ = queue.popFirst()
      queued -= ByteCount(Int(head.bytes))
      if case .trace(let trace) = conditions.line {
        let start = max(lineFree, head.arrived)
        traceCursor = trace.cursor(after: bits(of: head), from: traceCursor, notBefore: start).next
      }
      lineFree = end
      headBitsLeft = nil
      depart(head, at: end)
    }
  }

  private func bits(of packet: Queued) -> UInt64 { headBitsLeft ?? UInt64(packet.bytes) * 8 }

  /// When the last bit of the first packet leaves.
  private func finish(of head: Queued) -> UInt64 {
    let start = max(lineFree, head.arrived)
    switch conditions.line {
    case .unlimited: return start
    case .fixed(let rate): return start + UInt64(rate.time(toSendBits: bits(of: head)).nanoseconds)
    case .trace(let trace): return trace.cursor(after: bits(of: head), from: traceCursor, notBefore: start).time
    }
  }

  /// How much of the first packet has not left by now.
  private func bitsLeft(of head: Queued) -> UInt64 {
    let all = bits(of: head)
    let start = max(lineFree, head.arrived)
    if clock <= start { return all }
    switch conditions.line {
    case .unlimited: return 0
    case .fixed(let rate):
      let sent = rate.bits(in: Interval(nanoseconds: Int64(clock - start)))
      return all - min(all, sent)
    case .trace: return all  // an opportunity is an instant: between two, nothing is half sent
    }
  }

  private mutating func depart(_ packet: Queued, at end: UInt64) {
    if lossProcess.strikes(&random) {
      counters.lostByChance += 1
      lose(packet.slot, at: end, isCut: false)
      return
    }
    var release = end &+ UInt64(conditions.delay.nanoseconds)
    if conditions.jitter != .zero {
      let shift =
        conditions.reorders
        ? Int64((random.normal() * Double(conditions.jitter.nanoseconds)).rounded()) : wander.shift(at: end)
      release = UInt64(max(Int64(end), Int64(release) + shift))
    }
    if !conditions.reorders { release = max(release, lastRelease) }
    lastRelease = max(lastRelease, release)

    var flying = Flying(
      slot: packet.slot, bytes: packet.bytes, release: release, corruption: 0, isCorrupt: false, isLast: true)
    if random.happens(conditions.corruption) {
      flying.isCorrupt = true
      flying.corruption = random.next()
      counters.corrupted += 1
    }
    inFlight += ByteCount(Int(packet.bytes))
    if random.happens(conditions.duplication) {
      counters.duplicated += 1
      flying.isLast = false
      insert(flying)
      flying.isLast = true
    }
    insert(flying)
  }

  /// Into its place by time; equal times keep their order. Without reordering that place is the end.
  private mutating func insert(_ packet: Flying) {
    flight.append(packet)
    var at = flight.count - 1
    while at > 0 && flight[at - 1].release > packet.release {
      flight[at] = flight[at - 1]
      at -= 1
    }
    flight[at] = packet
  }

  private mutating func lose(_ slot: UInt32, at end: UInt64, isCut: Bool) {
    if isCut { counters.cut += 1 }
    gone.append(Gone(slot: slot, at: end, isCut: isCut))
  }
}
