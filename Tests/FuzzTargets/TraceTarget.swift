//  TraceTarget.swift — recordings of links: read or refused, and a line that follows one loses and invents nothing.

import Primitives
import Simulation
import Topology

func checkTrace(_ bytes: [UInt8]) throws(Violation) {
  let trace: DeliveryTrace
  do throws(DeliveryTrace.ParseError) {
    trace = try DeliveryTrace(parsing: bytes)
  } catch {
    guard case .malformed(let line, let sentence) = error else { return }
    let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
    try demand((1...lines).contains(line), "line \(line) of a file with \(lines)")
    try demand(!sentence.isEmpty && !sentence.contains("\n"), "no sentence: \(sentence.debugDescription)")
    return
  }

  var conditions = LinkConditions()
  conditions.line = .trace(trace)
  conditions.queue = .bytes(ByteCount(1 << 20))
  var link = Link(conditions, random: SeededRandom(seed: 1))
  let sizes = [1_514, 60, 1, 9_014, 1_500, 1_499, 1_501, 300]
  var now = Instant.zero
  var arrived = 0
  var last = Instant.zero
  func drain(_ link: inout Link) throws(Violation) {
    while let outcome = link.nextOutcome() {
      guard case .delivered(let slot, let due, let isLast, nil) = outcome, isLast else {
        throw Violation("a line without loss, duplicates and corruption gave \(outcome)")
      }
      try demand(slot == UInt32(arrived), "packet \(slot) came as number \(arrived)")
      try demand(due >= last && due <= now, "packet \(slot) came out of time")
      last = due
      arrived += 1
    }
  }
  for (slot, size) in sizes.enumerated() {
    let verdict = link.accept(slot: UInt32(slot), length: ByteCount(size), at: now)
    try demand(verdict == .queued, "a packet of \(size) bytes was not taken: \(verdict)")
    try drain(&link)
    now += .microseconds(700)
  }
  // Something comes out at every deadline, so there are at most as many as packets; more is a line that never ends.
  for _ in sizes {
    guard let deadline = link.deadline else { break }
    now = max(now, deadline)
    link.expire(at: now)
    try drain(&link)
  }
  try demand(arrived == sizes.count, "\(arrived) of \(sizes.count) packets arrived")
  try demand(link.deadline == nil && link.queued == .zero, "an empty line holds something")
}
