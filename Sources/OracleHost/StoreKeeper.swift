//  StoreKeeper.swift — the thread that has the store: writes what was reported, and reads what others wrote.
//
//  Why.  A database answers when it likes. Whoever asks for a path must not wait for it, and nothing that it says or
//  does not say may stop the oracle: without its store it goes on with what it knows.
//
//  How.  Four times a second it takes the rows from the desk and gives them to the store, which writes once a second.
//  Once a second it asks the store for what other oracles wrote since, and whether nodes changed:
//
//      desk ──rows──▶ append ──▶ expire (writes)            another oracle's rows ──▶ learn ──▶ desk
//                                                           revision moved ──▶ nodes ──▶ set, remove
//
//  What the file of this oracle states is put into the store when it starts, and what it stated before and does no more
//  is removed. A node of our own file is never changed by the store.
//
//  Always true.  (1) Only this thread touches the store. (2) A failure is told and counted, and the next turn tries
//  again. (3) Before an orderly end all rows are written, if the database answers.

import Oracle
import POSIX
import PathOracle
import Primitives
import Store

final class StoreKeeper {
  /// How long a row waits at the desk at most.
  static let turn = Interval.milliseconds(250)
  /// How late news of other oracles are at most.
  static let polling = Interval.seconds(1)
  /// Rows that are read at a time: some milliseconds of the desk's lock.
  private static let page = 2_000
  /// Pages in one turn: who was away for long must still write.
  private static let pages = 20

  private let store: OracleStore
  private let desk: OracleDesk
  private let journal: Journal
  private let kind: String
  private let name: String
  /// Stated by our own file.
  private let own: [String: StoredNode]
  private var learnt: [String: OracleNode] = [:]
  private var revision: UInt64?
  private var position: UInt64 = 0
  private var polled = Instant.zero
  private var dropped: UInt64 = 0
  private var unkept: UInt64 = 0
  private var complaint: String?

  init(
    _ store: OracleStore, kind: String, name: String, own nodes: [OracleNode], desk: OracleDesk, journal: Journal
  ) {
    self.store = store
    self.kind = kind
    self.name = name
    self.desk = desk
    self.journal = journal
    own = Dictionary(nodes.map { ($0.facts.name, StoredNode($0, of: name)) }) { first, _ in first }
  }

  // MARK: The beginning

  /// States our nodes, takes over those of others, and reads what was measured within this time. How many were read.
  func begin(since lifetime: Interval) throws(StoreFailure) -> Int {
    // A thousand nodes in one transaction, instead of a thousand times the disk's pause.
    try store.together { () throws(StoreFailure) in try state() }
    try readNodes()
    let wall = WallClock.now
    let start = wall.nanoseconds > UInt64(lifetime.nanoseconds) ? wall - lifetime : .zero
    position = try store.position(storedSince: start)
    var count = 0
    while true {
      let page = try store.measurements(after: position, atMost: StoreKeeper.page, includingOurs: true)
      count += desk.learn(page.measurements.compactMap { $0.measurement.measurement(at: WallClock.now) })
      if page.last == position { break }
      position = page.last
    }
    show()
    return count
  }

  /// Our own file's nodes into the store, and out of it what was ours once.
  private func state() throws(StoreFailure) {
    let found = try stored()
    for name in own.keys.sorted() {
      guard let wanted = own[name], found[name] != wanted else { continue }
      report(try store.put(wanted.row), name)
      report(try store.put(wanted.setting, expecting: .anything), name)
      if let source = wanted.source {
        report(try store.put(source), name)
      } else if found[name]?.node.token != nil {
        report(try store.removeSource(named: name), name)
      }
    }
    for name in found.keys.sorted() where own[name] == nil && found[name]?.oracle == self.name {
      report(try store.removeNode(named: name), name)
      report(try store.removeSource(named: name), name)
      report(try store.removeSetting(named: name, expecting: .anything), name)
    }
  }

  private func report(_ change: Change, _ name: String) {
    switch change {
    case .made, .conflict: break
    case .refused(let defect): journal.say(.nodes, "the store does not keep the node \"\(name)\": \(defect)")
    case .full: journal.say(.nodes, "the store does not keep the node \"\(name)\": it is full")
    }
  }

  private func stored() throws(StoreFailure) -> [String: StoredNode] {
    let tokens = Dictionary(try store.sources().map { ($0.name, $0.token) }) { first, _ in first }
    let settings = Dictionary(try store.settings().map { ($0.name, $0.value) }) { first, _ in first }
    var nodes: [String: StoredNode] = [:]
    for row in try store.nodes() {
      nodes[row.name] = StoredNode(row, token: tokens[row.name], setting: settings[row.name])
    }
    return nodes
  }

  /// What other files state. Ours are as our file has them.
  private func readNodes() throws(StoreFailure) {
    let now = try store.revision()
    if now == revision { return }
    let found = try stored()
    for name in found.keys.sorted() where own[name] == nil {
      guard let node = found[name]?.node, learnt[name] != node else { continue }
      switch desk.set(node) {
      case .set, .unchanged: learnt[name] = node
      case .refused(let why): journal.say(.nodes, "the store's node \"\(name)\" is not taken: \(why)")
      case .tokenOfAnother:
        learnt[name] = node
        journal.say(.nodes, "the store's node \"\(name)\" has the token of another, and cannot report")
      }
    }
    for name in learnt.keys.sorted() where found[name] == nil {
      desk.removeNode(name)
      learnt[name] = nil
    }
    revision = now
  }

  // MARK: Turns

  func run(until stop: StopFlag) {
    while !stop.wait(for: StoreKeeper.turn) { turn() }
    turn()
    do throws(StoreFailure) {
      try store.flush(at: WallClock.now)
    } catch {
      journal.say("the last measurements are not stored: \(error)")
    }
  }

  private func turn() {
    let (rows, dropped) = desk.takeRows()
    for row in rows {
      if case .refused = store.append(MeasurementRow(row), at: WallClock.now) { unkept += 1 }
    }
    if dropped > self.dropped {
      journal.say(.dropped, "\(dropped) measurements were not stored so far: the store is too slow")
      self.dropped = dropped
    }
    let now = MonotonicClock.now
    do throws(StoreFailure) {
      try store.expire(at: WallClock.now)
      if now - polled >= StoreKeeper.polling {
        polled = now
        try readNodes()
        try readMeasurements()
        if complaint != nil { journal.say("the store answers again") }
        complaint = nil
      }
    } catch {
      complaint = "\(error)"
      journal.say(.store, "\(error)")
    }
    show()
  }

  private func readMeasurements() throws(StoreFailure) {
    for _ in 0..<StoreKeeper.pages {
      let page = try store.measurements(after: position, atMost: StoreKeeper.page)
      _ = desk.learn(page.measurements.compactMap { $0.measurement.measurement(at: WallClock.now) })
      // Rows that nobody understands are on no page, so a short one need not be the last.
      if page.last == position { return }
      position = page.last
    }
  }

  private func show() {
    let counters = store.counters
    var state = Oracle.StoreState()
    state.kind = kind
    state.complaint = complaint
    state.counters = [
      ("waited", counters.waited), ("stored", counters.stored), ("dropped", counters.dropped + dropped),
      ("refused", counters.refused), ("trimmed", counters.trimmed), ("failures", counters.failures),
      ("unreadable", counters.unreadable), ("changes", counters.changes), ("conflicts", counters.conflicts),
    ]
    desk.setStore(state)
  }
}
