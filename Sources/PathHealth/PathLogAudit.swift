//  PathLogAudit.swift — what is always true of a path's log, said so that a test can ask after each step.

extension PathLog {
  /// Walks everything. For tests.
  func audit(in runs: borrowing SentRuns) {
    var bytes = 0
    var counter: UInt64 = 0
    var sent: UInt64 = 0
    var before = SentRuns.none
    var number = openFirst
    while number != SentRuns.none {
      let run = runs[number]
      precondition(run.unsettled != 0, "an open run has something open")
      precondition(run.first >= counter && run.sent >= sent, "open runs are in order")
      precondition(run.last < nextCounter && !run.marks.contains(.isDetached), "an open run is one that was sent")
      precondition((run.arrived | run.lost | run.news) & ~run.all == 0, "a mask has a bit for no datagram")
      bytes += run.bytes(of: run.unsettled)
      counter = run.last + 1
      sent = run.sent
      before = number
      number = run.next
    }
    precondition(before == openLast || openFirst == SentRuns.none, "the last open run is the end of the list")
    precondition(bytes == inFlight && inFlight >= 0, "in flight is what is open")
    precondition((openFirst == SentRuns.none) == (deadline == nil), "what is open has a deadline")

    before = SentRuns.none
    number = keptFirst
    while number != SentRuns.none {
      let run = runs[number]
      precondition(run.unsettled == 0 && run.lost & ~run.arrived != 0, "kept is what was lost and may arrive")
      before = number
      number = run.next
    }
    precondition(before == keptLast || keptFirst == SentRuns.none, "the last kept run is the end of the list")

    let settled = counters.delivered.bytes + counters.lost.bytes + counters.forgotten.bytes + counters.unlogged.bytes
    precondition(counters.sent.bytes == settled + UInt64(inFlight), "bytes add up")
    precondition(counters.recovered.datagrams <= counters.lost.datagrams, "only what was lost is recovered")
  }
}
