//  Link.swift — one direction of a line: a queue, a rate, a delay, and what goes wrong on the way.
//
//  Why.  Simulator and laboratory must mean the same by "80 Mbit/s, 30 ms, 1 % loss", or a result in one says nothing
//  about the other. So there is one model. The simulator calls it with invented time and the lab's wire with the
//  machine's.
//
//  How.
//                        queue (bounded)          line (rate or trace)        in flight (delay + jitter)
//      accept ──────▶ │ 5 │ 4 │ 3 │ 2 │ ────────────▶ 1 ───────────▶ loss? ────▶ … · · · … ──────▶ nextOutcome
//               └─▶ queueFull, tooBig, down                            └─▶ lost
//
//  Time on the line is computed, not waited for: a packet's last bit leaves at max(line free, arrival) + size ÷ rate,
//  however late `expire` is called, and what is left below a nanosecond is carried to the next packet. So the rate is
//  exact on a busy machine, and nobody needs to be woken for the end of each packet: `deadline` is the earliest moment
//  at which something can come *out*. When a rate changes while a packet is on the line, the bits that are left go at
//  the new rate.
//
//  Chance has one stream for a direction, drawn in the order in which packets leave the line, so a result does not
//  depend on when the caller looked. Loss strikes after the line: a lost packet used its share of the rate, as on a
//  radio link. It is reported when it would have arrived, so that outcomes have one order, that of time.
//
//  Duplicates leave together. Order is kept unless the jitter may reorder (then each packet's delay is drawn for
//  itself).
//
//  Always true.  (1) Every slot that `accept` queued comes out of `nextOutcome` exactly once as the last of its copies
//  or as lost. (2) Bytes in the queue never grow beyond its limit, but for one packet alone. (3) Without reordering,
//  packets come out in the order in which they went in. (4) Something is held ⇔ `deadline` is not nil. (5) Outcomes do
//  not depend on how often `expire` was called between two other inputs.
//
//  Not here.  Payload bytes (a slot number stands for them), addresses, who is at the ends, the clock.

public import Primitives

public struct Link: ~Copyable {
  /// A link without a rate has no queue, so something else must bound what it holds: 64 MiB are 50 ms of 10 Gbit/s.
  /// Smaller would cut into delay-only links that a fast machine fills; larger only hides that the link needs a rate.
  public static let flightLimit = ByteCount(64 << 20)

  // Not private: who holds a Link in another module destroys its rings, and Swift 6.3 emits broken code there when the
  // rings' elements cannot be seen.
  @usableFromInline struct Queued: BitwiseCopyable {
    var slot: UInt32
    var bytes: UInt32
    var arrived: UInt64
  }

  @usableFromInline struct Flying: BitwiseCopyable {
    var slot: UInt32
    var bytes: UInt32
    var release: UInt64
    var corruption: UInt64
    var isCorrupt: Bool
    var isLost: Bool
    var isLast: Bool
  }

  @usableFromInline struct Cut: BitwiseCopyable {
    var slot: UInt32
    var at: UInt64
  }

  public private(set) var conditions: LinkConditions
  public private(set) var counters = Counters()
  /// Bytes that wait for the line or are on it.
  public private(set) var queued = ByteCount.zero
  /// Bytes that left the line and have not been handed over.
  public private(set) var inFlight = ByteCount.zero
  public private(set) var isDown = false

  private var clock: UInt64 = 0
  private var queue = RingBuffer<Queued>()
  private var flight = RingBuffer<Flying>()
  private var cut = RingBuffer<Cut>()

  // What `conditions` says, where each packet finds it without unpacking an enum that holds a reference.
  private var isUnlimited = true
  private var rate: BitRate?
  private var trace: DeliveryTrace?
  private var queueLimit = 0
  private var largestFrame = Int.max

  /// When the line is free for the next packet, and the billionths of a bit by which it is later than that.
  private var lineFree: UInt64 = 0
  private var fraction: UInt64 = 0
  private var traceCursor = DeliveryTrace.Cursor()
  /// The first packet of the queue is on the line: since when, what is left to send since then, when its last bit
  /// leaves (`never` when nothing waits), and how the line stands afterwards.
  private var headStart: UInt64 = 0
  private var headBits: UInt64 = 0
  private var headEnd = Link.never
  private var fractionAfterHead: UInt64 = 0
  private var cursorAfterHead = DeliveryTrace.Cursor()

  private var lastRelease: UInt64 = 0
  private var wander: Wander
  private var lossProcess: LossProcess
  private var random: SeededRandom

  private static let never = UInt64.max

  /// `random` is this direction's own stream.
  public init(_ conditions: LinkConditions, random: SeededRandom) {
    self.conditions = conditions
    self.random = random
    wander = Wander(deviation: conditions.jitter, random: random.stream(named: "wander"))
    lossProcess = LossProcess(conditions.loss, burst: conditions.burst)
    takeOver(conditions)
  }

  private mutating func takeOver(_ new: LinkConditions) {
    conditions = new
    isUnlimited = new.line.isUnlimited
    if case .fixed(let fixed) = new.line { rate = fixed } else { rate = nil }
    if case .trace(let recorded) = new.line { trace = recorded } else { trace = nil }
    queueLimit = new.queueLimit.value
    largestFrame = new.largestFrame?.value ?? .max
  }

  // MARK: Inputs

  /// A packet arrives at the link's entrance. `length` is that of the whole frame, since that is what occupies a line.
  public mutating func accept(slot: UInt32, length: ByteCount, at now: Instant) -> Verdict {
    advance(to: now)
    let bytes = length.value
    if isDown {
      counters.down += 1
      return .down
    }
    if bytes > largestFrame {
      counters.tooBig += 1
      return .tooBig
    }
    let packet = Queued(slot: slot, bytes: UInt32(bytes), arrived: clock)
    if isUnlimited {
      if inFlight.value + bytes > Link.flightLimit.value && bytesStillFlying() + bytes > Link.flightLimit.value {
        counters.flooded += 1
        return .flooded
      }
      counters.accepted += 1
      depart(packet, at: clock)
      return .queued
    }
    let isFirst = queue.isEmpty
    if queued.value + bytes > queueLimit && !isFirst {
      counters.queueFull += 1
      return .queueFull
    }
    counters.accepted += 1
    queue.append(packet)
    queued += length
    if isFirst {
      putFirstOnLine()
      serve()  // a trace's opportunity may be this very moment
    }
    return .queued
  }

  /// Time passed.
  public mutating func expire(at now: Instant) { advance(to: now) }

  /// New conditions from now on. What is in the queue or in flight stays there.
  public mutating func change(to new: LinkConditions, at now: Instant) {
    advance(to: now)
    if new.jitter != conditions.jitter { wander.deviation = new.jitter }
    if new.loss != conditions.loss || new.burst != conditions.burst {
      lossProcess = LossProcess(new.loss, burst: new.burst)
    }
    if new.line == conditions.line { return takeOver(new) }

    let left = headBitsLeft
    takeOver(new)
    lineFree = clock
    fraction = 0
    traceCursor = DeliveryTrace.Cursor()
    putFirstOnLine(bitsLeft: left)
    serve()
  }

  /// Cuts the line (what waits and flies is lost) or mends it.
  public mutating func set(isDown down: Bool, at now: Instant) {
    advance(to: now)
    isDown = down
    if !down { return }
    // What arrived by now has arrived, whether it was fetched yet or not.
    var arrived = 0
    while arrived < flight.count && flight[arrived].release <= clock { arrived += 1 }
    for index in arrived..<flight.count where flight[index].isLast {
      inFlight -= ByteCount(Int(flight[index].bytes))
      drop(flight[index].slot)
    }
    flight.removeLast(flight.count - arrived)
    while let packet = queue.popFirst() { drop(packet.slot) }
    queued = .zero
    headEnd = Link.never
  }

  // MARK: Outputs

  /// What came out by now, in order; drain to nil after each input.
  public mutating func nextOutcome() -> Outcome? {
    if let packet = flight.first, packet.release <= clock {
      flight.removeFirst()
      if packet.isLast { inFlight -= ByteCount(Int(packet.bytes)) }
      let due = Instant(nanoseconds: packet.release)
      if packet.isLost {
        counters.lostByChance += 1
        return .lost(slot: packet.slot, at: due, reason: .chance)
      }
      counters.delivered += 1
      counters.deliveredBytes += UInt64(packet.bytes)
      if !packet.isLast { counters.duplicated += 1 }
      if packet.isCorrupt && packet.isLast { counters.corrupted += 1 }
      return .delivered(
        slot: packet.slot, due: due, isLast: packet.isLast, corruption: packet.isCorrupt ? packet.corruption : nil)
    }
    guard let packet = cut.popFirst() else { return nil }
    counters.cut += 1
    return .lost(slot: packet.slot, at: Instant(nanoseconds: packet.at), reason: .cut)
  }

  /// The earliest moment at which something can come out.
  @inline(__always) public var deadline: Instant? {
    if !cut.isEmpty { return Instant(nanoseconds: clock) }
    var earliest = Link.never
    if let packet = flight.first {
      earliest = packet.release
      // What is still in the queue comes out behind it.
      if !conditions.reorders { return Instant(nanoseconds: earliest) }
    }
    if headEnd != Link.never {
      // With jitter the delay may shrink to nothing, so only a steady one lets us sleep past the end of the packet.
      let least = conditions.jitter == .zero ? UInt64(conditions.delay.nanoseconds) : 0
      earliest = min(earliest, headEnd &+ least)
    }
    return earliest == Link.never ? nil : Instant(nanoseconds: earliest)
  }

  // MARK: The line

  private mutating func advance(to now: Instant) {
    precondition(now.nanoseconds >= clock, "a link's time went back")
    clock = now.nanoseconds
    if headEnd <= clock { serve() }
  }

  /// Lets every packet leave whose last bit is on its way by now.
  private mutating func serve() {
    while headEnd <= clock, let head = queue.popFirst() {
      let end = headEnd
      queued -= ByteCount(Int(head.bytes))
      lineFree = end
      fraction = fractionAfterHead
      traceCursor = cursorAfterHead
      putFirstOnLine()
      depart(head, at: end)
    }
  }

  /// Computes when the first packet of the queue will have left.
  private mutating func putFirstOnLine(bitsLeft: UInt64? = nil) {
    guard let head = queue.first else {
      headEnd = Link.never
      return
    }
    headBits = bitsLeft ?? UInt64(head.bytes) * 8
    headStart = max(lineFree, head.arrived)
    fractionAfterHead = head.arrived > lineFree ? 0 : fraction
    if let rate {
      let time = rate.time(toSendBits: headBits, carrying: &fractionAfterHead)
      headEnd = headStart + UInt64(time.nanoseconds)
    } else if let trace {
      (headEnd, cursorAfterHead) = trace.cursor(after: headBits, from: traceCursor, notBefore: headStart)
    } else {
      headEnd = headStart
    }
  }

  /// How much of the first packet has not left by now; nil when nothing waits.
  private var headBitsLeft: UInt64? {
    if headEnd == Link.never { return nil }
    if clock <= headStart { return headBits }
    var sent: UInt64 = 0
    if let rate {
      sent = rate.bits(in: Interval(nanoseconds: Int64(clock - headStart)))
    } else if let trace {
      sent = trace.bits(from: traceCursor, notBefore: headStart, upTo: clock)
    }
    return headBits - min(headBits, sent)
  }

  private mutating func depart(_ packet: Queued, at end: UInt64) {
    var flying = Flying(
      slot: packet.slot, bytes: packet.bytes, release: end &+ UInt64(conditions.delay.nanoseconds), corruption: 0,
      isCorrupt: false, isLost: false, isLast: true)
    inFlight += ByteCount(Int(packet.bytes))
    counters.carriedBytes += UInt64(packet.bytes)
    flying.isLost = lossProcess.strikes(&random)
    if conditions.jitter != .zero {
      let shift =
        conditions.reorders
        ? Int64((random.normal() * Double(conditions.jitter.nanoseconds)).rounded()) : wander.shift(at: end)
      flying.release = UInt64(max(Int64(end), Int64(flying.release) + shift))
    }
    if !conditions.reorders { flying.release = max(flying.release, lastRelease) }
    lastRelease = max(lastRelease, flying.release)
    if flying.isLost { return insert(flying) }

    if random.happens(conditions.corruption) {
      flying.isCorrupt = true
      flying.corruption = random.next()
    }
    if random.happens(conditions.duplication) {
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

  private mutating func drop(_ slot: UInt32) { cut.append(Cut(slot: slot, at: clock)) }

  /// `inFlight` without what arrived by now and was not fetched: a caller who looks seldom must not be told of a flood.
  private func bytesStillFlying() -> Int {
    var bytes = inFlight.value
    var index = 0
    while index < flight.count && flight[index].release <= clock {
      if flight[index].isLast { bytes -= Int(flight[index].bytes) }
      index += 1
    }
    return bytes
  }
}
