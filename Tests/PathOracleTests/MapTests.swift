@testable import PathOracle
import Primitives
import Testing

@Suite struct `A map` {
  private func measurement(_ from: String = "a", _ to: String = "r", by source: String = "a") -> Measurement {
    Measurement(source: source, from: from, to: to, roundTrip: .milliseconds(20))
  }

  @Test func `takes what can be true, and counts why it does not take the rest`() {
    var fleet = Fleet()
    for name in ["a", "b"] { fleet.add(name, .gateway) }
    fleet.add("r")
    let cases: [(Measurement.Verdict, (inout Measurement) -> Void)] = [
      (.added, { _ in }), (.updated, { _ in }),
      (.superseded, { $0.age = .seconds(1) }), (.unknownNode, { $0.source = "nobody" }),
      (.unknownNode, { $0.from = "" }), (.unknownNode, { $0.to = "A" }), (.noEdge, { $0.to = "a" }),
      (.empty, { $0.roundTrip = nil }), (.fromTheFuture, { $0.age = .nanoseconds(-1) }),
      (.tooOld, { $0.age = .seconds(301) }), (.tooOld, { $0.age = .nanoseconds(.max) }),
      (.impossibleDelay, { $0.roundTrip = .zero }), (.impossibleDelay, { $0.roundTrip = .seconds(61) }),
      (.impossibleDelay, { $0.oneWay = .nanoseconds(.min) }), (.impossibleDelay, { $0.oneWay = .nanoseconds(.max) }),
      (.updated, { $0.oneWay = .nanoseconds(-1 << 60) }),
      (.impossibleRate, { $0.rate = BitRate(bitsPerSecond: .max) }),
      (.updated, { $0.rate = BitRate(bitsPerSecond: 1) }),
      (.impossiblePrice, { $0.price = Price(microsPerGigabyte: .max) }),
      (.updated, { $0.price = Price.most }), (.updated, { $0.loss = .always }),
    ]
    for (verdict, change) in cases {
      var said = measurement()
      change(&said)
      #expect(fleet.say(said) == verdict, "\(said)")
    }
    var expected = PathMap.Counters()
    expected.added = 1
    expected.updated = 5
    expected.superseded = 1
    expected.unknownNode = 3
    expected.noEdge = 1
    expected.empty = 1
    expected.fromTheFuture = 1
    expected.tooOld = 2
    expected.impossibleDelay = 4
    expected.impossibleRate = 1
    expected.impossiblePrice = 1
    #expect(fleet.map.counters == expected)
    #expect(fleet.map.reportCount == 1 && fleet.map.edgeCount == 1)
  }

  @Test func `takes no more from a source than one may have`() {
    var fleet = Fleet()
    let names = (0..<70).map { "g\($0)" }
    for name in names { fleet.add(name, .gateway) }
    var taken = 0
    var refused = 0
    for from in names {
      for to in names where from != to {
        switch fleet.say(measurement(from, to, by: "g0")) {
        case .added: taken += 1
        case .sourceFull: refused += 1
        default: break
        }
      }
    }
    #expect(taken == PathMap.Limits.reportsPerSource && refused == 70 * 69 - 4_096)
    // Others go on, and what is renewed needs no place.
    #expect(fleet.say(measurement("g1", "g2", by: "g1")) == .added)
    #expect(fleet.say(measurement("g0", "g1", by: "g0")) == .updated)
  }

  @Test func `lets no stranger push out who sees an edge himself`() {
    var fleet = Fleet()
    for name in ["a", "r", "s1", "s2", "s3", "s4", "s5"] { fleet.add(name, .gateway) }
    for stranger in ["s1", "s2", "s3", "s4"] { #expect(fleet.say(measurement(by: stranger)) == .added) }
    #expect(fleet.say(measurement(by: "s5")) == .edgeFull)
    #expect(fleet.say(measurement(by: "a")) == .added && fleet.say(measurement(by: "r")) == .added)
    #expect(fleet.map.counters.displaced == 2 && fleet.map.reportCount == 4)
    #expect(fleet.say(measurement(by: "s5")) == .edgeFull)
    fleet.now += .seconds(400)
    // Strangers give way to strangers when they are old; ends do not.
    for stranger in ["s1", "s2", "s3"] { fleet.say(measurement(by: stranger)) }
    #expect(fleet.say(measurement(by: "a")) == .updated && fleet.map.reportCount == 4)
  }

  @Test func `that is full takes news only in the place of what is old`() {
    var fleet = Fleet(mostReports: 10)
    for index in 0..<12 { fleet.add("g\(index)", .gateway) }
    for index in 1...10 { #expect(fleet.say(measurement("g0", "g\(index)", by: "g\(index)")) == .added) }
    #expect(fleet.say(measurement("g0", "g11", by: "g11")) == .mapFull)
    fleet.now += .seconds(301)
    #expect(fleet.say(measurement("g0", "g2", by: "g2")) == .updated)
    #expect(fleet.say(measurement("g0", "g11", by: "g11")) == .added)
    #expect(fleet.map.reportCount == 10 && fleet.map.counters.displaced == 1)
    #expect(fleet.map.belief(from: "g0", to: "g1", at: fleet.now) == nil)
  }

  @Test func `forgets what nobody renews, and says when`() throws {
    var fleet = Fleet(halfLife: .seconds(100))
    fleet.add("a", .gateway)
    fleet.add("r")
    #expect(fleet.map.deadline == nil)
    fleet.say(measurement())
    let deadline = fleet.map.deadline
    let first = try #require(deadline)
    #expect(first == fleet.now + .seconds(600))
    fleet.now += .seconds(50)
    fleet.say(measurement("r", "a"))
    fleet.map.expire(at: first - .nanoseconds(1))
    #expect(fleet.map.reportCount == 2)
    fleet.map.expire(at: first)
    #expect(fleet.map.reportCount == 1 && fleet.map.deadline == first + .seconds(50))
    fleet.map.expire(at: first + .seconds(50))
    #expect(fleet.map.reportCount == 0 && fleet.map.deadline == nil && fleet.map.counters.forgotten == 2)
  }

  @Test func `has room for a fleet, and a report is two cache lines`() {
    #expect(PathMap.bytesPerReport <= 128)
    #expect(PathMap.Limits.reports * PathMap.bytesPerReport <= 64_000_000)
  }

  @Test func `knows its nodes by name, and takes only facts that can be told again`() {
    var fleet = Fleet()
    #expect(fleet.add("r", provider: "as1") == .added && fleet.add("r", provider: "as1") == .unchanged)
    #expect(fleet.map.revision == 1)
    #expect(fleet.add("r", provider: "as2") == .changed && fleet.map.revision == 2)
    #expect(fleet.add("r", .gateway) == .kindDiffers)
    for name in ["", "a b", "ü", "a/b", String(repeating: "x", count: 65)] {
      #expect(fleet.add(name) == .nameInvalid, "\(name)")
    }
    #expect(fleet.add("x", provider: String(repeating: "x", count: 65)) == .textTooLong)
    #expect(fleet.add("x", price: .max) == .priceTooHigh)
    for index in 1..<PathMap.Limits.relays { fleet.add("r\(index)") }
    #expect(fleet.add("one-more") == .full && fleet.add("one-more", .gateway) == .added)
    #expect(fleet.map.remove("r1") && !fleet.map.remove("r1") && fleet.add("another") == .added)
    #expect(fleet.map.nodeCount == 257 && fleet.map.relayCount == 256)
  }

  @Test func `forgets with a node all that it said and that was said of it`() throws {
    var fleet = Fleet.triangle()
    let before = fleet.map.reportCount
    let isGone = fleet.map.remove("r1")
    #expect(isGone)
    // Both ends of two links, both directions.
    #expect(fleet.map.reportCount == before - 8 && fleet.map.counters.removed == 8)
    #expect(try fleet.answer("branch", "hq", 1, .latency).paths.map(\.via) == ["r2"])
    fleet.add("r9")
    #expect(fleet.map.belief(from: "branch", to: "r9", at: fleet.now) == nil)
    let isInOrder = fleet.map.reports.audit()
    #expect(isInOrder)
  }

  @Test(arguments: 0..<30 as Range<UInt64>)
  func `stays in order whatever happens to it`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var fleet = Fleet(halfLife: .seconds(60), mostReports: 60)
    let names = (0..<12).map { "n\($0)" }
    for _ in 0..<2_000 {
      let name = names[Int(random.below(12))]
      let other = names[Int(random.below(12))]
      switch random.below(40) {
      case 0: _ = fleet.map.remove(name)
      case 1...3: fleet.add(name, random.below(2) == 0 ? .relay : .gateway, provider: "p\(random.below(3))")
      case 4: fleet.now += .seconds(Int64(random.below(90)))
      case 5: fleet.map.expire(at: fleet.now)
      case 6: _ = try? fleet.answer(name, other, 4, .resilience)
      default:
        var said = measurement(name, other, by: names[Int(random.below(12))])
        said.age = .seconds(Int64(random.below(70)))
        fleet.say(said)
      }
    }
    #expect(fleet.map.reports.audit() && fleet.map.reportCount <= 60, "seed \(seed)")
    var counted = [Int](repeating: 0, count: fleet.map.nodes.count)
    fleet.map.reports.forEach { _, report in counted[Int(report.source)] += 1 }
    #expect(counted == fleet.map.nodes.map(\.reports), "seed \(seed)")
    let counters = fleet.map.counters
    let gone = counters.forgotten + counters.displaced + counters.removed
    #expect(counters.added == gone + UInt64(fleet.map.reportCount), "seed \(seed)")
  }
}

@Suite struct `A snapshot` {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func `gives the same answers after a restart, and ages go on`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var fleet = Fleet.drawn(&random, relays: 8)
    fleet.now += .seconds(200)
    fleet.link("a", "r1", Line(3, 30))
    fleet.now += .seconds(700)
    let snapshot = fleet.map.snapshot(at: fleet.now)
    // The clock of the next run begins at its own zero.
    var next = Fleet()
    next.now = Instant.zero + .seconds(5)
    let taken = next.map.restore(snapshot, at: next.now)
    #expect(taken.nodes == snapshot.nodes.count && taken.measurements == snapshot.measurements.count, "seed \(seed)")
    #expect(next.map.snapshot(at: next.now) == snapshot, "seed \(seed)")
    for objective in Objective.allCases {
      let before = try? fleet.answer("a", "b", 3, objective)
      let after = try? next.answer("a", "b", 3, objective)
      #expect(before == after, "seed \(seed)")
    }
  }

  @Test func `that somebody spoiled is taken as far as it makes sense`() {
    let fleet = Fleet.triangle()
    var snapshot = fleet.map.snapshot(at: fleet.now)
    snapshot.nodes[0].name = "not a name"
    snapshot.measurements[0].age = .seconds(-5)
    var next = Fleet()
    let taken = next.map.restore(snapshot, at: next.now)
    #expect(taken.nodes == snapshot.nodes.count - 1 && taken.measurements < snapshot.measurements.count)
    let isInOrder = next.map.reports.audit()
    #expect(isInOrder)
  }
}
