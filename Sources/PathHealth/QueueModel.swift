//  QueueModel.swift — how long packets wait at the bottleneck, and how much of that is only the weather.
//
//  Why.  Whoever sees the queue need not guess from losses or from a round trip that swells: he knows when the path is
//  full. But a delay also varies where nothing waits, on radio by more than the whole round trip.
//
//  How.  A queue adds to the forward delay, and to the round trip as well. The receiver's clock may run a little fast,
//  and the way back may have a queue of its own; each of the two can only make its own estimate too large. So
//
//      queue = the lesser of   forward delay − least forward delay   and   round trip − least round trip
//
//  which needs no clocks in step. What is still on the way is seen before it arrives, by Little's law: when so much is
//  in flight, and so much arrives in a second, the last of it arrives so much later (`comingQueue`).
//
//      delay  ╭╮  peak              A queue of ours stands until we send less; jitter comes back by itself. So
//          ╭──╯╰╮╭╮      ╭╮         `jitter` is how far the delay lies below the peak that it had in this cruise,
//       ╭──╯    ╰╯╰╮  ╭──╯╰──       when we send as fast as things arrive. A queue that only grows looks like
//       least      ╰──╯             none; half a radio's swing looks like half a radio's swing.
//
//  The same for the round trip (`swing`): where both directions wander, the least of them is a moment of luck, and a
//  window made for it would be the bottleneck. `usualRoundTrip` is the least and the swing.
//
//  Where packets overtake each other, the newest that arrived is one of the lucky ones. Then more is in flight than its
//  round trip explains; that excess (`disorder`) is a swing, too.
//
//  Rejected.  Variance, or the distance from a moving mean: both call a queue of our own jitter, tolerate it, and so
//  grow it. Smoothing the queue: it would be known a round trip late.
//
//  Always true.  Every length is between 0 and a minute, whatever a report claims.
//
//  Not here.  What to do about it. Cost: some 30 additions and comparisons for a report.

import Primitives

struct QueueModel: BitwiseCopyable, Sendable {
  /// A least value counts for 10 s at least. Routes and radios change; a shorter memory would take our own queue for
  /// the path.
  static let memory = Interval.seconds(20)
  /// Below this a delay says nothing: sleeping machines, batches of 64 KiB at a gigabit.
  static let leastQueue: Int64 = 1_500_000
  /// More swing than this is no radio but a path that is broken; a window made for it would be endless.
  static let mostSwing: Int64 = 50_000_000
  /// A way of 60 s is not one.
  static let mostRoundTrip: Int64 = 60_000_000_000

  private var roundTrips = WindowedLeast(window: QueueModel.memory)
  private var forwardDelays = WindowedLeast(window: QueueModel.memory)
  /// The latest, in nanoseconds like all that follows.
  private(set) var roundTrip: Int64 = 0
  private(set) var queue: Int64 = 0
  /// What `queue` will be when all that is on the way has arrived; below zero when the line will run dry.
  private(set) var comingQueue: Int64 = 0
  /// How far the forward delay falls below its peaks by itself.
  private(set) var jitter: Int64 = 0
  private var swing: Int64 = 0
  private var disorder: Int64 = 0
  /// When the round trip was last as short as it gets.
  private(set) var leastSeen = Instant.zero
  /// When there was last a queue worth the name.
  private(set) var queueSeen = Instant.zero

  private var peakForward = Int64.min
  private var peakRoundTrip = Int64.min
  // The least since the last `beginProbe`.
  private var probedRoundTrip = WindowedLeast.none
  private var probedForward = WindowedLeast.none

  private var lastReport: Instant?
  /// How long reports keep us waiting: more is in flight by so much.
  private(set) var reportGap: Int64 = 0

  var leastRoundTrip: Int64 { roundTrips.isEmpty ? 0 : roundTrips.least }

  /// How much longer a round trip takes than the least, as a rule.
  var usualSwing: Int64 { min(max(swing, disorder), QueueModel.mostSwing) }

  /// A round trip without a queue, as it usually is.
  var usualRoundTrip: Int64 { leastRoundTrip + usualSwing }

  /// As much of a queue may be jitter; but never so much that a queue of a whole round trip would be excused.
  var excusable: Int64 { min(2 * jitter, usualRoundTrip * 3 / 4 + 2_000_000) }

  /// From here on we believe in a queue.
  var threshold: Int64 { max(usualRoundTrip / 8, excusable, QueueModel.leastQueue) }

  /// Down to here a queue is gone.
  var empty: Int64 { max(usualRoundTrip / 16, excusable, QueueModel.leastQueue / 2) }

  /// By so much time may arrivals be ahead of or behind a rate without disproving it.
  var tolerance: Int64 { max(usualRoundTrip / 8, 3 * jitter, 500_000) }

  /// `rate` is what is believed to arrive, in bytes a second (0: unknown), `isSteady` that we have sent at that rate
  /// for long enough that the delay shows nothing of us.
  mutating func receive(_ sample: DeliverySample, rate: Double, isSteady: Bool, at now: Instant) {
    let trip = sample.roundTrip.nanoseconds
    let forward = sample.forwardDelay.nanoseconds
    if roundTrips.isEmpty || trip <= leastRoundTrip + max(leastRoundTrip / 32, 50_000) { leastSeen = now }
    roundTrip = trip
    roundTrips.note(trip, at: now)
    forwardDelays.note(forward, at: now)
    probedRoundTrip = min(probedRoundTrip, trip)
    probedForward = min(probedForward, forward)

    queue = max(0, min(trip - roundTrips.least, forward - forwardDelays.least))
    if queue > threshold { queueSeen = now }
    if rate > 0 {
      // The report lay at the receiver for a while, during which we went on sending.
      let hold = min(max(0, (now - sample.priorSent).nanoseconds - trip), QueueModel.mostRoundTrip)
      let life = min(Double(sample.inFlight) / rate, 60) * 1e9
      comingQueue = Int64(life) - roundTrips.least - hold
    }

    if isSteady {
      peakForward = max(peakForward, forward)
      peakRoundTrip = max(peakRoundTrip, trip)
      QueueModel.follow(&jitter, peakForward - forward, fall: 128)
      QueueModel.follow(&swing, peakRoundTrip - trip, fall: 256)
      if rate > 0 { QueueModel.follow(&disorder, max(0, comingQueue - queue), fall: 256) }
    } else {
      // What a probe left standing is nobody's peak.
      peakForward = .min
      peakRoundTrip = .min
    }

    // Beyond 100 ms the application paused, not the receiver.
    let gap = min(max(0, (now - (lastReport ?? now)).nanoseconds), 100_000_000)
    lastReport = now
    reportGap = max(gap, reportGap + (gap - reportGap) / 32)
  }

  /// Up fast, down slowly: whoever has seen a swing expects it again.
  private static func follow(_ value: inout Int64, _ new: Int64, fall: Int64) {
    let difference = new - value
    value += difference / (difference > 0 ? 16 : fall)
  }

  mutating func beginProbe() {
    probedRoundTrip = WindowedLeast.none
    probedForward = WindowedLeast.none
  }

  /// `replaces`: what was least before is no more to be had, since the way has become longer.
  mutating func endProbe(replaces: Bool, at now: Instant) {
    leastSeen = now
    guard replaces, probedRoundTrip != WindowedLeast.none else { return }
    roundTrips.replace(probedRoundTrip, at: now)
    forwardDelays.replace(probedForward, at: now)
  }
}
