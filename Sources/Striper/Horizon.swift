//  Horizon.swift — how far ahead a path may be, and which paths are worth waiting for.
//
//  Why.  A quick path can be used together with a slow one only if it runs ahead: what is committed to it waits until
//  its bytes land together with those of the slow one. That backlog is the price of the slow path, and every bulk byte
//  pays it. Less, and the slow path is never the one that lands first, so it idles; more, and bytes wait in a place
//  where they can neither be dropped (they have their number) nor be overtaken within their lane.
//
//  How.  The shore is the moment at which a least part would land on the slowest usable path, were it idle, and a
//  quantum more. Water may stand up to the shore on every path, not beyond:
//
//      horizon = rate × (shore − delay) − backlog
//
//      ms ▲                                      fibre 300 Mbit/s 8 ms, LTE 30 Mbit/s 40 ms:
//      44 │─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ shore       40 ms + 4 datagrams (1.5 ms) + 2 ms
//      40 │  fibre: 1.33 MB        │ LTE 13 kB
//       8 │  0.9 ms for each 34 kB └─────────      committed and not sent, at most
//
//  A path is worth using while it does not make the others wait for longer than a budget: the least part on it, idle,
//  may land so much later than on the best one. So a path is measured by its delay and by its rate: 4 datagrams take 46
//  ms at 1 Mbit/s, however short the way.
//
//  Rejected.  A quantum in bytes: what is 2 ms at 300 Mbit/s is half a second at 1 Mbit/s, and while that path may be
//  given more the quick one would run half a second ahead.

public import Primitives

extension Striper {
  /// How long the slowest path may be busy with what is beyond its least part. Less than the engine's turn and the
  /// kernel's timers, and paths idle in between; all of it is delay that CoDel does not see.
  public static let quantum = Interval.milliseconds(2)

  /// When a segment would land that is committed to this path now; nil without the path. It waits for what precedes it.
  public func arrival(of length: Int, on index: Int, as precedence: Precedence = .bulk) -> Interval? {
    if accounts[index].rate == 0 { return nil }
    let behind = min(accounts[index].behind(precedence), Striper.mostBacklog)
    return .nanoseconds(Int64(accounts[index].wait(behind: behind + length)))
  }

  /// What may still be committed to this path: nothing, if not even a least part would land before the shore, since
  /// then the segment would go to paths that are beyond it.
  public func horizon(of index: Int) -> Int {
    if usable & 1 << UInt32(index) == 0 { return 0 }
    let time = shore - accounts[index].wait(behind: accounts[index].backlog)
    if time < accounts[index].idleArrival - accounts[index].delay { return 0 }
    if time >= accounts[index].time(Striper.mostBacklog) { return Striper.mostBacklog }
    return accounts[index].rate * time / Account.second
  }

  /// What may still be committed to all of them: while it is 0, packets wait in their flow's queue.
  public var horizon: Int {
    var sum = 0
    for position in 0..<count { sum += horizon(of: Int(order[position])) }
    return sum
  }

  /// The paths that do not make a segment land later than the best one does by more than this, a bit each.
  public func paths(within budget: Interval) -> UInt32 {
    var best = Int.max
    for index in 0..<Striper.mostPaths where accounts[index].rate > 0 && !accounts[index].standsBy {
      best = min(best, accounts[index].idleArrival)
    }
    var worthy: UInt32 = 0
    for index in 0..<Striper.mostPaths where accounts[index].rate > 0 && !accounts[index].standsBy {
      if accounts[index].idleArrival - best <= budget.nanoseconds { worthy |= 1 << UInt32(index) }
    }
    return worthy
  }

  /// Which paths segments are cut for: their number, their order, and what follows from them.
  mutating func choose() {
    usable = paths(within: budget)
    if usable & worthy != 0 { usable &= worthy }
    count = 0
    capacity = 0
    shore = 0
    mostAheadTime = 0
    var width = 0
    for index in 0..<Striper.mostPaths where usable & 1 << UInt32(index) != 0 {
      order[count] = UInt8(index)
      count += 1
      capacity += accounts[index].mostBytes
      width += accounts[index].rate
      shore = max(shore, accounts[index].idleArrival)
      mostAheadTime = max(mostAheadTime, accounts[index].time(Striper.mostAhead * accounts[index].payload))
    }
    findShortest()
    shore += Int(Striper.quantum.nanoseconds)
    // Longer, and the path with the greatest share for its batch could not carry it: all shares would bend.
    mostSegmentLength = capacity
    for position in 0..<count {
      let account = accounts[Int(order[position])]
      let full = account.mostBytes / account.payload * account.payload
      mostSegmentLength = min(mostSegmentLength, full * width / account.rate)
    }
  }

  mutating func findShortest() {
    shortest = Int.max
    for position in 0..<count { shortest = min(shortest, accounts[Int(order[position])].least) }
  }
}
