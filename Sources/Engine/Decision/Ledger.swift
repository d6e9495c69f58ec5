//  Ledger.swift — what our paths have used of their budgets, over all peers.
//
//  A budget belongs to a path of ours, an interface that somebody pays for; several peers use it. Bytes are not counted
//  one datagram at a time: each peer's path counts what it sends and receives anyway, and ten times a second while data
//  flows the difference since the last time is written here, with the headers of IP and UDP, which providers count too.
//
//  Not counted: greetings, which have no path yet, and what strangers send us.
//
//  Not here.  The file that keeps it over a restart and the calendar (Driver), what being spent means (Tiers).

import Primitives

struct Ledger {
  private var meters: [BudgetMeter?]
  private var names: [String]
  private var today: CalendarDay
  /// Of paths that went: they may come back, and have used what they have used.
  private var gone: [BudgetRecord] = []
  /// Sixteen paths, each with another name four times.
  static let mostGone = 64
  /// Paths whose budget was spent, or is fresh again, since they were last asked about: a bit each.
  private(set) var changed: UInt32 = 0
  private var spent: UInt32 = 0

  init(_ paths: [LocalPath], today: CalendarDay) {
    names = paths.map(\.name)
    self.today = today
    meters = paths.map { path in path.budget.map { BudgetMeter($0, restored: path.used, today: today) } }
    for place in meters.indices where meters[place]?.isSpent == true { spent |= place.bit }
  }

  func isSpent(_ place: Int) -> Bool { spent.has(place) }

  func meter(_ place: Int) -> BudgetMeter? { meters[place] }

  mutating func note(_ bytes: Int, on place: Int) {
    meters[place]?.note(bytes)
    review(place)
  }

  /// A day begins. True when a budget is fresh.
  mutating func turn(to today: CalendarDay) -> Bool {
    self.today = today
    var isFresh = false
    for place in meters.indices {
      if meters[place]?.turn(to: today) == true { isFresh = true }
      review(place)
    }
    return isFresh
  }

  private mutating func review(_ place: Int) {
    guard let meter = meters[place], meter.isSpent != spent.has(place) else { return }
    spent ^= place.bit
    changed |= place.bit
  }

  /// The path of this place is another, or its budget is. What a path of this name has used stays used, wherever it was
  /// before.
  mutating func set(_ place: Int, _ path: LocalPath?) {
    if let path, names[place] == path.name, meters[place]?.budget == path.budget { return }
    if let meter = meters[place] {
      gone.removeAll { $0.path == names[place] }
      gone.append(meter.record(of: names[place]))
      if gone.count > Ledger.mostGone { gone.removeFirst() }
    }
    names[place] = path?.name ?? ""
    var record: BudgetRecord?
    if let path, path.budget != nil {
      record =
        meters.indices.first { $0 != place && names[$0] == path.name && meters[$0] != nil }
        .flatMap { meters[$0]?.record(of: path.name) }
        ?? gone.first { $0.path == path.name } ?? path.used
      gone.removeAll { $0.path == path.name }
    }
    meters[place] = path?.budget.map { BudgetMeter($0, restored: record, today: today) }
    spent &= ~place.bit
    changed &= ~place.bit
    if meters[place]?.isSpent == true { spent |= place.bit }
  }

  mutating func takeChanged() -> UInt32 {
    defer { changed = 0 }
    return changed
  }

  /// All lines of the file, when one of them is worth storing; `isEnd`: when there are any.
  mutating func records(isEnd: Bool) -> [BudgetRecord]? {
    var isDue = isEnd
    for place in meters.indices where meters[place]?.nextRecord(of: names[place]) != nil { isDue = true }
    guard isDue else { return nil }
    let records = meters.indices.compactMap { place in meters[place]?.record(of: names[place]) }
    return records.isEmpty && gone.isEmpty ? nil : records + gone
  }
}
