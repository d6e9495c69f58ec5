//  WakePolicy.swift — when to sleep, when to spin, and when to let frames gather: precision within a budget.
//
//  Why.  On a virtual machine a sleep of any length costs 20 µs of processor time and ends 25 to 35 µs late (measured;
//  the thread's timer slack changes neither, as the ring's timer has none). A wire that slept until each frame's moment
//  used 94 % of a core for one TCP flow of 1 Gbit/s. One that slept at least 100 µs used 48 %, and put up to 100 µs
//  into each way, three times what the machine itself adds.
//
//  How.  Precision is paid from an account that fills with a `share` of the time that passes. A sleep costs
//  `sleepCost`, a spin what it took. While there is credit, every frame gets its own wake-up: we sleep until shortly
//  before the deadline (by as much as recent sleeps were too long) and spin the rest. Without credit, turns are
//  `gathering` apart and each handles what came together. So pings and links of some Mbit/s are exact to a few µs, and
//  a fast link costs one sleep every `gathering`, a fifth of a core, above its frames.
//
//      ping over 10 ms each way, median:   woken at the deadline 20.20 ms      woken before it 20.10 ms
//
//  Rejected.  Spinning always: takes a core from the two gateways that are measured. Timers alone, woken up exactly:
//  24,000 sleeps a second at 1 Gbit/s, half a core.
//
//  Not here.  Clock and ring: both come as arguments.

import Primitives

struct WakePolicy {
  enum Step: Equatable {
    /// Something is due.
    case proceed
    /// Ask the ring again and again until then.
    case spin(until: Instant)
    /// Let results gather for this long, and wait for this long at most (nil: for ever).
    case wait(gathering: Interval, timeout: Interval?)
  }

  /// A frame waits half of it on average, at each of its two stops. More would eat the 0.3 ms by which a round trip may
  /// be wrong; with less, the sleeps alone use up the account.
  static let gathering = Interval.microseconds(100)
  /// What a sleep costs here. On a machine without a hypervisor it is a few µs, and we are more frugal than we must be.
  static let sleepCost = Interval.microseconds(20)
  /// One part in so many of a core. Twice as much cost 6 % of a core more for a TCP flow of 50 Mbit/s and 13 % for one
  /// of 1 Gbit/s, and pings beside a load of a tenth of the rate were no better.
  static let share: Int64 = 10
  /// A burst of a hundred sleeps; and as much debt, so that precision is back 40 ms after the heaviest load.
  static let mostCredit = Interval.milliseconds(2)
  /// A stall of the whole machine must not teach us to wake up a millisecond early.
  static let mostOversleep = Interval.microseconds(50)
  /// More than any early wake-up leaves over, so that it is never followed by a second sleep.
  static let longestSpin = Interval.microseconds(60)

  private var credit = WakePolicy.mostCredit
  private var settled: Instant?
  private var lastTurn = Instant.zero
  /// By how much recent sleeps were too long, on average.
  private(set) var oversleep = Interval.zero
  private var expectedWake: Instant?

  /// What to do before the next turn. `deadline` is when something is due; nil when nothing is on the way.
  mutating func step(at now: Instant, deadline: Instant?) -> Step {
    if let settled { credit = min(credit + (now - settled) / WakePolicy.share, WakePolicy.mostCredit) }
    settled = now
    expectedWake = nil
    if let deadline, deadline <= now { return .proceed }
    let hasCredit = credit >= .zero
    if hasCredit, let deadline, deadline - now <= WakePolicy.longestSpin { return .spin(until: deadline) }

    spend(WakePolicy.sleepCost)
    let least = hasCredit ? .zero : max(.zero, lastTurn + WakePolicy.gathering - now)
    guard let deadline else { return .wait(gathering: least, timeout: nil) }
    if !hasCredit { return .wait(gathering: least, timeout: max(deadline - now, least)) }
    let wake = deadline - oversleep
    expectedWake = wake
    return .wait(gathering: .zero, timeout: wake - now)
  }

  /// The step is over. `wasIdle`: it ended by itself, not because something came.
  mutating func turn(at now: Instant, spunFor spin: Interval, wasIdle: Bool) {
    spend(spin)
    lastTurn = now
    if wasIdle, let expectedWake {
      let late = min(max(now - expectedWake, .zero), WakePolicy.mostOversleep)
      oversleep = oversleep + (late - oversleep) / 8
    }
    expectedWake = nil
  }

  private mutating func spend(_ cost: Interval) { credit = max(credit - cost, .zero - WakePolicy.mostCredit) }
}
