//  Statements.swift — every text of SQL that runs with values.
//
//  They are static strings, which only the compiler can make: no value can get into one, wherever it comes from. Both
//  databases read the same text. Parameters appear in the order of their numbers, since SQLite counts them as it meets
//  them.

enum Statement: Int, CaseIterable, Sendable {
  case schemaVersion, setSchemaVersion
  case counter, advance
  case addMeasurement, measurementsAfter, lastStoredBefore, trim
  case nodes, node, nodeCount, putNode, removeNode
  case sources, source, sourceCount, putSource, removeSource
  case settings, setting, settingCount, putSetting, removeSetting
  case leases, lease, leaseCount, putLease, removeLease, removeLeasesExpiredBefore

  /// For messages.
  var name: String { String(describing: self) }

  var text: StaticString {
    switch self {
    case .schemaVersion: "SELECT version FROM oracle_schema WHERE one = 1"
    case .setSchemaVersion:
      """
      INSERT INTO oracle_schema (one, version) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET version = excluded.version
      """
    case .counter: "SELECT value FROM oracle_counter WHERE name = $1"
    case .advance: "UPDATE oracle_counter SET value = value + $1 WHERE name = $2 RETURNING value"

    case .addMeasurement:
      """
      INSERT INTO oracle_measurement (sequence, stored, oracle, source, origin, target, time, least_delay, loss, rate,
        price, histogram)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      """
    case .measurementsAfter:
      """
      SELECT sequence, stored, oracle, source, origin, target, time, least_delay, loss, rate, price, histogram
      FROM oracle_measurement WHERE sequence > $1 AND sequence <= $2 AND oracle <> $3 ORDER BY sequence LIMIT $4
      """
    case .lastStoredBefore:
      "SELECT sequence FROM oracle_measurement WHERE stored < $1 ORDER BY sequence DESC LIMIT 1"
    case .trim:
      """
      DELETE FROM oracle_measurement
      WHERE sequence IN (SELECT sequence FROM oracle_measurement ORDER BY sequence LIMIT $1)
        AND (stored < $2 OR sequence <= $3)
      """

    case .nodes:
      "SELECT name, version, role, provider, region, price, capacity, addresses FROM oracle_node ORDER BY name"
    case .node:
      "SELECT name, version, role, provider, region, price, capacity, addresses FROM oracle_node WHERE name = $1"
    case .nodeCount: "SELECT count(*) FROM oracle_node"
    case .putNode:
      """
      INSERT INTO oracle_node (name, version, role, provider, region, price, capacity, addresses)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (name) DO UPDATE SET version = excluded.version, role = excluded.role, provider = excluded.provider,
        region = excluded.region, price = excluded.price, capacity = excluded.capacity, addresses = excluded.addresses
      """
    case .removeNode: "DELETE FROM oracle_node WHERE name = $1"

    case .sources: "SELECT name, version, token_hash FROM oracle_source ORDER BY name"
    case .source: "SELECT name, version, token_hash FROM oracle_source WHERE name = $1"
    case .sourceCount: "SELECT count(*) FROM oracle_source"
    case .putSource:
      """
      INSERT INTO oracle_source (name, version, token_hash) VALUES ($1, $2, $3)
      ON CONFLICT (name) DO UPDATE SET version = excluded.version, token_hash = excluded.token_hash
      """
    case .removeSource: "DELETE FROM oracle_source WHERE name = $1"

    case .settings: "SELECT name, version, value FROM oracle_setting ORDER BY name"
    case .setting: "SELECT name, version, value FROM oracle_setting WHERE name = $1"
    case .settingCount: "SELECT count(*) FROM oracle_setting"
    case .putSetting:
      """
      INSERT INTO oracle_setting (name, version, value) VALUES ($1, $2, $3)
      ON CONFLICT (name) DO UPDATE SET version = excluded.version, value = excluded.value
      """
    case .removeSetting: "DELETE FROM oracle_setting WHERE name = $1"

    case .leases: "SELECT name, version, holder, expires, value FROM oracle_lease ORDER BY name"
    case .lease: "SELECT name, version, holder, expires, value FROM oracle_lease WHERE name = $1"
    case .leaseCount: "SELECT count(*) FROM oracle_lease"
    case .putLease:
      """
      INSERT INTO oracle_lease (name, version, holder, expires, value) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (name) DO UPDATE SET version = excluded.version, holder = excluded.holder, expires = excluded.expires,
        value = excluded.value
      """
    case .removeLease: "DELETE FROM oracle_lease WHERE name = $1"
    case .removeLeasesExpiredBefore: "DELETE FROM oracle_lease WHERE expires < $1"
    }
  }

  var parameters: [Value.Kind] {
    switch self {
    case .schemaVersion, .nodes, .nodeCount, .sources, .sourceCount, .settings, .settingCount, .leases, .leaseCount: []
    case .setSchemaVersion, .lastStoredBefore, .removeLeasesExpiredBefore: [.integer]
    case .counter, .node, .removeNode, .source, .removeSource, .setting, .removeSetting, .lease, .removeLease: [.text]
    case .advance: [.integer, .text]
    case .addMeasurement:
      [
        .integer, .integer, .text, .text, .text, .text, .integer, .integer, .integer, .integer, .integer, .bytes,
      ]
    case .measurementsAfter: [.integer, .integer, .text, .integer]
    case .trim: [.integer, .integer, .integer]
    case .putNode: [.text, .integer, .text, .text, .text, .integer, .integer, .text]
    case .putSource: [.text, .integer, .text]
    case .putSetting: [.text, .integer, .bytes]
    case .putLease: [.text, .integer, .text, .integer, .bytes]
    }
  }
}

/// Numbers that only grow, whoever counts. Whoever advances one holds it until the end of his transaction: so what was
/// numbered earlier is seen earlier, and a reader who has seen a number has seen all before it.
enum Counter: String, Sendable {
  case measurement, configuration, lease
}

/// A table of things with names, small enough to be read whole.
struct Table: Sendable {
  let all, one, count, put, remove: Statement
  let counter: Counter
  /// Rows.
  let bound: Int
  /// For messages.
  let name: String

  static let nodes = Table(
    all: .nodes, one: .node, count: .nodeCount, put: .putNode, remove: .removeNode, counter: .configuration,
    bound: 10_000, name: "nodes")
  static let sources = Table(
    all: .sources, one: .source, count: .sourceCount, put: .putSource, remove: .removeSource, counter: .configuration,
    bound: 10_000, name: "sources")
  /// One for each node, and a thousand others.
  static let settings = Table(
    all: .settings, one: .setting, count: .settingCount, put: .putSetting, remove: .removeSetting,
    counter: .configuration, bound: 11_000, name: "settings")
  static let leases = Table(
    all: .leases, one: .lease, count: .leaseCount, put: .putLease, remove: .removeLease, counter: .lease,
    bound: 100_000, name: "leases")
}
