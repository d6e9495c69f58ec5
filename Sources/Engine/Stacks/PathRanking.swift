//  PathRanking.swift — the paths of a peer in the order in which a small urgent datagram would land on them.
//
//      arrival      12 ms   14 ms   19 ms  │  60 ms
//      rank           0       1       2    │    3
//                   ╰── members in turns ──╯    ╰ parity; without such a path, on from where the members ended
//
//  Members keep to paths that land about as soon as the first: their lane waits for its order, so one that lands much
//  later would delay them all.
//
//  A path that would land a datagram later than anybody waits for it, since it is slow or much waits for it, is none of
//  them: so what a thin path is given besides is never more than it carries in that time.
//
//  Parity may land a little later, as it is of use only when something was lost. With all paths near each other the
//  places are those of `Placement`.

import Primitives
import Redundancy
import Striper

struct PathRanking {
  /// A packet of a call has its successor 20 ms later: so much a listener's own buffer evens out.
  static let nearness = Interval.milliseconds(20)

  private(set) var count = 0
  /// How many of them are near the first.
  private(set) var near = 0
  private let patience: Interval
  /// Text of a full datagram on the path where it is shortest.
  private(set) var leastPayload = Int.max
  private var places = InlineArray<16, UInt8>(repeating: 0)
  private var arrivals = InlineArray<16, Interval>(repeating: .zero)

  /// `patience`: how much later than the first a path may land and still be of use.
  init(patience: Interval) { self.patience = patience }

  mutating func add(_ place: Int, lands arrival: Interval, payload: Int) {
    var rank = count
    while rank > 0 && arrivals[rank - 1] > arrival {
      arrivals[rank] = arrivals[rank - 1]
      places[rank] = places[rank - 1]
      rank -= 1
    }
    arrivals[rank] = arrival
    places[rank] = UInt8(place)
    count += 1
    leastPayload = min(leastPayload, payload)
    while arrivals[count - 1] - arrivals[0] > patience { count -= 1 }
    near = min(near + 1, count)
    while arrivals[near - 1] - arrivals[0] > PathRanking.nearness { near -= 1 }
  }

  subscript(rank: Int) -> Int { Int(places[rank]) }

  func path(ofMember index: Int) -> Int { self[Placement(paths: near).path(ofMember: index)] }

  func path(ofParity row: Int, members: Int) -> Int {
    if near < count { return self[near + row % (count - near)] }
    return self[Placement(paths: near).path(ofParity: row, members: members)]
  }
}
