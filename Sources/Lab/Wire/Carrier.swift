//  Carrier.swift — which frame goes out of which end at what time: the wire's whole decision, without a wire.
//
//  Why.  What happens on a link is Simulation.Link's business, in the laboratory as in the simulator. What is left is
//  bookkeeping between it and two interfaces; kept apart from descriptors and clocks, it can be tested by the
//  nanosecond.
//
//  How.  A link that is emulated has two ends, and each end feeds one direction:
//
//      end 2k (left)    ── accept ──▶ line 2k   (forward)  ── nextOutput ──▶ end 2k+1
//      end 2k+1 (right) ── accept ──▶ line 2k+1 (backward) ── nextOutput ──▶ end 2k
//
//  A frame is a slot number; who owns the bytes stays outside. One queue of deadlines covers all lines and the clock of
//  the file's events, so an idle wire has no deadline and sleeps for ever.
//
//  Late.  A frame is late when it comes out more than `lateAfter` behind the moment at which the model let it go, or
//  when it may have waited that long before it was read. A laboratory with late frames measured the machine and not the
//  link: so they are counted, and `bench` refuses to report when they are many.
//
//  Always true.  (1) An accepted slot comes out exactly once as `isLast` or as dropped. (2) `deadline` is nil ⇔ nothing
//  is on any line and no event is to come. (3) A duplicated frame is damaged once, though the model says so for each
//  copy: the copies share their bytes.
//
//  Not here.  Bytes, devices, the clock, the control socket's words.

import Primitives
import Simulation
import Topology

struct Carrier: ~Copyable {
  enum Output: Equatable {
    /// Write this frame to this end. `damage` says which bit to flip first. The slot is the caller's again after the
    /// last copy.
    case release(slot: UInt32, end: Int, damage: UInt64?, isLast: Bool)
    /// Lost; the slot is the caller's again.
    case drop(slot: UInt32)
  }

  struct Counters: Equatable {
    /// Frames that came out, copies included.
    var carried: UInt64 = 0
    var late: UInt64 = 0
  }

  /// Twenty times what a machine with a free core needs. Less would count what the scheduler of a healthy machine does;
  /// more would hide delays as large as the shortest that the matrix emulates.
  static let lateAfter = Interval.milliseconds(1)

  let topology: Topology
  /// The links that are carried here: indices into the topology's.
  let links: [Int]
  private(set) var counters = Counters()

  private var current: [Topology.Link]
  private var traces: [String: DeliveryTrace]
  private var lines: FixedArray<Link>
  private var deadlines: DeadlineQueue
  private let events: [Topology.Event]
  private var nextEvent = 0
  /// When the clock of the events started.
  private var started: Instant?
  /// The line that `nextOutput` is emptying.
  private var open: Int?
  /// For each line, the slot whose first copy came out last.
  private var copied: [UInt32?]
  /// For each slot: whether its frame was read late.
  private var wasReadLate: [Bool]

  /// `slots` is the number of frames that can exist; `random` all chance of this wire.
  init(_ topology: Topology, traces: [String: DeliveryTrace], slots: Int, random: SeededRandom) {
    self.topology = topology
    self.traces = traces
    let links = topology.links.indices.filter(topology.isEmulated)
    let current = links.map { topology.links[$0] }
    self.links = links
    self.current = current
    lines = FixedArray(count: 2 * links.count) { line in
      let link = current[line / 2]
      let direction: Topology.Direction = line % 2 == 0 ? .forward : .backward
      let own = random.stream(named: "\(link.name) \(direction)")
      return Link(LinkConditions(link, direction, traces: traces), random: own)
    }
    deadlines = DeadlineQueue(count: 2 * links.count + 1)
    events = topology.events.sorted { $0.time < $1.time }
    copied = Array(repeating: nil, count: 2 * links.count)
    wasReadLate = Array(repeating: false, count: slots)
  }

  // MARK: Inputs

  /// A frame was read at this end. False when it did not get onto the line; then the slot is still the caller's.
  /// `readLate`: it may have waited longer than `lateAfter` to be read.
  mutating func accept(slot: UInt32, length: ByteCount, from end: Int, readLate: Bool, at now: Instant) -> Bool {
    guard lines[end].accept(slot: slot, length: length, at: now) == .queued else { return false }
    wasReadLate[Int(slot)] = readLate
    if open != end { deadlines.set(end, lines[end].deadline) }
    return true
  }

  /// Starts the clock of the file's events; false when it runs already.
  mutating func start(at now: Instant) -> Bool {
    if started != nil { return false }
    started = now
    setEventDeadline()
    return true
  }

  /// Changes a link (an index into the topology's) in both directions, at once.
  mutating func apply(_ change: Topology.Change, to link: Int, at now: Instant) {
    guard let number = links.firstIndex(of: link) else { preconditionFailure("the link is not carried here") }
    if case .attributes(let attributes) = change {
      for attribute in attributes { current[number].apply(attribute) }
    }
    for direction in Topology.Direction.allCases {
      let line = 2 * number + direction.rawValue
      switch change {
      case .down: lines[line].set(isDown: true, at: now)
      case .up: lines[line].set(isDown: false, at: now)
      case .attributes:
        lines[line].change(to: LinkConditions(current[number], direction, traces: traces), at: now)
      }
      deadlines.set(line, lines[line].deadline)
    }
  }

  /// Makes a trace known, so that `apply` may name it.
  mutating func add(_ trace: DeliveryTrace, named file: String) { traces[file] = trace }

  func knows(trace file: String) -> Bool { traces[file] != nil }

  mutating func resetCounters() { counters = Counters() }

  // MARK: Outputs

  /// What came out by now; nil when all that is due is out. The caller may stop before that and go on later.
  mutating func nextOutput(at now: Instant) -> Output? {
    while true {
      if let line = open {
        if let outcome = lines[line].nextOutcome() { return output(outcome, of: line, at: now) }
        deadlines.set(line, lines[line].deadline)
        open = nil
      }
      guard let (machine, deadline) = deadlines.first, deadline <= now else { return nil }
      if machine == 2 * links.count {
        let event = events[nextEvent]
        nextEvent += 1
        setEventDeadline()
        apply(event.change, to: event.link, at: now)
      } else {
        lines[machine].expire(at: now)
        open = machine
      }
    }
  }

  /// The earliest moment at which `nextOutput` has something.
  var deadline: Instant? { open == nil ? deadlines.first?.deadline : .zero }

  private mutating func output(_ outcome: Link.Outcome, of line: Int, at now: Instant) -> Output {
    switch outcome {
    case .lost(let slot, _, _): return .drop(slot: slot)
    case .delivered(let slot, let due, let isLast, let corruption):
      counters.carried += 1
      if now > due + Carrier.lateAfter || wasReadLate[Int(slot)] { counters.late += 1 }
      let isSecond = copied[line] == slot
      copied[line] = isLast ? nil : slot
      return .release(slot: slot, end: line ^ 1, damage: isSecond ? nil : corruption, isLast: isLast)
    }
  }

  private mutating func setEventDeadline() {
    guard let started, nextEvent < events.count else { return deadlines.set(2 * links.count, nil) }
    deadlines.set(2 * links.count, started + events[nextEvent].time)
  }

  // MARK: Questions

  /// Both directions of a link (an index into the topology's); nil when it is not carried here.
  func statistics(of link: Int) -> Topology.Pair<LineStatistics>? {
    guard let number = links.firstIndex(of: link) else { return nil }
    return Topology.Pair(statistics(ofLine: 2 * number), statistics(ofLine: 2 * number + 1))
  }

  private func statistics(ofLine line: Int) -> LineStatistics {
    var statistics = LineStatistics()
    statistics.counters = lines[line].counters
    statistics.queued = lines[line].queued
    statistics.inFlight = lines[line].inFlight
    return statistics
  }
}
