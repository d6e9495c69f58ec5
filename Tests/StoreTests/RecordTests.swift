import Primitives
import Sealing
import Synchronization
import Testing

@testable import Store

@Suite struct `What was decided` {
  @Test(arguments: Kind.installed)
  func `nodes, sources, settings and leases come back as they were, by name`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    var relay = NodeRow(name: "relay-1", role: "relay")
    (relay.provider, relay.region, relay.price) = ("AS 64500, „Nord“", "eu-north", 20_000)
    relay.capacity = BitRate(bitsPerSecond: 1_000_000_000)
    relay.addresses = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"].compactMap { IPPrefix($0) }
    #expect(relay.addresses.count == 3)
    let hub = NodeRow(name: "Hub", role: "gateway")
    #expect(try store.put(relay) == .made(version: 1))
    #expect(try store.put(hub) == .made(version: 2))
    let token = try #require(TokenHash(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
    #expect(try store.put(SourceRow(name: "hub", token: token)) == .made(version: 3))
    #expect(try store.put(SettingRow(name: "prices", value: []), expecting: .nothing) == .made(version: 4))
    let lease = LeaseRow(name: "capacity/relay-1", holder: "first", expires: noon + .seconds(120), value: [0, 255])
    #expect(try store.put(lease, expecting: .nothing) == .made(version: 1))

    // Another process, later.
    let again = try base.store(as: "second")
    #expect(try again.nodes().map(\.name) == ["Hub", "relay-1"])
    relay.version = 1
    #expect(try again.nodes().last == relay)
    #expect(try again.sources().map(\.token) == [token])
    #expect(try again.setting(named: "prices")?.value == [])
    #expect(try again.setting(named: "price") == nil && again.setting(named: "'") == nil)
    let found = try #require(try again.lease(named: "capacity/relay-1"))
    #expect(found.value == [0, 255] && found.holder == "first" && found.expires == lease.expires && found.version == 1)
    #expect(try again.revision() == 4)

    #expect(try again.removeNode(named: "Hub") == .made(version: 5))
    #expect(try again.removeNode(named: "Hub") == .conflict(version: nil))
    #expect(try again.removeSource(named: "hub") == .made(version: 6))
    #expect(try store.nodes() == [relay] && store.sources().isEmpty)
    #expect(try store.revision() == 6)
  }

  @Test(arguments: Kind.installed)
  func `who has read something old changes nothing, and is told what is there`(kind: Kind) throws {
    let store = try Base(kind).store()
    func put(_ text: String, _ expecting: Store.Expectation) throws -> Change {
      try store.put(SettingRow(name: "s", value: Array(text.utf8)), expecting: expecting)
    }
    #expect(try put("a", .version(1)) == .conflict(version: nil))
    guard case .made(let first) = try put("a", .nothing) else { throw Trouble("not made") }
    #expect(try put("b", .nothing) == .conflict(version: first))
    guard case .made(let second) = try put("b", .version(first)) else { throw Trouble("not made") }
    #expect(try put("c", .version(first)) == .conflict(version: second))
    #expect(try store.removeSetting(named: "s", expecting: .version(first)) == .conflict(version: second))
    #expect(try store.setting(named: "s")?.value == Array("b".utf8))
    // After a removal the same version never comes again.
    guard case .made = try store.removeSetting(named: "s", expecting: .version(second)),
      case .made(let third) = try put("b", .nothing)
    else { throw Trouble("not made") }
    #expect(third > second)
    #expect(store.counters.conflicts == 4)
  }

  @Test(arguments: Kind.installed)
  func `a lease has one holder until it expires, and the next one's version is larger`(kind: Kind) throws {
    let store = try Base(kind).store()
    func take(_ holder: String, at second: Int64) throws -> Taking {
      let now = noon + .seconds(second)
      return try store.take(LeaseRow(name: "l", holder: holder, expires: now + .seconds(120)), at: now)
    }
    guard case .granted(let first) = try take("a", at: 0) else { throw Trouble("not granted") }
    guard case .held(let row) = try take("b", at: 119) else { throw Trouble("not held") }
    #expect(row.holder == "a" && row.version == first && row.expires == noon + .seconds(120))
    guard case .granted(let renewed) = try take("a", at: 60), case .held = try take("b", at: 179),
      case .granted(let second) = try take("b", at: 180)
    else { throw Trouble("not as it should be") }
    #expect(first < renewed && renewed < second)
    #expect(try store.removeLease(named: "l", expecting: .version(renewed)) == .conflict(version: second))
    // A day after its end nobody wants to see it.
    try store.expire(at: noon + .seconds(86_000))
    #expect(try store.leases().count == 1)
    try store.expire(at: noon + .seconds(86_701))
    #expect(try store.leases().isEmpty)
  }

  @Test(arguments: Kind.installed)
  func `changes that belong together are made together, or not at all`(kind: Kind) throws {
    let base = try Base(kind)
    let store = try base.store()
    let other = try base.store(as: "other")
    try store.together { () throws(StoreFailure) in
      _ = try store.put(NodeRow(name: "a", role: "relay"))
      _ = try store.put(SettingRow(name: "a", value: [1]), expecting: .nothing)
      // Nobody else sees half of it.
      let (seen, revision) = (try other.nodes(), try other.revision())
      #expect(seen.isEmpty && revision == 0)
      // What is in the way is told, and the rest goes on.
      let again = try store.put(SettingRow(name: "a", value: [2]), expecting: .nothing)
      #expect(again == .conflict(version: 2))
      _ = try store.put(NodeRow(name: "b", role: "relay"))
    }
    #expect(try other.nodes().map(\.name) == ["a", "b"] && other.setting(named: "a")?.value == [1])
    let revision = try other.revision()
    let failure = #expect(throws: StoreFailure.self) {
      try store.together { () throws(StoreFailure) in
        _ = try store.put(NodeRow(name: "c", role: "relay"))
        _ = try store.removeNode(named: "a")
        throw StoreFailure(.other, "do more", "we stop here")
      }
    }
    #expect(failure?.operation == "do more")
    #expect(try other.nodes().map(\.name) == ["a", "b"] && other.revision() == revision)
    // And it goes on alone.
    guard case .made = try store.put(NodeRow(name: "c", role: "relay")) else { throw Trouble("not made") }
    #expect(try other.nodes().count == 3)
  }

  @Test(arguments: Kind.installed)
  func `what is too long or has no name is refused, and there is an end to how much there may be`(kind: Kind) throws {
    let store = try Base(kind).store()
    #expect(try store.put(NodeRow(name: "a b", role: "relay")) == .refused(.name))
    var node = NodeRow(name: "n", role: "relay")
    node.provider = "two\nlines"
    #expect(try store.put(node) == .refused(.text))
    node.provider = ""
    node.addresses = [IPPrefix](repeating: IPPrefix(IPAddress(ipv4: 1)), count: 65)
    #expect(try store.put(node) == .refused(.length))
    let large = SettingRow(name: "s", value: [UInt8](repeating: 0, count: 65_537))
    #expect(try store.put(large, expecting: .anything) == .refused(.length))
    let lease = LeaseRow(name: "l", holder: "", expires: noon)
    #expect(try store.take(lease, at: noon) == .refused(.name))
    #expect(try store.removeLease(named: "", expecting: .anything) == .refused(.name))
    #expect(store.counters.refusedRecords == 6 && store.counters.changes == 0)

    try store.database.begin(.relaxed)
    for number in 0..<11_000 {
      _ = try store.database.change(.putSetting, [.text("s\(number)"), .integer(1), .bytes([])])
    }
    try store.database.commit()
    #expect(try store.put(SettingRow(name: "more", value: []), expecting: .anything) == .full)
    guard case .made = try store.put(SettingRow(name: "s7", value: [1]), expecting: .anything) else {
      throw Trouble("what is there may change")
    }
    #expect(try store.settings().count == 11_000 && store.counters.beyondBound == 1)
  }

  @Test(arguments: Kind.installed)
  func `a record that somebody has broken is an error with its name, and can be overwritten`(kind: Kind) throws {
    let store = try Base(kind).store()
    _ = try store.database.change(.putSource, [.text("hub"), .integer(1), .text("0123")])
    let failure = #expect(throws: StoreFailure.self) { try store.sources() }
    #expect(failure?.kind == .damaged && failure?.description.contains("\"hub\"") == true)
    let token = try #require(TokenHash(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
    guard case .made = try store.put(SourceRow(name: "hub", token: token)) else { throw Trouble("not made") }
    #expect(try store.sources().map(\.token) == [token])
  }
}

@Suite struct `Several oracles on one database` {
  @Test(arguments: Kind.installed)
  func `changes by compare-and-set are made one after the other, and none is lost`(kind: Kind) throws {
    let base = try Base(kind)
    _ = try base.store()
    let failures = Mutex<[String]>([])
    Threads.perform(count: 4) { thread in
      do {
        let store = try base.store(as: "oracle-\(thread)")
        var made = 0
        while made < 10 {
          let found = try store.setting(named: "sum")
          let sum = found.flatMap { Int(String(decoding: $0.value, as: UTF8.self)) } ?? 0
          let next = SettingRow(name: "sum", value: Array(String(sum + 1).utf8))
          let change = try store.put(next, expecting: found.map { .version($0.version) } ?? .nothing)
          if case .made = change { made += 1 }
        }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    #expect(try base.store().setting(named: "sum")?.value == Array("40".utf8))
  }

  @Test(arguments: Kind.installed)
  func `who polls while others write sees each measurement once and in order`(kind: Kind) throws {
    let base = try Base(kind)
    let reader = try base.store(as: "reader")
    let failures = Mutex<[String]>([])
    let writing = Atomic<Int>(3)
    let seen = Mutex<[StoredMeasurement]>([])
    Threads.perform(count: 4) { thread in
      do {
        if thread < 3 {
          defer { writing.subtract(1, ordering: .sequentiallyConsistent) }
          let store = try base.store(as: "oracle-\(thread)")
          for batch in 0..<20 {
            for number in 0..<25 { _ = store.append(measurement(batch * 25 + number, of: thread), at: noon) }
            try store.flush(at: noon)
          }
        } else {
          let store = try base.store(as: "poller")
          var last: UInt64 = 0
          while true {
            let isLast = writing.load(ordering: .sequentiallyConsistent) == 0
            let page = try store.measurements(after: last, atMost: 100)
            seen.withLock { $0 += page.measurements }
            last = page.last
            if isLast && page.measurements.isEmpty { break }
          }
        }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    let all = seen.withLock { $0 }
    #expect(all.map(\.sequence) == (1...1_500).map { UInt64($0) })
    for thread in 0..<3 {
      let own = all.filter { $0.oracle == "oracle-\(thread)" }
      #expect(own.map(\.measurement) == (0..<500).map { measurement($0, of: thread) })
    }
    // Its own an oracle knows already.
    let first = try base.store(as: "oracle-0")
    #expect(try first.measurements(after: 0, atMost: 2_000).measurements.count == 1_000)
    #expect(try reader.measurements(after: 0, atMost: 2_000).measurements == all)
    // Behind the end: it goes on from where the database stands.
    #expect(try reader.measurements(after: 9_999, atMost: 10) == OracleStore.Page(measurements: [], last: 1_500))
  }

  @Test(arguments: Kind.installed)
  func `of many who want a lease at once one gets it`(kind: Kind) throws {
    let base = try Base(kind)
    _ = try base.store()
    let granted = Mutex<[Int]>([])
    let failures = Mutex<[String]>([])
    Threads.perform(count: 6) { thread in
      do {
        let store = try base.store(as: "oracle-\(thread)")
        let lease = LeaseRow(name: "l", holder: "oracle-\(thread)", expires: noon + .seconds(60))
        switch try store.take(lease, at: noon) {
        case .granted: granted.withLock { $0.append(thread) }
        case .held: break
        case .refused, .full: failures.withLock { $0.append("refused") }
        }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    #expect(granted.withLock { $0.count } == 1)
  }
}

private func measurement(_ number: Int, of thread: Int) -> MeasurementRow {
  MeasurementRow(source: "s\(thread)", origin: "a", target: "b", time: Instant(nanoseconds: UInt64(number)))
}
