//  PostgresDatabase.swift — a connection to PostgreSQL, for several oracles that know the same.
//
//  Why.  libpq's simple calls wait for as long as a server likes to be silent. A server that hangs would then hang the
//  oracle, so every call here has an end.
//
//  How.  The socket does not block; we send, wait with poll(2) until the answer is there or the patience is over, and
//  take it. Values travel in binary beside the statement, never in it. Statements are prepared when they are first
//  used on a connection. A batch of measurements goes as COPY, which the server reads as fast as it can write.
//
//      begin ──► advance the counter ──► COPY … rows … end ──► trim ──► commit
//                    └─ its row is locked until here: who else counts waits ─┘
//
//  A connection that failed is dropped; inside a transaction nothing happens on another one. The next transaction
//  makes a new one, and not sooner than a second after the last attempt, since an attempt takes time of its own.
//
//  Rejected.  Pipelines: as fast as COPY only with a hundred calls on their way, and then errors come late. LISTEN
//  and NOTIFY to learn of others' measurements: a poll a second costs less than what they tell.
//
//  Always true.  (1) No call takes longer than `patience` for an answer, or for a connection. (2) Without an answer to
//  `commit` it throws: done or not, nobody knows. (3) An oracle that stands still inside a transaction is thrown out by
//  the server after ten seconds, so that others can count. (4) Records are on the server's disk when `commit` returns,
//  whatever the server's default.

import CPostgres
import Glibc
import POSIX
import Primitives

final class PostgresDatabase: Database {
  /// A batch takes tenths of a second; ten seconds are a server in trouble.
  static let patience = Interval.seconds(10)
  static let pause = Interval.seconds(1)
  /// COPY's rows go to libpq in pieces of this.
  private static let piece = 64 << 10

  private let parameters: String
  private let patience: Interval
  private var connection: OpaquePointer?
  private var prepared = [Bool](repeating: false, count: Statement.allCases.count)
  private var isInTransaction = false
  private var nextAttempt = Instant.zero
  private var lastWords = "there is no connection"

  private init(_ parameters: String, patience: Interval) {
    self.parameters = parameters
    self.patience = patience
  }

  deinit { PQfinish(connection) }

  static func open(_ parameters: String, patience: Interval = PostgresDatabase.patience) throws(StoreFailure)
    -> PostgresDatabase
  {
    let database = PostgresDatabase(parameters, patience: patience)
    _ = try database.connected("connect to the database")
    return database
  }

  // MARK: The connection

  private func connected(_ operation: String) throws(StoreFailure) -> OpaquePointer {
    if let connection { return connection }
    let now = MonotonicClock.now
    if isInTransaction || now < nextAttempt { throw StoreFailure(.unreachable, operation, lastWords) }
    nextAttempt = now + PostgresDatabase.pause
    // The first three are for who says nothing about them; the last counts whatever was said.
    let pairs = [
      ("connect_timeout", "5"), ("target_session_attrs", "read-write"), ("fallback_application_name", "path-oracle"),
      ("dbname", parameters), ("client_encoding", "UTF8"),
    ]
    let keywords = pairs.map { UnsafePointer(strdup($0.0)) } + [nil]
    let values = pairs.map { UnsafePointer(strdup($0.1)) } + [nil]
    defer { for text in keywords + values { free(UnsafeMutablePointer(mutating: text)) } }
    guard let made = PQconnectdbParams(keywords, values, 1) else {
      throw StoreFailure(.unreachable, operation, "out of memory")
    }
    guard PQstatus(made) == CONNECTION_OK else {
      lastWords = String(cString: PQerrorMessage(made))
      PQfinish(made)
      throw StoreFailure(.unreachable, operation, lastWords)
    }
    PQsetNoticeProcessor(made, { _, _ in }, nil)
    PQsetnonblocking(made, 1)
    connection = made
    for index in prepared.indices { prepared[index] = false }
    // What we gave up the server gives up too.
    try execute("SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'", operation)
    nextAttempt = .zero
    return made
  }

  private func drop(_ operation: String, _ kind: StoreFailure.Kind, _ words: String? = nil) -> StoreFailure {
    lastWords = words ?? connection.map { String(cString: PQerrorMessage($0)) } ?? lastWords
    PQfinish(connection)
    connection = nil
    return StoreFailure(kind, operation, lastWords)
  }

  // MARK: Transactions

  func begin(_ durability: Durability) throws(StoreFailure) {
    let isOld = connection != nil
    do throws(StoreFailure) {
      try start(durability)
    } catch {
      // That the server has closed a connection shows when it is used the next time. Nothing has happened on it yet.
      isInTransaction = false
      if !isOld || error.kind != .unreachable || connection != nil { throw error }
      try start(durability)
    }
  }

  private func start(_ durability: Durability) throws(StoreFailure) {
    let operation = "begin a transaction"
    _ = try connected(operation)
    isInTransaction = true
    switch durability {
    case .full:
      try execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO on", operation)
    case .relaxed:
      try execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO off", operation)
    }
  }

  func commit() throws(StoreFailure) {
    try execute("COMMIT", "commit")
    isInTransaction = false
  }

  func rollback() {
    if !isInTransaction { return }
    // Whoever cannot even do this has no connection any more, and so no transaction.
    if connection != nil { try? execute("ROLLBACK", "roll back") }
    isInTransaction = false
  }

  // MARK: Statements

  func run(_ script: Script) throws(StoreFailure) { try execute(script.postgres, "change the schema") }

  private func execute(_ text: StaticString, _ operation: String) throws(StoreFailure) {
    let result = try exchange(operation) { connection in PQsendQuery(connection, PostgresDatabase.characters(text)) }
    PQclear(result)
  }

  func query(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> [[Value]] {
    let result = try send(statement, values)
    defer { PQclear(result) }
    return try rows(of: result, statement.name)
  }

  func change(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> Int {
    let result = try send(statement, values)
    defer { PQclear(result) }
    return Int(String(cString: PQcmdTuples(result))) ?? 0
  }

  private func send(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> OpaquePointer {
    precondition(values.count == statement.parameters.count, "\(statement.name) wants another number of values")
    _ = try connected(statement.name)
    if !prepared[statement.rawValue] {
      let types = statement.parameters.map(PostgresRows.type)
      let made = try exchange(statement.name) { connection in
        PQsendPrepare(
          connection, statement.name, PostgresDatabase.characters(statement.text), Int32(types.count), types)
      }
      PQclear(made)
      prepared[statement.rawValue] = true
    }
    let bytes = PostgresRows.parameters(values)
    return try exchange(statement.name) { connection in
      bytes.all.withUnsafeBytes { all in
        let starts: [UnsafePointer<CChar>?] = bytes.ranges.map { range in
          guard let range, let base = all.baseAddress else { return nil }
          return (base + range.lowerBound).assumingMemoryBound(to: CChar.self)
        }
        let lengths = bytes.ranges.map { Int32($0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: values.count)
        return PQsendQueryPrepared(
          connection, statement.name, Int32(values.count), starts, lengths, formats, 1)
      }
    }
  }

  func append(_ rows: [[Value]]) throws(StoreFailure) {
    let operation = "store measurements"
    let text: StaticString = """
      COPY oracle_measurement (sequence, stored, oracle, source, origin, target, time, least_delay, loss, rate, price,
        histogram) FROM STDIN (FORMAT binary)
      """
    let connection = try connected(operation)
    let deadline = MonotonicClock.now + patience
    if PQsendQuery(connection, PostgresDatabase.characters(text)) == 0 { throw drop(operation, .unreachable) }
    let opened = try next(operation, until: deadline)
    let state = PQresultStatus(opened)
    if state != PGRES_COPY_IN { throw try refusal(operation, opened, until: deadline) }
    PQclear(opened)
    let bytes = PostgresRows.copy(rows)
    var at = 0
    while at < bytes.count {
      let end = min(at + PostgresDatabase.piece, bytes.count)
      let taken = bytes[at..<end].withUnsafeBytes { slice in
        PQputCopyData(connection, slice.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(slice.count))
      }
      if taken < 0 { throw drop(operation, .unreachable) }
      try flush(operation, until: deadline)
      if taken == 1 { at = end }
    }
    while true {
      let ended = PQputCopyEnd(connection, nil)
      if ended < 0 { throw drop(operation, .unreachable) }
      try flush(operation, until: deadline)
      if ended == 1 { break }
    }
    PQclear(try finish(operation, until: deadline))
  }

  // MARK: One question, one answer

  /// The last result, and none but good ones.
  private func exchange(
    _ operation: String, _ send: (OpaquePointer) -> Int32
  ) throws(StoreFailure) -> OpaquePointer {
    let connection = try connected(operation)
    let deadline = MonotonicClock.now + patience
    if send(connection) == 0 { throw drop(operation, .unreachable) }
    return try finish(operation, until: deadline)
  }

  private func finish(_ operation: String, until deadline: Instant) throws(StoreFailure) -> OpaquePointer {
    var last: OpaquePointer?
    while let result = try following(operation, until: deadline) {
      let state = PQresultStatus(result)
      if state != PGRES_COMMAND_OK && state != PGRES_TUPLES_OK {
        PQclear(last)
        throw try refusal(operation, result, until: deadline)
      }
      PQclear(last)
      last = result
    }
    guard let last else { throw drop(operation, .unreachable, "the server gave no answer") }
    return last
  }

  private func next(_ operation: String, until deadline: Instant) throws(StoreFailure) -> OpaquePointer {
    if let result = try following(operation, until: deadline) { return result }
    throw drop(operation, .unreachable, "the server gave no answer")
  }

  /// The next result; nil behind the last one.
  private func following(_ operation: String, until deadline: Instant) throws(StoreFailure) -> OpaquePointer? {
    try flush(operation, until: deadline)
    guard let connection else { throw StoreFailure(.unreachable, operation, lastWords) }
    while PQisBusy(connection) == 1 {
      try wait(Int16(POLLIN), operation, until: deadline)
      if PQconsumeInput(connection) == 0 { throw drop(operation, .unreachable) }
    }
    return PQgetResult(connection)
  }

  private func flush(_ operation: String, until deadline: Instant) throws(StoreFailure) {
    guard let connection else { throw StoreFailure(.unreachable, operation, lastWords) }
    while true {
      let left = PQflush(connection)
      if left < 0 { throw drop(operation, .unreachable) }
      if left == 0 { return }
      try wait(Int16(POLLIN | POLLOUT), operation, until: deadline)
      // The server may want to say something before it takes more.
      if PQconsumeInput(connection) == 0 { throw drop(operation, .unreachable) }
    }
  }

  private func wait(_ events: Int16, _ operation: String, until deadline: Instant) throws(StoreFailure) {
    while true {
      let left = (deadline - MonotonicClock.now).nanoseconds
      if left <= 0 { throw drop(operation, .busy, "the server has not answered for \(patience.inSeconds) s") }
      var watched = pollfd(fd: PQsocket(connection), events: events, revents: 0)
      if poll(&watched, 1, Int32(clamping: left / 1_000_000 + 1)) > 0 { return }
    }
  }

  /// What the server said no to. Its other results are taken from the line, so that the connection can go on.
  private func refusal(
    _ operation: String, _ result: OpaquePointer, until deadline: Instant
  ) throws(StoreFailure) -> StoreFailure {
    let words = String(cString: PQresultErrorMessage(result))
    let state = hawser_pg_state(result).map { String(cString: $0) } ?? ""
    PQclear(result)
    while let rest = try following(operation, until: deadline) { PQclear(rest) }
    // It goes away, or has become a standby: another connection may find another server.
    let isLeaving = ["08", "57P", "25P", "25006"].contains { state.hasPrefix($0) }
    if let connection, PQstatus(connection) == CONNECTION_OK, !isLeaving {
      return StoreFailure(PostgresRows.kind(state), operation, words)
    }
    return drop(operation, .unreachable, words)
  }

  private func rows(of result: OpaquePointer, _ operation: String) throws(StoreFailure) -> [[Value]] {
    let columns = PQnfields(result)
    var rows: [[Value]] = []
    for row in 0..<PQntuples(result) {
      var values: [Value] = []
      for column in 0..<columns {
        if PQgetisnull(result, row, column) == 1 {
          values.append(.null)
          continue
        }
        let bytes = UnsafeRawBufferPointer(
          start: PQgetvalue(result, row, column), count: Int(PQgetlength(result, row, column)))
        guard let value = PostgresRows.value(bytes, type: PQftype(result, column)) else {
          throw StoreFailure(.damaged, operation, "column \(column) has a type that is not ours")
        }
        values.append(value)
      }
      rows.append(values)
    }
    return rows
  }

  private static func characters(_ text: StaticString) -> UnsafePointer<CChar> {
    // A static string ends with a zero that its length does not count, and is never freed.
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
