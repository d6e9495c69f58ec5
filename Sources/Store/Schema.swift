//  Schema.swift — the tables, as the steps that led to them.
//
//  Why.  A database outlives the release that made it. A release brings what it finds up to date, and leaves alone what
//  a later one has made.
//
//  How.  The database says how many steps it has taken. All that are missing are taken in one transaction, together
//  with that number: a kill in the middle has changed nothing. When several oracles start at once, the first one does
//  it and the others wait. A step that was released is never changed; a change is a step of its own at the end.
//
//  Integers are signed and have 64 bits in both databases. Times are nanoseconds since 1970, delays nanoseconds, loss
//  parts in a billion, rates bits per second, prices millionths of the operator's currency for a gigabyte. Names sort
//  by their bytes, whatever language the server was set up for.

enum Schema {
  /// Before anything is asked: nobody else changes the schema now, and there is a place for its version.
  static let entry = Script(
    sqlite: """
      CREATE TABLE IF NOT EXISTS oracle_schema (one INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
      """,
    postgres: """
      SELECT pg_advisory_xact_lock(7524336051);
      CREATE TABLE IF NOT EXISTS oracle_schema (one BIGINT PRIMARY KEY, version BIGINT NOT NULL);
      """)

  static let steps = [measurements, records]

  private static let measurements = Script(
    sqlite: """
      CREATE TABLE oracle_counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO oracle_counter (name, value) VALUES ('measurement', 0), ('configuration', 0), ('lease', 0);
      CREATE TABLE oracle_measurement (
        sequence INTEGER PRIMARY KEY, stored INTEGER NOT NULL, oracle TEXT NOT NULL,
        source TEXT NOT NULL, origin TEXT NOT NULL, target TEXT NOT NULL, time INTEGER NOT NULL,
        least_delay INTEGER, loss INTEGER, rate INTEGER, price INTEGER, histogram BLOB NOT NULL) STRICT;
      """,
    postgres: """
      CREATE TABLE oracle_counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
      INSERT INTO oracle_counter (name, value) VALUES ('measurement', 0), ('configuration', 0), ('lease', 0);
      CREATE TABLE oracle_measurement (
        sequence BIGINT PRIMARY KEY, stored BIGINT NOT NULL, oracle TEXT NOT NULL,
        source TEXT NOT NULL, origin TEXT NOT NULL, target TEXT NOT NULL, time BIGINT NOT NULL,
        least_delay BIGINT, loss BIGINT, rate BIGINT, price BIGINT, histogram BYTEA NOT NULL);
      """)

  private static let records = Script(
    sqlite: """
      CREATE TABLE oracle_node (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, role TEXT NOT NULL, provider TEXT NOT NULL,
        region TEXT NOT NULL, price INTEGER, capacity INTEGER, addresses TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE oracle_source (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, token_hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE oracle_setting (
        name TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
      CREATE TABLE oracle_lease (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, holder TEXT NOT NULL, expires INTEGER NOT NULL,
        value BLOB NOT NULL) STRICT, WITHOUT ROWID;
      """,
    postgres: """
      CREATE TABLE oracle_node (
        name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL, role TEXT NOT NULL, provider TEXT NOT NULL,
        region TEXT NOT NULL, price BIGINT, capacity BIGINT, addresses TEXT NOT NULL);
      CREATE TABLE oracle_source (
        name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL, token_hash TEXT NOT NULL);
      CREATE TABLE oracle_setting (
        name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL, value BYTEA NOT NULL);
      CREATE TABLE oracle_lease (
        name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL, holder TEXT NOT NULL, expires BIGINT NOT NULL,
        value BYTEA NOT NULL);
      """)

  /// Takes the steps that are missing, up to `target`.
  static func migrate(_ database: any Database, to target: Int = steps.count) throws(StoreFailure) {
    let operation = "bring the database up to date"
    try database.begin(.full)
    do throws(StoreFailure) {
      try database.run(entry)
      let version = try database.query(.schemaVersion, []).first?.first?.integer ?? 0
      guard version >= 0 else { throw StoreFailure(.damaged, operation, "its version is \(version)") }
      if version > steps.count {
        throw StoreFailure(
          .newer, operation, "it has version \(version), and this release knows versions up to \(steps.count)")
      }
      if version < target {
        for step in steps[Int(version)..<target] { try database.run(step) }
        _ = try database.change(.setSchemaVersion, [.integer(Int64(target))])
      }
      try database.commit()
    } catch {
      database.rollback()
      throw error
    }
  }
}
