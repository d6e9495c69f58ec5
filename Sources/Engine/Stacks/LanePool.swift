//  LanePool.swift — something costly for each of a few lanes: made when a lane first needs it, kept while it does.
//
//  Why.  Parity needs memory for each lane that has it, and nearly no lane has: a thousand peers with a thousand lanes
//  each, and in all of them a dozen calls. So it is made on demand, and the number of all is bounded, whatever peers
//  send.
//
//      lanes     │ peer 3, lane 17 │ peer 3, lane 40 │ peer 9, lane 2 │ (not made yet)
//      last use        now               now             3 s ago          a fourth lane takes the next place, and when
//                                                                         all are made that of peer 9, which is idle
//
//  Who is at work is never driven out, so with all places busy a new lane gets none: those who have protection keep
//  it. A peer has at most a share of the places, so he cannot take those of others.
//
//  Rejected.  A place in each lane's state (4 MiB for a peer's lanes, or a pointer in each of a million); a table by
//  hash (a search through 64 numbers costs 20 ns, and the one that was used last is asked first).
//
//  Always true.  (1) A lane has one place at most. (2) What was used within `idle` stays what it is.
//
//  Cost: one compare for the lane of the time before, else one for each place that was made.

import Primitives

struct LanePool<Core: ~Copyable>: ~Copyable {
  /// A call that pauses keeps its place; two seconds are also longer than any path is behind another, so whoever gets
  /// the place of an idle lane meets none of its datagrams any more.
  static var idle: Interval { .seconds(2) }

  let capacity: Int
  /// Places of one peer.
  let share: Int
  private(set) var count = 0
  private let cores: UnsafeMutablePointer<Core>
  private let keys: UnsafeMutablePointer<UInt64>
  private let uses: UnsafeMutablePointer<Instant>
  private var latest = 0

  init(capacity: Int, share: Int) {
    precondition(share > 0 && share <= capacity, "a peer has at least one place")
    self.capacity = capacity
    self.share = share
    cores = .allocate(capacity: capacity)
    keys = .allocate(capacity: capacity)
    uses = .allocate(capacity: capacity)
  }

  deinit {
    cores.deinitialize(count: count)
    cores.deallocate()
    keys.deallocate()
    uses.deallocate()
  }

  private static func key(_ peer: Int, _ lane: UInt16) -> UInt64 { UInt64(peer) << 16 | UInt64(lane) }

  func peer(of place: Int) -> Int { Int(keys[place] >> 16) }
  func lane(of place: Int) -> UInt16 { UInt16(truncatingIfNeeded: keys[place]) }

  subscript(place: Int) -> Core {
    unsafeAddress {
      precondition(place >= 0 && place < count, "a place that was not made")
      return UnsafePointer(cores + place)
    }
    unsafeMutableAddress {
      precondition(place >= 0 && place < count, "a place that was not made")
      return cores + place
    }
  }

  /// The place of a lane, which is used now. `wasIdle`: nothing was heard of it for so long that it begins anew, or it
  /// is another lane's place of before. nil: all places are busy.
  mutating func use(
    peer: Int, lane: UInt16, at now: Instant, make: () -> Core
  ) -> (place: Int, wasIdle: Bool)? {
    let key = LanePool.key(peer, lane)
    if let place = find(key) {
      let wasIdle = now - uses[place] >= LanePool.idle
      uses[place] = now
      latest = place
      return (place, wasIdle)
    }
    guard let place = room(for: peer, at: now) else { return nil }
    if place == count {
      (cores + place).initialize(to: make())
      count += 1
    }
    keys[place] = key
    uses[place] = now
    latest = place
    return (place, true)
  }

  private func find(_ key: UInt64) -> Int? {
    if latest < count && keys[latest] == key { return latest }
    for place in 0..<count where keys[place] == key { return place }
    return nil
  }

  /// A place for another lane of this peer: one that was never made, or the one that was idle for longest.
  private func room(for peer: Int, at now: Instant) -> Int? {
    var own = 0
    var oldest: Int?
    var oldestOwn: Int?
    for place in 0..<count {
      if oldest.map({ uses[place] < uses[$0] }) ?? true { oldest = place }
      if self.peer(of: place) != peer { continue }
      own += 1
      if oldestOwn.map({ uses[place] < uses[$0] }) ?? true { oldestOwn = place }
    }
    if own < share && count < capacity { return count }
    guard let victim = own < share ? oldest : oldestOwn, now - uses[victim] >= LanePool.idle else { return nil }
    return victim
  }
}
