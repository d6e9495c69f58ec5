//  Databases.swift — empty databases for tests: a file, or a database in a server of PostgreSQL that the tests start.
//
//  The server lives in a folder of its own, is reached over a Unix socket there, and runs as the user postgres, because
//  it refuses root. It is started when the first test asks for it, stopped when the tests end, and dies with
//  them when they are killed.

import CPostgres
import Foundation
import Glibc
import Lab
import Primitives
import Synchronization
import Testing

@testable import Store

/// Which database a test runs on.
enum Kind: String, CaseIterable, CustomTestStringConvertible {
  case sqlite, postgres

  static let installed: [Kind] = Server.programs == nil ? [.sqlite] : [.sqlite, .postgres]
  var testDescription: String { rawValue }
}

/// An empty database.
final class Base: Sendable {
  let place: OracleStore.Place

  init(_ kind: Kind) throws {
    switch kind {
    case .sqlite: place = .file(try Folder().path + "/oracle.db")
    case .postgres: place = .server(try Server.shared.get().makeDatabase())
    }
  }

  /// One that somebody else has made.
  init(in parameters: String) { place = .server(parameters) }

  func store(
    as oracle: String = "first", keeping retention: OracleStore.Retention = .init(), at now: Instant = noon
  ) throws -> OracleStore {
    try OracleStore.open(place, as: oracle, keeping: retention, at: now)
  }

  /// A bare connection.
  func database(patience: Interval = .seconds(5)) throws -> any Database {
    switch place {
    case .file(let path): try SQLiteDatabase.open(path, patience: patience)
    case .server(let parameters): try PostgresDatabase.open(parameters, patience: patience)
    }
  }

  /// Arguments of StoreWriter.
  var words: [String] {
    switch place {
    case .file(let path): ["file", path]
    case .server(let parameters): ["server", parameters]
    }
  }
}

/// A time that an oracle could live in: 14 July 2026, 12:00.
let noon = Instant(nanoseconds: 1_784_030_400_000_000_000)

/// A folder of its own, gone when the tests are: an open database outlives the last mention of its folder.
struct Folder {
  let path: String

  private static let made = Mutex<[String]>([])
  private static let cleaning: Void = {
    atexit { for path in Folder.made.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: path) } }
  }()

  init() throws {
    var name = Array("/tmp/hawser-store.XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw Trouble("no folder in /tmp") }
    let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    self.path = path
    _ = Folder.cleaning
    Folder.made.withLock { $0.append(path) }
  }
}

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// PostgreSQL's server, in a folder of its own.
final class Server: Sendable {
  /// Where Debian puts the newest server's programs; nil when it is not installed.
  static let programs: String? = {
    let root = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    let newest = versions.compactMap { Int($0) }.max().map { "\(root)/\($0)/bin" }
    return newest.flatMap { access($0 + "/initdb", X_OK) == 0 && access($0 + "/postgres", X_OK) == 0 ? $0 : nil }
  }()

  static let shared: Result<Server, any Error> = Result {
    let server = try Server()
    try server.start()
    atexit { if case .success(let server) = Server.shared { server.end() } }
    return server
  }

  private let folder: Folder
  private let running = Mutex<Running?>(nil)
  private let number = Atomic<Int>(0)

  /// Whoever starts or ends a server has it for himself: the tests share only its address.
  private struct Running: @unchecked Sendable {
    let child: ChildProcess
  }

  init() throws {
    guard let programs = Server.programs else { throw Trouble("PostgreSQL's server is not installed") }
    folder = try Folder()
    if geteuid() == 0 {
      guard let user = getpwnam("postgres"), chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
        throw Trouble("there is no user postgres")
      }
    }
    let made = try Server.spawn(
      ["\(programs)/initdb", "-D", "\(folder.path)/data", "-U", "hawser", "-A", "trust", "-E", "UTF8", "--locale=C"],
      signal: "KILL", isQuiet: false
    ).collect(atMost: .seconds(120))
    guard made.status == .exited(0) else { throw Trouble("initdb: \(made.errorText)") }
  }

  private static func spawn(_ command: [String], signal: String, isQuiet: Bool) throws -> ChildProcess {
    var options = ChildProcess.Options()
    options.environment = ["LC_ALL": "C"]
    if isQuiet { (options.output, options.errorOutput) = (.null, .null) }
    let user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=\(signal)"]
    return try ChildProcess.spawn((geteuid() == 0 ? user : []) + command, options: options)
  }

  func start() throws {
    guard let programs = Server.programs else { throw Trouble("PostgreSQL's server is not installed") }
    // SIGQUIT is its word for "at once": it and all its children end.
    let child = try Server.spawn(
      ["\(programs)/postgres", "-D", "\(folder.path)/data", "-k", folder.path, "-h", ""], signal: "QUIT",
      isQuiet: true)
    let server = Running(child: child)
    running.withLock { $0 = server }
    for _ in 0..<1_200 {
      if PQping(parameters(database: "postgres")) == PQPING_OK { return }
      if !child.isRunning { throw Trouble("the server has ended: \(child.wait().map { "\($0)" } ?? "")") }
      _ = poll(nil, 0, 50)
    }
    throw Trouble("the server does not answer")
  }

  /// As a power failure would, but for the disk.
  func crash() {
    let server = running.withLock { $0 }
    server?.child.send(signal: SIGQUIT)
    _ = server?.child.wait(atMost: .seconds(30))
  }

  func end() {
    crash()
    try? FileManager.default.removeItem(atPath: folder.path)
  }

  func parameters(database: String) -> String { "host=\(folder.path) user=hawser dbname=\(database)" }

  func makeDatabase() throws -> String {
    let name = "test\(number.add(1, ordering: .relaxed).newValue)"
    guard let connection = PQconnectdb(parameters(database: "postgres")) else { throw Trouble("out of memory") }
    defer { PQfinish(connection) }
    let result = PQexec(connection, "CREATE DATABASE \(name)")
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw Trouble(String(cString: PQerrorMessage(connection))) }
    return parameters(database: name)
  }
}

enum Threads {
  /// Runs a body on as many threads at once and waits for all of them.
  static func perform(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for index in 0..<count {
      group.enter()
      Thread.detachNewThread {
        body(index)
        group.leave()
      }
    }
    group.wait()
  }
}
