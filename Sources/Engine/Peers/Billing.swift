//  Billing.swift — bytes of a peer's paths go to the budgets of the interfaces that they leave by.

public import Primitives
import Wire

extension Engine {
  /// Of IPv4 or IPv6, and UDP.
  private static func headers(_ route: Route) -> UInt64 { route.remote.address.family == .ipv4 ? 28 : 48 }

  /// What was sent and received since the last time, of one peer.
  mutating func bill(_ index: Int, at now: Instant) {
    if !hasBudgets { return }
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) { bill(place, of: index) }
    if ledger.changed != 0 { budgetsChanged(at: now) }
  }

  /// A path's last bytes, before it goes or moves to another interface.
  mutating func bill(_ place: Int, of index: Int) {
    let path = peers[index].paths + place
    let datagrams = path.pointee.sent.datagrams &+ path.pointee.received.datagrams
    let bytes =
      path.pointee.sent.bytes &+ path.pointee.received.bytes &+ datagrams &* Engine.headers(path.pointee.route)
    let fresh = bytes &- min(path.pointee.billed, bytes)
    path.pointee.billed = bytes
    if fresh > 0 { ledger.note(Int(clamping: fresh), on: carrier(of: path.pointee.route.socket)) }
  }

  /// A budget was spent, or is fresh: its paths are another tier for everybody, here and at the other end.
  private mutating func budgetsChanged(at now: Instant) {
    let changed = ledger.takeChanged()
    for socket in changed.places { report(ledger.isSpent(socket) ? .budgetSpent : .budgetFresh, ofLocalPath: socket) }
    for index in peers.indices where peers[index].pathCount > 0 {
      guard peers[index].firstPlace(where: { changed.has(carrier(of: $0.route.socket)) }) != nil else { continue }
      pathsChanged(of: index, at: now)
      tellTerms(of: index, isNew: true, at: now)
    }
  }

  // MARK: For the driver

  public var hasBudgets: Bool { budgeted }

  /// The operator's calendar shows another day.
  public mutating func dayBegins(_ today: CalendarDay, at now: Instant) {
    for index in peers.indices where peers[index].pathCount > 0 { bill(index, at: now) }
    _ = ledger.turn(to: today)
    if ledger.changed != 0 { budgetsChanged(at: now) }
  }

  /// What to keep over a restart, all of it, when enough has changed since the last time, or at the end.
  public mutating func nextBudgetRecords(isEnd: Bool = false, at now: Instant) -> [BudgetRecord]? {
    if !hasBudgets { return nil }
    for index in peers.indices where peers[index].pathCount > 0 { bill(index, at: now) }
    return ledger.records(isEnd: isEnd)
  }

  /// `path lte: its budget is spent, …`: for log lines about one of our own paths.
  public func sentence(about kind: Event.Kind, ofLocalPath place: UInt8) -> String {
    let local = localPaths[Int(place)]
    guard let meter = ledger.meter(Int(place)) else { return "path \(local.name)" }
    return kind == .budgetSpent
      ? "path \(local.name): its budget is spent, \(meter.why); it is \(local.tier.lower) until \(meter.end)"
      : "path \(local.name): its budget is fresh, \(meter.why); it is \(local.tier) again"
  }
}
