//  PathBelief.swift — what is known of a path beyond its name and its ends: what arrived on it, and what became of what
//  we sent.
//
//  It lies apart from `PeerPath`, which is small and copied; this one is never copied, and never touched for a path
//  that carries nothing.

import PathHealth
import Primitives
import Wire

struct PathBelief: BitwiseCopyable {
  /// What the peer sent and we have.
  var receipts: Receipts
  /// What we sent, until the peer has reported it.
  var log = PathLog()
  /// Of what we sent: forward delays above their least.
  var delays = DelayHistogram()
  /// How fast it may be used.
  var controller: PathController
  var pacer: Pacer
  /// How much later than over the quickest path it arrives, as the striper was told.
  var behind = Interval.zero
  /// Parts wait for the pacer.
  var isPaced = false

  init(path: UInt8, at now: Instant) {
    receipts = Receipts(path: path)
    controller = PathController(limit: nil, at: now)
    pacer = Pacer(rate: controller.pacingRate, at: now)
  }

  mutating func setLimit(_ limit: BitRate?, at now: Instant) {
    controller.setLimit(limit)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// When something is due, besides what `Liveness` wants.
  var deadline: Instant? {
    var earliest = receipts.deadline
    PathBelief.advance(&earliest, log.deadline)
    PathBelief.advance(&earliest, controller.deadline)
    if isPaced { PathBelief.advance(&earliest, pacer.nextSend) }
    return earliest
  }

  private static func advance(_ earliest: inout Instant?, _ other: Instant?) {
    guard let other else { return }
    earliest = min(earliest ?? other, other)
  }

  mutating func learn(from sample: DeliverySample, at now: Instant) {
    delays.note(sample.forwardDelay, at: now)
    controller.receive(sample, at: now)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// Somebody is about to ask what this path can do.
  mutating func refresh(at now: Instant) {
    controller.refresh(at: now)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// What is due by the time alone.
  mutating func expire(at now: Instant, in runs: inout SentRuns) {
    if let due = log.deadline, due <= now {
      let before = log.counters.timeouts
      log.expire(at: now, in: &runs)
      // The first may be a report that was late.
      if log.counters.timeouts != before && log.timeoutsInARow > 1 { controller.timedOut(at: now) }
    }
    if let due = controller.deadline, due <= now { controller.expire(at: now) }
    pacer.setRate(controller.pacingRate, at: now)
    // What waited for this leaves at the end of the turn.
    if let due = pacer.nextSend, due > now { return }
    isPaced = false
  }
}
