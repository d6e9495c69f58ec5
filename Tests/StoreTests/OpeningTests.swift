import CPostgres
import Foundation
import Glibc
import Primitives
import Synchronization
import Testing

@testable import Store

@Suite struct `Opening a database` {
  @Test(arguments: Kind.installed)
  func `that an earlier release made brings it up to date and keeps what is in it`(kind: Kind) throws {
    let base = try Base(kind)
    do {
      let old = try base.database()
      try Schema.migrate(old, to: 1)
      #expect(try old.query(.schemaVersion, []) == [[.integer(1)]])
      let store = OracleStore(old, as: "first", at: noon)
      _ = store.append(MeasurementRow(source: "s", origin: "a", target: "b", time: noon), at: noon)
      try store.flush(at: noon)
      #expect(throws: StoreFailure.self) { try store.nodes() }
    }
    let store = try base.store()
    #expect(try store.database.query(.schemaVersion, []) == [[.integer(Int64(Schema.steps.count))]])
    #expect(try store.measurements(after: 0, atMost: 10, includingOurs: true).measurements.count == 1)
    #expect(try store.nodes().isEmpty)
  }

  @Test(arguments: Kind.installed)
  func `that a later release made is refused with both versions, and it stays as it is`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    _ = try store.put(NodeRow(name: "n", role: "relay"))
    _ = try store.database.change(.setSchemaVersion, [.integer(99)])
    let failure = #expect(throws: StoreFailure.self) { try base.store() }
    #expect(failure?.kind == .newer)
    #expect(
      failure?.description
        == "cannot bring the database up to date: it has version 99, and this release knows versions up to 2 "
        + "(install at least the release that made it)")
    #expect(try store.nodes().count == 1)
  }

  @Test(arguments: Kind.installed)
  func `that is empty works for four oracles at once`(kind: Kind) throws {
    let base = try Base(kind)
    let failures = Mutex<[String]>([])
    Threads.perform(count: 4) { thread in
      do {
        let store = try base.store(as: "oracle-\(thread)")
        _ = try store.put(NodeRow(name: "n\(thread)", role: "relay"))
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    #expect(try base.store().nodes().map(\.name) == ["n0", "n1", "n2", "n3"])
  }

  @Test func `a new file works for whoever opens it at the same moment, time after time`() throws {
    let failures = Mutex<[String]>([])
    for _ in 0..<100 {
      let base = try Base(.sqlite)
      Threads.perform(count: 4) { _ in
        do { _ = try base.database() } catch { failures.withLock { $0.append("\(error)") } }
      }
    }
    #expect(failures.withLock { $0 } == [])
  }

  @Test func `that is no database says so, and what would help`() throws {
    let folder = try Folder()
    let text = folder.path + "/text"
    try String(repeating: "no database\n", count: 100).write(toFile: text, atomically: false, encoding: .utf8)
    let damaged = #expect(throws: StoreFailure.self) { try OracleStore.open(.file(text), as: "a", at: noon) }
    #expect(damaged?.kind == .damaged)
    #expect(try String(contentsOfFile: text, encoding: .utf8).hasPrefix("no database\n"))
    for path in [folder.path + "/missing/db", folder.path, "", "a\u{0}b"] {
      let failure = #expect(throws: StoreFailure.self) { try OracleStore.open(.file(path), as: "a", at: noon) }
      #expect(failure?.kind == .unreachable, "\(path)")
    }
    let nobody = #expect(throws: StoreFailure.self) {
      try OracleStore.open(.server("host=\(folder.path) dbname=none"), as: "a", at: noon)
    }
    #expect(nobody?.kind == .unreachable && nobody?.description.contains(folder.path) == true)
  }

  @Test func `makes a file that only its user can read`() throws {
    let base = try Base(.sqlite)
    let store = try base.store()
    _ = try store.put(NodeRow(name: "n", role: "relay"))
    guard case .file(let path) = base.place else { throw Trouble("no file") }
    for file in [path, path + "-wal"] {
      var status = stat()
      #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600, "\(file)")
    }
  }
}

@Suite struct `A batch that the database does not take` {
  @Test(arguments: Kind.installed)
  func `is counted and gone, and does not hold up what comes after it`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    let row = MeasurementRow(source: "s", origin: "a", target: "b", time: noon)
    // Somebody has used the next number without counting.
    let bare = try base.database()
    try bare.begin(.relaxed)
    try bare.append([row.values(sequence: 1, stored: noon, oracle: "other")])
    try bare.commit()
    _ = store.append(row, at: noon)
    let failure = #expect(throws: StoreFailure.self) { try store.flush(at: noon) }
    #expect(failure?.kind == .refused)
    #expect(store.counters.dropped == 1 && store.counters.stored == 0)
    _ = try bare.query(.advance, [.integer(1), .text("measurement")])
    _ = store.append(row, at: noon)
    try store.flush(at: noon)
    #expect(store.counters.stored == 1)
  }
}

@Suite(.enabled(if: Server.programs != nil, "needs PostgreSQL's server: scripts/bootstrap test"))
struct `PostgreSQL's server` {
  @Test func `may be restarted: the next change finds it again`() throws {
    let server = try Server()
    defer { server.end() }
    try server.start()
    let base = Base(in: try server.makeDatabase())
    let store = try base.store()
    #expect(try store.put(NodeRow(name: "a", role: "relay")) == .made(version: 1))

    server.crash()
    try server.start()
    #expect(try store.put(NodeRow(name: "b", role: "relay")) == .made(version: 2))

    server.crash()
    _ = store.append(MeasurementRow(source: "s", origin: "a", target: "b", time: noon), at: noon)
    let failure = #expect(throws: StoreFailure.self) { try store.expire(at: noon + .seconds(1)) }
    #expect(failure?.kind == .unreachable)
    try server.start()
    var now = noon
    for _ in 0..<600 where store.counters.stored == 0 {
      now = max(store.deadline, now)
      try? store.expire(at: now)
      _ = poll(nil, 0, 50)
    }
    #expect(store.counters.stored == 1)
    #expect(try store.nodes().map(\.name) == ["a", "b"])
  }

  @Test(.enabled(if: geteuid() == 0, "needs root: the server runs as another user"))
  func `may stand still: a call ends after its patience, and the next one works`() throws {
    let base = try Base(.postgres)
    _ = try base.store()
    guard case .server(let parameters) = base.place else { throw Trouble("no server") }
    let store = OracleStore(
      try PostgresDatabase.open(parameters, patience: .milliseconds(300)), as: "first", at: noon)
    let process = try backend(parameters)
    #expect(kill(process, SIGSTOP) == 0)
    let failure = #expect(throws: StoreFailure.self) { try store.put(NodeRow(name: "n", role: "relay")) }
    #expect(failure?.kind == .busy)
    #expect(kill(process, SIGCONT) == 0)
    #expect(try store.put(NodeRow(name: "m", role: "relay")) == .made(version: 1))
    #expect(try store.nodes().map(\.name) == ["m"])
  }

  /// The process that serves the only connection of an oracle to this database.
  private func backend(_ parameters: String) throws -> Int32 {
    let connection = PQconnectdb(parameters + " application_name=judge")
    defer { PQfinish(connection) }
    // That of a store which was closed just now may still be there.
    for _ in 0..<600 {
      let result = PQexec(
        connection,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'path-oracle'")
      defer { PQclear(result) }
      if PQntuples(result) == 1, let process = Int32(String(cString: PQgetvalue(result, 0, 0))) { return process }
      _ = poll(nil, 0, 50)
    }
    throw Trouble("there is not one connection")
  }
}
