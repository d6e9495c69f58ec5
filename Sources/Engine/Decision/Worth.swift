//  Worth.swift — which paths are worth waiting for: the slow ones bring their rate, and cost everybody their delay.
//
//  Why.  Parts of a segment land together, so a slow path makes the quick ones run ahead by what it is slower: that is
//  the delay of every bulk byte, and what a sender does not get in one round trip he asks for in the next. Half a per
//  cent more for 40 ms is a bad bargain; twice as much for 100 ms is a good one.
//
//  How.  Each path would land a least part at some moment (its delay, and its length at its rate). In this order, the
//  more of them are used, the more they carry together and the later is the last:
//
//      worth = rates of all ÷ (1 + lateness of the last ÷ 400 ms)         lateness: after the first of all
//
//      fibre 300 Mbit/s 8 ms, LTE 30 Mbit/s 40 ms:   300    330 ÷ 1.08 = 305     both
//      fibre 900 Mbit/s 2 ms, DSL 2 Mbit/s 20 ms:    900    902 ÷ 1.10 = 820     the fibre alone
//
//  and the best of these sums is taken. So each per cent more may cost 4 ms. What lands later than 150 ms must bring
//  four times as much: behind such a backlog a page that shares the paths with a download begins visibly later.
//
//  Of what nobody knows the best is hoped: that it carries as much as the fastest of all is believed to. So a second
//  line like the first is used from the first moment on, and a satellite is not.
//
//  Who is in stays until the others are better by a tenth, since rates and delays are never still; who is not comes in
//  as soon as that is better.
//
//  Rejected.  To let in whoever is not known to be slow (all would wait for a satellite until it is full, which may be
//  never: such paths carry copies instead, see Trying.swift). A budget of delay alone (10 ms for 1 % and 10 ms for
//  twice as much are not the same); to try all subsets (a path in the middle costs nothing once a later one is in).
//
//  Always true.  Who would land first of all is in, whatever is believed of the others.
//
//  Not here.  Whether the sum is what was promised (Governor): here is what is believed, and there what came of it.
//  Cost: an insertion sort of 16 and as many divisions, for each report.

import Primitives

struct Worth {
  static let patience = 400e6
  static let late = 150e6
  /// By how much more a path that lands so late must multiply what the others carry.
  static let costOfLate = 4.0
  static let hysteresis = 1.1

  private struct Candidate: BitwiseCopyable {
    var place = 0
    /// Bytes a second.
    var rate = 0.0
    /// Nanoseconds.
    var landing = 0.0
    var delay = 0.0
    var least = 0.0
    var isUnknown = false
  }

  private var list = InlineArray<16, Candidate>(repeating: Candidate())
  private var count = 0

  /// `least`: bytes of the shortest part that is sent over it.
  mutating func add(_ place: Int, rate: BitRate, delay: Interval, least: Int, isUnknown: Bool) {
    list[count] = Candidate(
      place: place, rate: Double(rate.bitsPerSecond) / 8, delay: Double(delay.nanoseconds), least: Double(least),
      isUnknown: isUnknown)
    count += 1
  }

  /// The places of those that bulk should use; `before`: those that it uses now.
  mutating func choose(before: UInt32) -> UInt32 {
    var fastest = 0.0
    for index in 0..<count { fastest = max(fastest, list[index].rate) }
    for index in 0..<count {
      if list[index].isUnknown { list[index].rate = max(list[index].rate, fastest) }
      list[index].landing = list[index].delay + list[index].least / list[index].rate * 1e9
    }
    sort()
    var most = 0.0
    var best: UInt32 = 0
    var rates = 0.0
    var places: UInt32 = 0
    for index in 0..<count {
      rates += list[index].rate
      places |= 1 << UInt32(list[index].place)
      let lateness = list[index].landing - list[0].landing
      let cost = 1 + lateness / Worth.patience
      var worth = rates / (lateness > Worth.late ? max(cost, Worth.costOfLate) : cost)
      if places & before == before { worth *= Worth.hysteresis }
      if worth > most {
        most = worth
        best = places
      }
    }
    return best
  }

  private mutating func sort() {
    var next = 1
    while next < count {
      let candidate = list[next]
      var place = next
      while place > 0 && list[place - 1].landing > candidate.landing {
        list[place] = list[place - 1]
        place -= 1
      }
      list[place] = candidate
      next += 1
    }
  }
}
