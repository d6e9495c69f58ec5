//  OracleStore.swift — what an oracle must still know after it was killed, and what several oracles know together.
//
//  Why.  An oracle that starts again would otherwise know no path for minutes, and would grant what another one has
//  granted. And a fleet asks whichever oracle is near, so all must know what was told to one.
//
//  How.  One database behind one interface: a file of SQLite for a single oracle, PostgreSQL for several
//  (decision 0021). What is kept is of two kinds:
//
//      measurements   many, each worth little       they wait here, and go as two transactions a second, unsynced
//      records        few, each a promise           a transaction each, on the disk before the call returns:
//                     (nodes, sources, settings,    `Records.swift`
//                     leases)
//
//         append ──► │ 1 │ 2 │ 3 │ … │  ──── after 400 ms, or 10,000 ───────►  sequence 41, 42, 43 …
//                     waiting, ≤ 65,536 rows, ≤ 32 MiB                            ▲          │
//                     (the oldest give way)                   oldest are trimmed ─┘          └─► other oracles poll
//
//  All oracles number their measurements with one counter in the database, and whoever advances it holds it until his
//  transaction ends. So numbers become visible in their order, and a poll for "after 42" misses nothing. A sequence
//  of PostgreSQL would hand out 42 and 43 to two oracles of which the second may commit first; who polled in between
//  would never see 42.
//
//  Always true.  (1) What `append` took waits for `patience` at most, while the database answers and `expire` is called
//  at `deadline`. (2) A batch is stored whole or not at all. (3) A record is on the disk when its call returns.
//  (4) A kill at any moment loses only what waited. (5) Rows are at most `retention.count` plus one batch. A
//  measurement older than `retention.age` goes as new ones come, twice as fast as they do.
//
//  What it does not promise: when the machine loses its power, SQLite may lose the measurements that the kernel had not
//  yet written, half a minute of them; PostgreSQL's server loses less than a second. When a connection breaks during a
//  commit, nobody knows whether it was done, and the batch is sent again: a measurement may be there twice, and the map
//  takes the newest of each source anyway.
//
//  Not here.  What measurements mean. A call waits for the disk or the server, up to some seconds: give the store a
//  thread of its own. Times count from 1970, so that they outlive the process.

public import Primitives

public final class OracleStore {
  public enum Place: Equatable, Sendable {
    /// SQLite, made if it is not there.
    case file(String)
    /// PostgreSQL: `host=… dbname=…` or `postgresql://…`, as psql takes it.
    case server(String)
  }

  /// How long measurements are kept, and how many.
  public struct Retention: Equatable, Sendable {
    /// The map forgets within minutes; a day is for people who ask what happened last night.
    public var age: Interval = .seconds(86_400)
    /// Some 200 MB. A thousand gateways that report ten paths every ten seconds fill it in 17 minutes.
    public var count = 1_000_000

    public init() {}
  }

  public enum Appending: Equatable, Sendable {
    case waiting
    case refused(Defect)
  }

  public struct Counters: Equatable, Sendable {
    public var waited: UInt64 = 0
    public var refused: UInt64 = 0
    /// Gave way to newer ones while the database did not answer, or was not accepted by it.
    public var dropped: UInt64 = 0
    public var stored: UInt64 = 0
    /// Because of their age, or because there were too many.
    public var trimmed: UInt64 = 0
    /// Read, and not understood.
    public var unreadable: UInt64 = 0
    /// Transactions that did not come to their end.
    public var failures: UInt64 = 0
    public var changes: UInt64 = 0
    /// Changes that were not made, since something else was expected there, or somebody else holds the lease.
    public var conflicts: UInt64 = 0
    public var refusedRecords: UInt64 = 0
    public var beyondBound: UInt64 = 0
  }

  private struct Waiting {
    let measurement: MeasurementRow
    let stored: Instant
    /// About what it takes in memory.
    var size: Int { 256 + measurement.histogram.count }
  }

  /// A kill may lose a second. This is less than half of it, since whoever calls us does so now and then, and a
  /// transaction takes its time too. Longer saves little: two transactions a second are nothing for either database.
  static let patience = Interval.milliseconds(400)
  /// After a failure.
  static let pause = Interval.seconds(1)
  /// So a transaction takes some tenths of a second at most, and other oracles do not wait longer for the counter.
  static let batchBound = 10_000
  /// PostgreSQL gets a copy of this size.
  static let batchBytes = 8 << 20
  /// While the database is away. Six seconds of ten thousand a second, a minute of a thousand.
  static let waitingBound = 65_536
  static let waitingBytes = 32 << 20
  /// For leases that nobody renews, and for measurements when none come that would push old ones out.
  static let tidying = Interval.seconds(600)
  /// How long an expired lease can still be looked at.
  static let leaseAfterlife = Interval.seconds(86_400)

  public let oracle: String
  public let retention: Retention
  public internal(set) var counters = Counters()
  let database: any Database
  private var waiting: [Waiting] = []
  private var waitingSize = 0
  /// When the first of them came.
  private var since = Instant.zero
  /// After a failure, not before this.
  private var retryAt = Instant.zero
  private var tidyAt: Instant
  /// Inside `together`.
  private var isTogether = false

  /// Opens what is there, brings its schema up to date, or makes it. `oracle` is a name that no other oracle of this
  /// database has.
  public static func open(
    _ place: Place, as oracle: String, keeping retention: Retention = Retention(), at now: Instant
  ) throws(StoreFailure) -> OracleStore {
    guard Checks.isName(oracle), retention.age > .zero, retention.count > 0 else {
      throw StoreFailure(
        .refused, "open the store", "an oracle's name has 1 to 64 visible characters, and it keeps something")
    }
    let database: any Database =
      switch place {
      case .file(let path): try SQLiteDatabase.open(path)
      case .server(let parameters): try PostgresDatabase.open(parameters)
      }
    try Schema.migrate(database)
    return OracleStore(database, as: oracle, keeping: retention, at: now)
  }

  init(_ database: any Database, as oracle: String, keeping retention: Retention = Retention(), at now: Instant) {
    (self.database, self.oracle, self.retention) = (database, oracle, retention)
    tidyAt = now + OracleStore.tidying
  }

  // MARK: In

  public func append(_ measurement: MeasurementRow, at now: Instant) -> Appending {
    if let defect = measurement.defect {
      counters.refused += 1
      return .refused(defect)
    }
    let new = Waiting(measurement: measurement, stored: now)
    if waiting.count >= OracleStore.waitingBound || waitingSize + new.size > OracleStore.waitingBytes {
      forget(waiting.count / 8 + 1)
    }
    // A clock that was set back would let it wait until it has caught up.
    if waiting.isEmpty || now < since { since = now }
    waiting.append(new)
    waitingSize += new.size
    counters.waited += 1
    return .waiting
  }

  private func forget(_ count: Int) {
    counters.dropped += UInt64(remove(count))
  }

  private func remove(_ count: Int) -> Int {
    let count = min(count, waiting.count)
    for row in waiting[..<count] { waitingSize -= row.size }
    waiting.removeFirst(count)
    return count
  }

  // MARK: Time

  /// When to call `expire`.
  public var deadline: Instant {
    if waiting.isEmpty { return max(tidyAt, retryAt) }
    let due = waiting.count >= OracleStore.batchBound ? since : since + OracleStore.patience
    return max(min(due, tidyAt), retryAt)
  }

  /// Stores what has waited long enough. When that fails, everything still waits, and `deadline` says when to try
  /// again.
  public func expire(at now: Instant) throws(StoreFailure) {
    // Clocks that count from 1970 are set back sometimes; then everything is due.
    let isBack = now < since || now + OracleStore.tidying < tidyAt || now + OracleStore.pause < retryAt
    if !isBack && now < deadline { return }
    if now < since { since = now }
    if now >= tidyAt || isBack {
      try attempt(at: now) { () throws(StoreFailure) in try tidy(at: now) }
      tidyAt = now + OracleStore.tidying
    }
    if !waiting.isEmpty && (isBack || waiting.count >= OracleStore.batchBound || now >= since + OracleStore.patience) {
      try flush(at: now)
    }
  }

  /// Stores all that waits, now: before an orderly end.
  public func flush(at now: Instant) throws(StoreFailure) {
    while !waiting.isEmpty {
      let count = batchCount
      try attempt(at: now) { () throws(StoreFailure) in
        do throws(StoreFailure) {
          try store(waiting[..<count], at: now)
        } catch {
          // Again and again the same answer, and nothing behind it would ever be stored.
          if error.kind == .refused { forget(count) }
          throw error
        }
      }
      counters.stored += UInt64(remove(count))
      since = now
    }
  }

  /// How many of those that wait go next.
  private var batchCount: Int {
    var size = 0
    for (index, row) in waiting.prefix(OracleStore.batchBound).enumerated() {
      size += row.size
      if size > OracleStore.batchBytes { return index }
    }
    return min(waiting.count, OracleStore.batchBound)
  }

  private func attempt(at now: Instant, _ body: () throws(StoreFailure) -> Void) throws(StoreFailure) {
    do throws(StoreFailure) {
      try body()
      retryAt = .zero
    } catch {
      retryAt = now + OracleStore.pause
      throw error
    }
  }

  private func store(_ batch: ArraySlice<Waiting>, at now: Instant) throws(StoreFailure) {
    let trimmed = try transaction(.relaxed) { () throws(StoreFailure) -> (Int, Bool) in
      let last = try advance(.measurement, by: batch.count)
      var sequence = last - Int64(batch.count)
      let rows = batch.map { row in
        sequence += 1
        return row.measurement.values(sequence: sequence, stored: row.stored, oracle: oracle)
      }
      try database.append(rows)
      return (try trim(atMost: 2 * batch.count + 1_000, last: last, at: now), true)
    }
    counters.trimmed += UInt64(trimmed)
  }

  private func tidy(at now: Instant) throws(StoreFailure) {
    let dead = Value(earlier(now, by: OracleStore.leaseAfterlife))
    let trimmed = try transaction(.relaxed) { () throws(StoreFailure) -> (Int, Bool) in
      let last = try advance(.measurement, by: 0)
      _ = try database.change(.removeLeasesExpiredBefore, [dead])
      return (try trim(atMost: OracleStore.batchBound, last: last, at: now), true)
    }
    counters.trimmed += UInt64(trimmed)
  }

  /// Looks at the oldest rows, and removes those that are too old or too many.
  private func trim(atMost count: Int, last: Int64, at now: Instant) throws(StoreFailure) -> Int {
    try database.change(
      .trim,
      [.integer(Int64(count)), Value(earlier(now, by: retention.age)), .integer(last - Int64(retention.count))])
  }

  private func earlier(_ now: Instant, by interval: Interval) -> Instant {
    now.nanoseconds > UInt64(interval.nanoseconds) ? now - interval : .zero
  }

  // MARK: Out

  public struct Page: Equatable, Sendable {
    public var measurements: [StoredMeasurement]
    /// Ask for what comes after this next time.
    public var last: UInt64
  }

  /// Measurements that came after `sequence`, in order. Without `includingOurs` only those of other oracles: who stored
  /// one knows it already. There may be more when the page is full.
  public func measurements(
    after sequence: UInt64, atMost count: Int, includingOurs: Bool = false
  ) throws(StoreFailure) -> Page {
    precondition(count > 0, "a page has room for at least one")
    // Read first: rows up to here can be seen by now, and none of them appears later.
    let last = try value(of: .measurement)
    // Behind the end: the database was replaced by an older one. The reader goes on from where it stands now.
    guard sequence < last else { return Page(measurements: [], last: last) }
    let rows = try database.query(
      .measurementsAfter,
      [Value(sequence), Value(last), .text(includingOurs ? "" : oracle), .integer(Int64(count))])
    let measurements = rows.compactMap(StoredMeasurement.init)
    counters.unreadable += UInt64(rows.count - measurements.count)
    let end = rows.count < count ? last : rows.last?.first?.number ?? last
    return Page(measurements: measurements, last: end)
  }

  /// Where to begin, to read what was stored since this time.
  public func position(storedSince time: Instant) throws(StoreFailure) -> UInt64 {
    try database.query(.lastStoredBefore, [Value(time)]).first?.first?.number ?? 0
  }

  // MARK: Transactions

  /// Changes that `body` makes are one: all of them are on the disk when this returns, or none is there when it throws.
  /// A thousand records then wait for the disk once. Inside, a change that meets something else is no reason to end: it
  /// is told, and the others go on. Measurements wait outside.
  public func together(_ body: () throws(StoreFailure) -> Void) throws(StoreFailure) {
    precondition(!isTogether, "changes are already together")
    try transaction(.full) { () throws(StoreFailure) -> (Void, Bool) in
      isTogether = true
      defer { isTogether = false }
      try body()
      return ((), true)
    }
  }

  /// Runs `body` as one transaction, and keeps what it did if it says so.
  func transaction<Result>(
    _ durability: Durability, _ body: () throws(StoreFailure) -> (Result, Bool)
  ) throws(StoreFailure) -> Result {
    // What is not kept has written nothing but its version, which nobody gets now.
    if isTogether { return try body().0 }
    do throws(StoreFailure) {
      try database.begin(durability)
      let (result, isKept) = try body()
      if isKept { try database.commit() } else { database.rollback() }
      return result
    } catch {
      database.rollback()
      counters.failures += 1
      throw error
    }
  }

  /// The counter's new value; it is ours until the transaction ends.
  func advance(_ counter: Counter, by count: Int = 1) throws(StoreFailure) -> Int64 {
    let rows = try database.query(.advance, [.integer(Int64(count)), .text(counter.rawValue)])
    guard let value = rows.first?.first?.integer, value >= 0 else {
      throw StoreFailure(.damaged, "count", "the counter \(counter.rawValue) is missing")
    }
    return value
  }

  func value(of counter: Counter) throws(StoreFailure) -> UInt64 {
    guard let value = try database.query(.counter, [.text(counter.rawValue)]).first?.first?.number else {
      throw StoreFailure(.damaged, "count", "the counter \(counter.rawValue) is missing")
    }
    return value
  }
}
