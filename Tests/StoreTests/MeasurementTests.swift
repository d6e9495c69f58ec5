import CSQLite
import Primitives
import Testing

@testable import Store

@Suite struct `What was measured` {
  @Test(arguments: Kind.installed)
  func `comes back as it was, whatever its numbers and bytes`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    let seed: UInt64 = 20
    var random = SeededRandom(seed: seed)
    var rows = (0..<500).map { _ in anyMeasurement(&random) }
    rows.append(
      MeasurementRow(
        source: "';DROP/**/TABLE/**/oracle_measurement;--", origin: "$1", target: "\\'\"%_", time: .zero,
        leastDelay: Interval(nanoseconds: .min), loss: .always, rate: BitRate(bitsPerSecond: UInt64(Int64.max)),
        price: UInt64(Int64.max), histogram: [UInt8](0...255) + [UInt8](repeating: 0, count: 3_840)))
    rows.append(
      MeasurementRow(source: "a", origin: "b", target: "c", time: Instant(nanoseconds: UInt64(Int64.max))))
    for row in rows { #expect(store.append(row, at: noon) == .waiting) }
    try store.flush(at: noon)

    let page = try store.measurements(after: 0, atMost: 1_000, includingOurs: true)
    #expect(page.measurements.map(\.measurement) == rows, "seed \(seed)")
    #expect(page.measurements.map(\.sequence) == (1...UInt64(rows.count)).map { $0 })
    #expect(page.measurements.allSatisfy { $0.stored == noon && $0.oracle == "first" })
    #expect(page.last == UInt64(rows.count))
    #expect(store.counters.stored == UInt64(rows.count) && store.counters.unreadable == 0)
    // And it is all still there for the next process.
    let again = try base.store(as: "first")
    #expect(try again.measurements(after: 0, atMost: 1_000, includingOurs: true) == page)
  }

  @Test(arguments: Kind.installed)
  func `what a source may not send is refused, and takes nothing else along`(kind: Kind) throws {
    let store = try Base(kind).store()
    func row(_ name: String, histogram: Int = 0, price: UInt64? = nil) -> MeasurementRow {
      MeasurementRow(
        source: "s", origin: name, target: "t", time: noon, price: price,
        histogram: [UInt8](repeating: 7, count: histogram))
    }
    let long = String(repeating: "x", count: 64)
    #expect(store.append(row(long, histogram: 4_096), at: noon) == .waiting)
    for name in ["", long + "x", "a b", "a\u{0}b", "é", "a\n", "\u{7f}"] {
      #expect(store.append(row(name), at: noon) == .refused(.name), "\(name)")
    }
    #expect(store.append(row("a", histogram: 4_097), at: noon) == .refused(.length))
    #expect(store.append(row("a", price: .max), at: noon) == .refused(.number))
    try store.flush(at: noon)
    #expect(store.counters.stored == 1 && store.counters.refused == 9)
  }

  @Test(arguments: Kind.installed)
  func `waits for less than half a second, and not at all when there is much of it`(kind: Kind) throws {
    let store = try Base(kind).store()
    #expect(store.deadline == noon + .seconds(600))
    _ = store.append(plain(1), at: noon)
    _ = store.append(plain(2), at: noon + .milliseconds(300))
    #expect(store.deadline == noon + .milliseconds(400))
    try store.expire(at: noon + .milliseconds(399))
    #expect(store.counters.stored == 0)
    try store.expire(at: noon + .milliseconds(400))
    #expect(store.counters.stored == 2)

    let later = noon + .seconds(5)
    for number in 0..<10_000 { _ = store.append(plain(number), at: later) }
    #expect(store.deadline <= later)
    try store.expire(at: later)
    #expect(store.counters.stored == 10_002)
  }

  @Test(arguments: Kind.installed)
  func `a clock that is set back by a year delays nothing`(kind: Kind) throws {
    let store = try Base(kind).store()
    let before = noon - .seconds(31_536_000)
    _ = store.append(plain(1), at: noon)
    try store.expire(at: before)
    #expect(store.counters.stored == 1)
    _ = store.append(plain(2), at: before)
    #expect(store.deadline == before + .milliseconds(400))
    try store.expire(at: before + .milliseconds(400))
    #expect(store.counters.stored == 2)
  }

  @Test(arguments: Kind.installed)
  func `there is never more of it than was asked for, and the newest stays`(kind: Kind) throws {
    var retention = OracleStore.Retention()
    retention.count = 1_000
    let store = try Base(kind).store(keeping: retention)
    for batch in 0..<20 {
      let now = noon + .seconds(Int64(batch))
      for number in 0..<250 { _ = store.append(plain(batch * 250 + number), at: now) }
      try store.flush(at: now)
      let kept = try store.measurements(after: 0, atMost: 10_000, includingOurs: true).measurements
      #expect(kept.count <= 1_000)
      #expect(kept.last?.measurement == plain(batch * 250 + 249))
    }
    #expect(store.counters.trimmed == 4_000)
  }

  @Test(arguments: Kind.installed)
  func `what is too old goes, also when nothing new comes`(kind: Kind) throws {
    var retention = OracleStore.Retention()
    retention.age = .seconds(3_600)
    let store = try Base(kind).store(keeping: retention)
    for minute in 0..<90 {
      _ = store.append(plain(minute), at: noon + .seconds(60 * Int64(minute)))
      try store.flush(at: noon + .seconds(60 * Int64(minute)))
    }
    let kept = try store.measurements(after: 0, atMost: 1_000, includingOurs: true).measurements
    // An hour before the last one, that one included.
    #expect(kept.map(\.measurement) == (29..<90).map { plain($0) })
    try store.expire(at: noon + .seconds(86_400))
    #expect(try store.measurements(after: 0, atMost: 1_000, includingOurs: true).measurements.isEmpty)
    #expect(store.counters.trimmed == 90)
  }

  @Test(arguments: Kind.installed)
  func `an oracle that starts finds where the last minutes begin`(kind: Kind) throws {
    let store = try Base(kind).store()
    #expect(try store.position(storedSince: noon) == 0)
    for second in 0..<100 {
      let now = noon + .seconds(Int64(second))
      _ = store.append(plain(second), at: now)
      try store.flush(at: now)
    }
    let position = try store.position(storedSince: noon + .seconds(70))
    let recent = try store.measurements(after: position, atMost: 1_000, includingOurs: true).measurements
    #expect(recent.map(\.measurement) == (70..<100).map { plain($0) })
    #expect(try store.position(storedSince: noon + .seconds(1_000)) == 100)
  }

  @Test(arguments: Kind.installed)
  func `what cannot be read is counted and left out`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    let bare = try base.database()
    let good = plain(1).values(sequence: 1, stored: noon, oracle: "other")
    var rows = [good]
    for (column, value) in [(3, Value.text("")), (6, .integer(-1)), (8, .integer(1_000_000_001)), (9, .integer(0))] {
      var bad = good
      bad[0] = .integer(Int64(rows.count + 1))
      bad[column] = value
      rows.append(bad)
    }
    try bare.begin(.relaxed)
    _ = try bare.query(.advance, [.integer(Int64(rows.count)), .text("measurement")])
    try bare.append(rows)
    try bare.commit()
    let page = try store.measurements(after: 0, atMost: 100)
    #expect(page.measurements.map(\.measurement) == [plain(1)] && page.last == 5)
    #expect(store.counters.unreadable == 4)
  }
}

@Suite struct `A database that is away` {
  @Test func `costs the oldest measurements when there are too many, and nothing else`() throws {
    let base = try Base(.sqlite)
    let store = OracleStore(try base.database(patience: .milliseconds(1)), as: "first", at: noon)
    try Schema.migrate(store.database)
    let other = try base.database()
    try other.begin(.full)

    for number in 0..<70_000 { _ = store.append(plain(number), at: noon) }
    #expect(throws: StoreFailure.self) { try store.expire(at: noon + .seconds(1)) }
    #expect(store.counters.failures == 1 && store.counters.stored == 0)
    // It is tried again a second later, and not sooner.
    #expect(store.deadline == noon + .seconds(2))
    try store.expire(at: noon + .milliseconds(1_500))
    #expect(store.counters.failures == 1)

    other.rollback()
    try store.expire(at: noon + .seconds(2))
    let dropped = Int(store.counters.dropped)
    #expect(dropped > 0 && dropped <= 8_193)
    #expect(store.counters.stored == UInt64(70_000 - dropped))
    let page = try store.measurements(after: 0, atMost: 100_000, includingOurs: true)
    #expect(page.measurements.map(\.measurement) == (dropped..<70_000).map { plain($0) })
  }

  @Test func `holds no more memory than was promised`() throws {
    let store = try Base(.sqlite).store()
    let large = MeasurementRow(
      source: "s", origin: "a", target: "b", time: noon, histogram: [UInt8](repeating: 1, count: 4_096))
    for _ in 0..<20_000 { _ = store.append(large, at: noon) }
    try store.flush(at: noon)
    #expect(store.counters.stored <= UInt64((32 << 20) / 4_352))
    #expect(store.counters.stored + store.counters.dropped == 20_000)
  }
}

private func plain(_ number: Int) -> MeasurementRow {
  MeasurementRow(source: "s", origin: "a", target: "b", time: Instant(nanoseconds: UInt64(number)))
}

private func anyMeasurement(_ random: inout SeededRandom) -> MeasurementRow {
  func name() -> String {
    let count = 1 + random.below(64)
    return String(decoding: (0..<count).map { _ in UInt8(0x21 + random.below(0x5e)) }, as: UTF8.self)
  }
  var row = MeasurementRow(
    source: name(), origin: name(), target: name(), time: Instant(nanoseconds: random.next() >> 1))
  if random.below(2) == 0 { row.leastDelay = Interval(nanoseconds: Int64(bitPattern: random.next())) }
  if random.below(2) == 0 { row.loss = Probability(partsPerBillion: UInt32(random.below(1_000_000_001))) }
  if random.below(2) == 0 { row.rate = BitRate(bitsPerSecond: 1 + random.next() >> 2) }
  if random.below(2) == 0 { row.price = random.next() >> 1 }
  row.histogram = (0..<random.below(300)).map { _ in UInt8(random.below(256)) }
  return row
}
