//  Records.swift — nodes, sources, settings and leases: few, changed one at a time, and never lost.
//
//  Why.  Two oracles, or an oracle and an administrator, change the same thing at the same time. The later one must
//  learn that what he had read is no longer there, instead of overwriting it.
//
//  How.  Every change draws a version from a counter of the database, and holds the counter until it is done: changes
//  happen one after the other, whoever makes them, and look at what is there before they write. A caller names the
//  version that he has read; if there is another, nothing happens and he is told. Versions are never used twice, not
//  even after a removal, so "still version 17" means that nothing has happened in between; and a holder's version can
//  be shown to others, who refuse a smaller one than they have seen.
//
//  `revision` moves with every change of a node, a source or a setting. Who keeps copies asks for it now and then and
//  reads everything again when it has moved: the tables are small.
//
//  Cost.  A change waits for the disk: SQLite some milliseconds, PostgreSQL as its disk and its standby do.

public import Primitives

/// What must be there for a change to be made.
public enum Expectation: Equatable, Sendable {
  case anything
  case nothing
  case version(UInt64)
}

public enum Change: Equatable, Sendable {
  /// The version that it has now.
  case made(version: UInt64)
  /// Something else is there: its version, or nil when there is nothing.
  case conflict(version: UInt64?)
  case refused(Defect)
  /// There are as many as there may be.
  case full
}

public enum Taking: Equatable, Sendable {
  case granted(version: UInt64)
  case held(LeaseRow)
  case refused(Defect)
  case full
}

extension OracleStore {
  /// Moves with every change of nodes, sources and settings.
  public func revision() throws(StoreFailure) -> UInt64 { try value(of: .configuration) }

  public func nodes() throws(StoreFailure) -> [NodeRow] { try all() }
  public func put(_ node: NodeRow, expecting: Expectation = .anything) throws(StoreFailure) -> Change {
    try change(node, expecting)
  }
  public func removeNode(named name: String, expecting: Expectation = .anything) throws(StoreFailure) -> Change {
    try remove(.nodes, name, expecting)
  }

  public func sources() throws(StoreFailure) -> [SourceRow] { try all() }
  public func put(_ source: SourceRow, expecting: Expectation = .anything) throws(StoreFailure) -> Change {
    try change(source, expecting)
  }
  public func removeSource(named name: String, expecting: Expectation = .anything) throws(StoreFailure) -> Change {
    try remove(.sources, name, expecting)
  }

  public func settings() throws(StoreFailure) -> [SettingRow] { try all() }
  public func setting(named name: String) throws(StoreFailure) -> SettingRow? { try one(name) }
  public func put(_ setting: SettingRow, expecting: Expectation) throws(StoreFailure) -> Change {
    try change(setting, expecting)
  }
  public func removeSetting(named name: String, expecting: Expectation) throws(StoreFailure) -> Change {
    try remove(.settings, name, expecting)
  }

  public func leases() throws(StoreFailure) -> [LeaseRow] { try all() }
  public func lease(named name: String) throws(StoreFailure) -> LeaseRow? { try one(name) }
  public func put(_ lease: LeaseRow, expecting: Expectation) throws(StoreFailure) -> Change {
    try change(lease, expecting)
  }
  public func removeLease(named name: String, expecting: Expectation) throws(StoreFailure) -> Change {
    try remove(.leases, name, expecting)
  }

  /// Takes or renews a lease: if nobody has it, if it has expired, or if this holder has it.
  public func take(_ lease: LeaseRow, at now: Instant) throws(StoreFailure) -> Taking {
    var other: LeaseRow?
    let answer = try change(lease, .anything) { (found: LeaseRow) -> Bool in
      if found.holder == lease.holder || found.expires <= now { return true }
      other = found
      return false
    }
    switch answer {
    case .made(let version): return .granted(version: version)
    case .refused(let defect): return .refused(defect)
    case .full: return .full
    case .conflict:
      guard let other else { preconditionFailure("whoever is in the way was looked at") }
      return .held(other)
    }
  }

  // MARK: For all tables

  private func all<Record: Row>() throws(StoreFailure) -> [Record] {
    var records: [Record] = []
    for row in try database.query(Record.table.all, []) { records.append(try record(row)) }
    return records
  }

  private func one<Record: Row>(_ name: String) throws(StoreFailure) -> Record? {
    guard Checks.isName(name), let row = try database.query(Record.table.one, [.text(name)]).first else { return nil }
    return try record(row)
  }

  /// An oracle that went on without what it cannot read would grant what it should not.
  private func record<Record: Row>(_ row: [Value]) throws(StoreFailure) -> Record {
    if let record = Record(row) { return record }
    counters.unreadable += 1
    let name = row.first?.text ?? "?"
    throw StoreFailure(.damaged, "read the \(Record.table.name)", "\"\(name)\" is not as we write it")
  }

  private func change<Record: Row>(
    _ record: Record, _ expecting: Expectation, where mayReplace: ((Record) -> Bool)? = nil
  ) throws(StoreFailure) -> Change {
    let table = Record.table
    if let defect = record.defect {
      counters.refusedRecords += 1
      return .refused(defect)
    }
    return try change(table, record.name, expecting) { (version, row) throws(StoreFailure) in
      if let row {
        if let mayReplace {
          let found: Record = try self.record(row)
          if !mayReplace(found) { return .conflict(version: found.version) }
        }
      } else if try database.query(table.count, []).first?.first?.integer ?? 0 >= table.bound {
        return .full
      }
      _ = try database.change(table.put, [.text(record.name), .integer(version)] + record.columns)
      return .made(version: UInt64(version))
    }
  }

  private func remove(_ table: Table, _ name: String, _ expecting: Expectation) throws(StoreFailure) -> Change {
    guard Checks.isName(name) else {
      counters.refusedRecords += 1
      return .refused(.name)
    }
    return try change(table, name, expecting) { (version, row) throws(StoreFailure) in
      if row == nil { return .conflict(version: nil) }
      _ = try database.change(table.remove, [.text(name)])
      return .made(version: UInt64(version))
    }
  }

  /// `body` gets the version that the change would have, and what is there.
  private func change(
    _ table: Table, _ name: String, _ expecting: Expectation,
    _ body: (Int64, [Value]?) throws(StoreFailure) -> Change
  ) throws(StoreFailure) -> Change {
    let answer = try transaction(.full) { () throws(StoreFailure) -> (Change, Bool) in
      let version = try advance(table.counter)
      let row = try database.query(table.one, [.text(name)]).first
      let found = row.flatMap { $0.count > 1 ? $0[1].number : nil }
      let isExpected =
        switch expecting {
        case .anything: true
        case .nothing: row == nil
        case .version(let wanted): found == wanted
        }
      if !isExpected { return (.conflict(version: found), false) }
      let change = try body(version, row)
      if case .made = change { return (change, true) }
      return (change, false)
    }
    switch answer {
    case .made: counters.changes += 1
    case .conflict: counters.conflicts += 1
    case .refused: counters.refusedRecords += 1
    case .full: counters.beyondBound += 1
    }
    return answer
  }
}
