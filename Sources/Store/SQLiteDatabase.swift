//  SQLiteDatabase.swift — a file, for an oracle that is alone.
//
//  Why.  One oracle needs no server: a file that is there when it starts, and nothing to administer.
//
//  How.  A write-ahead log, so that a commit appends to one file and readers are not in the way. Whether a commit waits
//  for the disk is switched between transactions: records wait (`synchronous=FULL`), and carry all before them along,
//  since the log is one; measurements do not (`NORMAL`), and a kill loses none of them, because the kernel has them.
//  Only power can.
//
//  Rejected.  Two connections, one of each kind: they would wait for each other, in one thread. Rollback journals: two
//  syncs a commit. `synchronous=OFF`: a power failure in the middle of a checkpoint breaks the file.
//
//  Always true.  (1) Values are bound, never written into a statement. (2) A statement that was used is reset, so that
//  no read transaction stays open and the log can be cut. (3) The file belongs to its user alone.

import CSQLite
import Glibc
import POSIX
import Primitives

final class SQLiteDatabase: Database {
  /// As long as another program may hold the file: somebody who looks at it by hand, or copies it.
  static let patience = Interval.seconds(5)
  /// In milliseconds: about what the other needs for a write to the disk.
  private static let pause: Int32 = 5

  private let handle: OpaquePointer
  /// By statement; each is compiled when it is first needed.
  private var compiled = [OpaquePointer?](repeating: nil, count: Statement.allCases.count)
  private var durability: Durability?

  private init(_ handle: OpaquePointer) { self.handle = handle }

  deinit {
    for statement in compiled { sqlite3_finalize(statement) }
    sqlite3_close_v2(handle)
  }

  static func open(_ path: String, patience: Interval = SQLiteDatabase.patience) throws(StoreFailure) -> SQLiteDatabase
  {
    let operation = "open \(path)"
    if path.isEmpty || path.utf8.contains(0) { throw StoreFailure(.unreachable, operation, "that is no path") }
    // Made by us, so that only we may read it; the log beside it gets the same rights from SQLite. What exists is not
    // touched: closing it would drop the locks of another connection of this process.
    let made = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if made >= 0 { close(made) }
    var handle: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = sqlite3_open_v2(path, &handle, flags, nil)
    guard let handle else { throw StoreFailure(.unreachable, operation, "out of memory") }
    let database = SQLiteDatabase(handle)
    if code != SQLITE_OK { throw database.failure(operation, code) }
    sqlite3_busy_timeout(handle, Int32(patience.nanoseconds / 1_000_000))
    try database.prepareFile(operation, patience)
    return database
  }

  private func prepareFile(_ operation: String, _ patience: Interval) throws(StoreFailure) {
    // Functions and virtual tables that somebody wrote into the file's schema are not run.
    try execute("PRAGMA trusted_schema=OFF", operation)
    try beginLog(operation, until: MonotonicClock.now + patience)
    // After a flood the log is cut to this.
    try execute("PRAGMA journal_size_limit=67108864", operation)
    var mode: OpaquePointer?
    sqlite3_prepare_v2(handle, "PRAGMA journal_mode", -1, &mode, nil)
    defer { sqlite3_finalize(mode) }
    let isLogging =
      sqlite3_step(mode) == SQLITE_ROW && sqlite3_column_text(mode, 0).map { String(cString: $0) } == "wal"
    if !isLogging {
      throw StoreFailure(.other, operation, "its file system has no shared memory, which a write-ahead log needs")
    }
  }

  /// Of several that open a new file at once, each wants it for itself alone to begin its log. SQLite then says "busy"
  /// at once to those that would wait for each other, whatever their patience: they ask again.
  private func beginLog(_ operation: String, until deadline: Instant) throws(StoreFailure) {
    while true {
      do throws(StoreFailure) {
        return try execute("PRAGMA journal_mode=WAL", operation)
      } catch {
        if error.kind != .busy || MonotonicClock.now >= deadline { throw error }
        _ = poll(nil, 0, SQLiteDatabase.pause)
      }
    }
  }

  // MARK: Transactions

  func begin(_ durability: Durability) throws(StoreFailure) {
    if durability != self.durability {
      self.durability = nil
      switch durability {
      case .full: try execute("PRAGMA synchronous=FULL", "begin")
      case .relaxed: try execute("PRAGMA synchronous=NORMAL", "begin")
      }
      self.durability = durability
    }
    // At once for writing: a transaction that begins with reading may find, when it writes, that it read too early.
    try execute("BEGIN IMMEDIATE", "begin a transaction")
  }

  func commit() throws(StoreFailure) { try execute("COMMIT", "commit") }

  func rollback() {
    if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
  }

  // MARK: Statements

  func run(_ script: Script) throws(StoreFailure) { try execute(script.sqlite, "change the schema") }

  func query(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> [[Value]] {
    let compiled = try compile(statement)
    defer { release(compiled) }
    try bind(values, to: compiled, of: statement)
    var rows: [[Value]] = []
    while true {
      let code = sqlite3_step(compiled)
      if code == SQLITE_DONE { return rows }
      if code != SQLITE_ROW { throw failure(statement.name, code) }
      rows.append((0..<sqlite3_column_count(compiled)).map { column(compiled, $0) })
    }
  }

  func change(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> Int {
    let compiled = try compile(statement)
    defer { release(compiled) }
    try bind(values, to: compiled, of: statement)
    let code = sqlite3_step(compiled)
    if code != SQLITE_DONE { throw failure(statement.name, code) }
    return Int(sqlite3_changes(handle))
  }

  func append(_ rows: [[Value]]) throws(StoreFailure) {
    for row in rows { _ = try change(.addMeasurement, row) }
  }

  private func execute(_ text: StaticString, _ operation: String) throws(StoreFailure) {
    let code = text.withUTF8Buffer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { sqlite3_exec(handle, $0.baseAddress, nil, nil, nil) }
    }
    if code != SQLITE_OK { throw failure(operation, code) }
  }

  private func compile(_ statement: Statement) throws(StoreFailure) -> OpaquePointer {
    if let found = compiled[statement.rawValue] { return found }
    var made: OpaquePointer?
    let text = statement.text
    let code = text.withUTF8Buffer { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        sqlite3_prepare_v3(
          handle, $0.baseAddress, Int32($0.count), UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
      }
    }
    guard code == SQLITE_OK, let made else { throw failure(statement.name, code) }
    // SQLite numbers parameters as it meets them, whatever they are called.
    let count = sqlite3_bind_parameter_count(made)
    precondition(Int(count) == statement.parameters.count, "\(statement.name) has other parameters than it says")
    for index in 1..<(count + 1) {
      let name = sqlite3_bind_parameter_name(made, index).map { String(cString: $0) }
      precondition(name == "$\(index)", "the parameters of \(statement.name) do not appear in order")
    }
    compiled[statement.rawValue] = made
    return made
  }

  private func release(_ statement: OpaquePointer) {
    sqlite3_reset(statement)
    sqlite3_clear_bindings(statement)
  }

  // MARK: Values

  private func bind(_ values: [Value], to compiled: OpaquePointer, of statement: Statement) throws(StoreFailure) {
    precondition(values.count == statement.parameters.count, "\(statement.name) wants another number of values")
    for (offset, value) in values.enumerated() {
      let index = Int32(offset + 1)
      let code =
        switch value {
        case .null: sqlite3_bind_null(compiled, index)
        case .integer(let integer): sqlite3_bind_int64(compiled, index, integer)
        case .text(let text): bind(text, to: compiled, at: index)
        case .bytes(let bytes):
          bytes.withUnsafeBytes { hawser_sqlite_bind_bytes(compiled, index, $0.baseAddress, $0.count) }
        }
      if code != SQLITE_OK { throw failure(statement.name, code) }
    }
  }

  private func bind(_ text: String, to compiled: OpaquePointer, at index: Int32) -> Int32 {
    var text = text
    return text.withUTF8 { hawser_sqlite_bind_text(compiled, index, $0.baseAddress, $0.count) }
  }

  private func column(_ compiled: OpaquePointer, _ index: Int32) -> Value {
    switch sqlite3_column_type(compiled, index) {
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(compiled, index))
    case SQLITE_TEXT:
      guard let start = sqlite3_column_text(compiled, index) else { return .null }
      let count = Int(sqlite3_column_bytes(compiled, index))
      return .text(String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self))
    case SQLITE_BLOB:
      guard let start = sqlite3_column_blob(compiled, index) else { return .bytes([]) }
      let count = Int(sqlite3_column_bytes(compiled, index))
      return .bytes(Array(UnsafeRawBufferPointer(start: start, count: count)))
    default: return .null
    }
  }

  // MARK: Failures

  private func failure(_ operation: String, _ code: Int32) -> StoreFailure {
    let kind: StoreFailure.Kind =
      switch code & 0xff {
      case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_READONLY: .unreachable
      case SQLITE_BUSY, SQLITE_LOCKED: .busy
      case SQLITE_FULL: .full
      case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
      case SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_TOOBIG: .refused
      default: .other
      }
    return StoreFailure(kind, operation, String(cString: sqlite3_errmsg(handle)))
  }
}
