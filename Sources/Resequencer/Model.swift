//  Model.swift — how much memory and time it costs to put parts back in order, computed instead of tried.
//
//  Why.  The resequencing buffer must be large enough that it almost never gives a part up that would still have
//  come, and no larger; patience and the choice of paths hang on the same figures. They depend on the shapes of the
//  delay distributions: two paths of the same mean and deviation may need 11 or 18 parts of buffer. So mean and
//  deviation do not do; the histograms do, and then the answer can be computed exactly.
//
//  How.  Time is slotted. The sender follows a pattern that repeats (StripingSchedule); a part that leaves in slot T
//  on path p arrives in slot T + D, where D has the path's DelayDistribution. Parts of one slot are handled in their
//  order, and the state is read at the end of the slot. So at one moment all that matters is a *window*, the parts of
//  the last M slots (M the longest delay); each has arrived with probability q = F(age), and the older ones all have.
//  With independent delays:
//
//      older ──────────────────────── h ─────────────────────── younger
//      all arrived: ∏ q             missing: 1 − q           b of them arrived: a sum of unlike coins, G(b)
//
//      P(B = b) = Σ over h of  ∏ q · (1 − q) · G(b)            h: the oldest missing part, for which the b wait
//
//  One walk from the youngest part to the oldest grows G by one coin a step, and the same walk answers three questions:
//
//  · Occupancy: the formula above, averaged over the moments of the period.                            ModelOccupancy
//  · Loss: a full buffer of N gives up the part for which it waits. So a part is lost exactly when more than N
//    successors arrive before it does, and their number is G at the moment before its arrival.         ModelOvertaking
//  · Latency: ∏ q is the chance that everything older is there, at every moment of a part's life.      ModelLatency
//
//  That a path's delays are independent is one assumption of three; DelayBehaviour names the others, and
//  ModelOrderedPaths walks for them. Release by deadline, by gap timer and by whole segments: ModelPolicies.
//
//  Rejected.  Fluid limits and Gaussian approximations: no tail, and the tail is what sizes the buffer. Simulation:
//  thousands of times slower to reach a 99.9 % quantile, so no oracle could rank a hundred sets of paths with it. It
//  checks us in the tests.
//
//  Always true.  (1) Every result sums to 1 (Little's law holds over them: E[B] = rate × E[W]). (2) Equal input gives
//  equal bits.
//
//  Cost: see each file; with W parts in the window and P slots in the period mostly O(P·W·width), where width is how
//  uncertain a count is (√W, not W). `Limits.work` bounds it, so that no input runs for longer than some seconds.

public import Primitives

public struct ResequencingModel: Sendable {
  public let schedule: StripingSchedule
  /// One for each path of the schedule, all over slots of the same length.
  public let delays: [DelayDistribution]

  public enum Limits {
    /// The walk for paths that keep their order carries a product for each set of paths: 2⁸ of them are 256 vectors.
    /// More paths than this never help: each one makes the slowest slower.
    public static let paths = 8
    /// Longest delay in slots. A thousand already resolve a buffer to a tenth of a percent.
    public static let slots = 4_096
    /// Parts in one period of the pattern: enough for shares of one in a thousand.
    public static let parts = 1_024
    /// Parts that the window may hold, 10 Gbit/s × 40 ms of 1,400-byte parts.
    public static let window = 32_768
    /// Steps of the innermost loops: some seconds. What people ask for takes a thousandth of it.
    public static let work = 6_000_000_000
  }

  public enum Refusal: Error, Equatable {
    case pathCountsDiffer(schedule: Int, delays: Int)
    case slotLengthsDiffer(path: Int)
    /// So many parts are on their way at once that the computation would not end in time.
    case tooManyPartsInFlight(Int, limit: Int)
    case tooMuchWork
    /// Parts of this path get lost, and without a limit the buffer would wait for them for ever.
    case waitsForever(path: Int)
  }

  public init(schedule: StripingSchedule, delays: [DelayDistribution]) throws(Refusal) {
    if schedule.pathCount != delays.count {
      throw .pathCountsDiffer(schedule: schedule.pathCount, delays: delays.count)
    }
    for path in delays.indices where delays[path].slot != delays[0].slot { throw .slotLengthsDiffer(path: path) }
    self.schedule = schedule
    self.delays = delays

    try bound(oldest: longestDelay)
    try bound(steps: Double(schedule.partCount) * Double(longestDelay) * Double(longestDelay))
  }

  /// Refuses what would not end in time, when parts up to this age matter.
  func bound(oldest: Int) throws(Refusal) {
    let period = schedule.slots.count
    let (parts, overflow) = schedule.partCount.multipliedReportingOverflow(by: oldest)
    let inFlight = overflow ? Int.max : parts / period + schedule.partCount
    if inFlight > Limits.window { throw .tooManyPartsInFlight(inFlight, limit: Limits.window) }
    // Ten standard deviations on either side are what EventCount keeps of so many coins.
    let width = min(Double(inFlight), 10 * Double(inFlight).squareRoot())
    try bound(steps: Double(period) * Double(inFlight) * width)
  }

  func bound(steps: Double) throws(Refusal) {
    if steps > Double(Limits.work) { throw .tooMuchWork }
  }

  public var slot: Interval { delays[0].slot }

  /// In slots.
  public var longestDelay: Int { delays.reduce(0) { max($0, $1.longest) } }

  /// Parts sent in a slot, on average.
  public var partsPerSlot: Double { Double(schedule.partCount) / Double(schedule.slots.count) }

  /// The occupancy if no delay varied: every path's parts wait for the slowest path. For mental arithmetic and tests.
  public var meanOccupancyOfSteadyPaths: Double {
    let slowest = delays.reduce(0) { max($0, $1.mean) }
    return schedule.slots.joined().reduce(0) { $0 + slowest - delays[$1].mean } / Double(schedule.slots.count)
  }

  func refuseLoss() throws(Refusal) {
    for path in delays.indices where delays[path].loss > 0 { throw .waitsForever(path: path) }
  }
}

/// How the delays of one path's parts hang together. The paths are independent of each other in all three.
public enum DelayBehaviour: String, CaseIterable, Sendable {
  /// Each part draws its own delay, and parts of one path overtake each other: a network that spreads packets.
  case independent
  /// Each part draws its own delay, and then waits for its predecessors on the path: a delay of many small, unrelated
  /// hold-ups.
  case ordered
  /// The path's delay changes slowly, and parts that are on their way together share it: a queue that grows and
  /// shrinks, a radio that adapts. What most real paths are like.
  case wandering
}

/// The parts of the last slots, as they stand at the end of one slot of the period: youngest first.
struct Window {
  var paths: [Int] = []
  var ages: [Int] = []
  /// Which part of the pattern it is.
  var positions: [Int] = []

  /// All parts up to this age, seen at the end of slot `phase` of the period.
  init(_ schedule: StripingSchedule, phase: Int, through oldest: Int) {
    let period = schedule.slots.count
    var slot = phase
    for age in 0...oldest {
      let first = schedule.firstPosition[slot]
      for index in schedule.slots[slot].indices.reversed() {
        paths.append(schedule.slots[slot][index])
        ages.append(age)
        positions.append(first + index)
      }
      slot = slot == 0 ? period - 1 : slot - 1
    }
  }

  var count: Int { paths.count }
}
