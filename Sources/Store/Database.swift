//  Database.swift — what the store asks of a database: values in, values out, and nothing that could be a text of SQL.

enum Value: Equatable, Sendable {
  case null
  case integer(Int64)
  case text(String)
  case bytes([UInt8])

  enum Kind: Sendable { case integer, text, bytes }

  init(_ integer: Int64?) { self = integer.map { Value.integer($0) } ?? .null }

  var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  var text: String? { if case .text(let value) = self { value } else { nil } }
  var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
}

/// What a transaction that was committed may still lose.
enum Durability: Sendable {
  /// Nothing.
  case full
  /// The newest, when the machine or the database's server dies; nothing when only we die.
  case relaxed
}

/// Both forms of the same step, several statements each.
struct Script: Sendable {
  let sqlite: StaticString
  let postgres: StaticString
}

/// One connection. Every call waits for its answer, within the connection's patience. A call that throws has changed
/// nothing for good: inside a transaction the caller rolls back.
protocol Database: AnyObject {
  func begin(_ durability: Durability) throws(StoreFailure)
  func commit() throws(StoreFailure)
  /// Whatever happened, the transaction is over.
  func rollback()
  func run(_ script: Script) throws(StoreFailure)
  func query(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> [[Value]]
  /// How many rows it changed.
  func change(_ statement: Statement, _ values: [Value]) throws(StoreFailure) -> Int
  /// Rows of measurements, in the order of `Statement.addMeasurement`.
  func append(_ rows: [[Value]]) throws(StoreFailure)
}
