//  PathBelief.swift — what is known of a path beyond its name and its ends: what arrived on it, and what became of what
//  we sent.
//
//  It lies apart from `PeerPath`, which is small and copied; this one is never copied, and never touched for a path that
//  carries nothing.

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

  init(path: UInt8) { receipts = Receipts(path: path) }

  /// When something is due, besides what `Liveness` wants.
  var deadline: Instant? {
    guard let report = receipts.deadline else { return log.deadline }
    guard let timeout = log.deadline else { return report }
    return min(report, timeout)
  }
}
