//  LossShare.swift — how much of what was sent over a path is lost, lately.
//
//  From the log's counters, which only grow: each time that fifty datagrams more have been settled, their share is one
//  sample, and a quarter of the figure. So it follows a path that gets bad within some hundred datagrams, and a single
//  lost one of a quiet path does not double what is sent besides.

import PathHealth

struct LossShare: BitwiseCopyable {
  static let sample: UInt64 = 50

  /// Between 0 and 1; 0 until something was measured.
  private(set) var share = 0.0
  private var isMeasured = false
  private var settled: UInt64 = 0
  private var lost: UInt64 = 0

  mutating func look(at counters: PathLog.Counters) {
    let all = counters.delivered.datagrams &+ counters.lost.datagrams
    if all &- settled < LossShare.sample { return }
    // What was held for lost and came after all was not lost.
    let gone = counters.lost.datagrams &- min(counters.lost.datagrams, counters.recovered.datagrams)
    let share = Double(gone &- min(gone, lost)) / Double(all &- settled)
    self.share += (min(share, 1) - self.share) * (isMeasured ? 0.25 : 1)
    isMeasured = true
    settled = all
    lost = gone
  }
}
