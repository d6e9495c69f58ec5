import Advice
import Primitives
import Sealing
import Testing

private func relay(_ number: UInt8) -> RelayContact {
  let key = withUnsafeBytes(of: InlineArray<32, UInt8>(repeating: number)) { PublicKey($0) }
  guard let key else { preconditionFailure("32 bytes are a key") }
  return RelayContact(name: "r\(number)", publicKey: key, endpoints: ["192.0.2.\(number):51800"])
}

private func contact(_ relay: RelayContact) -> String {
  "\"endpoint\":\"\(relay.endpoints[0])\",\"public_key\":\"\(relay.publicKey)\""
}

private func wishes(_ relays: [RelayContact]) -> [UInt8] {
  let list = relays.map { "{\"to\":\"\($0.name)\",\(contact($0))}" }.joined(separator: ",")
  return Array("{\"taken\":1,\"refused\":[],\"measure\":[\(list)],\"unknown\":{}}".utf8)
}

private func ways(_ relays: [RelayContact]) -> [UInt8] {
  let list = relays.map { ",{\"via\":\"\($0.name)\",\"relay\":{\(contact($0))}}" }.joined()
  return Array("{\"paths\":[{\"via\":null,\"relay\":null}\(list)]}".utf8)
}

private struct Office {
  var advisor: Advisor
  var now = Instant.zero

  init(peers: [String] = ["hq"], named: [RelayContact] = []) {
    var settings = AdviceSettings(name: "branch", peers: peers)
    settings.named = named
    advisor = Advisor(settings, at: .zero)
  }

  /// One round of questions, whenever it is due.
  mutating func round(_ wished: [RelayContact] = [], _ advised: [RelayContact]...) {
    now = max(now, advisor.deadline)
    #expect(advisor.question(at: now) == .report)
    advisor.answered(.report, status: 200, body: wishes(wished), at: now)
    for (peer, relays) in advised.enumerated() {
      #expect(advisor.question(at: now) == .query(peer: peer))
      advisor.answered(.query(peer: peer), status: 200, body: ways(relays), at: now)
    }
  }

  var used: [[String]] {
    advisor.orders.used.map { places in places.map { advisor.orders.places[$0]?.name ?? "nobody" } }
  }
  var probed: [String] { advisor.orders.probed.map { advisor.orders.places[$0]?.name ?? "nobody" } }
}

@Suite struct `A gateway with an oracle` {
  @Test func `reports, probes whom the oracle wants to know of, and uses what it advises`() {
    var office = Office()
    office.round([relay(1), relay(2)], [])
    #expect(office.probed == ["r1", "r2"] && office.used == [[]])
    // As soon as they are probed, not ten seconds later.
    #expect(office.advisor.deadline == office.now + Advisor.probeFor)
    office.round([], [relay(2)])
    #expect(office.used == [["r2"]] && office.probed == [])
    #expect(office.advisor.deadline == office.now + Advisor.pause)
    #expect(office.advisor.contact == .answers && office.advisor.lastAnswer == office.now)
  }

  @Test func `asks again soon, at the start, while relays are unknown that somebody else measures`() {
    var office = Office()
    let answer = Array("{\"paths\":[{\"via\":null}],\"left_out\":{\"unmeasured\":2}}".utf8)
    var pauses: [Interval] = []
    while office.now < .zero + .seconds(50) {
      office.now = max(office.now, office.advisor.deadline)
      office.advisor.answered(.report, status: 200, body: wishes([]), at: office.now)
      office.advisor.answered(.query(peer: 0), status: 200, body: answer, at: office.now)
      pauses.append(office.advisor.deadline - office.now)
    }
    #expect(pauses == Array(repeating: Advisor.probeFor, count: 10) + Array(repeating: Advisor.pause, count: 3))
  }

  @Test func `keeps a relay's place as long as it is used, whatever else is probed`() {
    var office = Office()
    office.round([], [relay(1), relay(2)])
    let places = office.advisor.orders.used
    for turn in 0..<20 as Range<UInt8> {
      office.round([relay(10 + turn), relay(40 + turn), relay(70 + turn)], [relay(2), relay(1)])
      #expect(office.advisor.orders.used == [places[0].reversed()])
      #expect(office.probed == ["r\(10 + turn)", "r\(40 + turn)", "r\(70 + turn)"])
    }
  }

  @Test func `gives each peer his best before any has his second, within as many as there may be`() {
    var office = Office(peers: ["hq", "lab"])
    office.round([relay(9), relay(8), relay(7)], [relay(1), relay(2), relay(3)], [relay(4), relay(5), relay(2)])
    #expect(office.used == [["r1", "r2"], ["r4", "r5", "r2"]])
    #expect(office.probed == ["r9", "r8"], "two places are left")
  }

  @Test func `goes on using what the operator named, in its place`() {
    var office = Office(named: [relay(100), relay(101)])
    #expect(office.used == [["r100", "r101"]])
    office.round([relay(1)], [relay(101), relay(2), relay(3), relay(4)])
    #expect(office.used == [["r100", "r101", "r2", "r3"]])
    #expect(office.advisor.orders.places.prefix(2).map { $0?.name } == ["r100", "r101"])
  }

  @Test func `keeps the last advice while the oracle is gone, asks less and less often, and says why`() {
    var office = Office()
    office.round([], [relay(1)])
    let orders = office.advisor.orders
    var pauses: [Interval] = []
    for _ in 0..<8 {
      office.now = office.advisor.deadline
      office.advisor.failed("nobody answers at 192.0.2.99:8460", at: office.now)
      pauses.append(office.advisor.deadline - office.now)
    }
    #expect(pauses == [2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
    #expect(office.advisor.contact == .silent("nobody answers at 192.0.2.99:8460"))
    #expect(office.advisor.orders == orders)
    office.round([], [relay(2)])
    #expect(office.used == [["r2"]] && office.advisor.contact == .answers)
  }

  @Test(arguments: [
    "", "{", "[]", "{\"measure\":3}", "{\"paths\":[]}", "{\"measure\":[", "\u{0}", "null", "{\"measure\":{}}",
  ])
  func `is not changed by an answer that is none`(body: String) {
    var office = Office()
    office.round([], [relay(1)])
    let orders = office.advisor.orders
    office.now = office.advisor.deadline
    office.advisor.answered(.report, status: 200, body: Array(body.utf8), at: office.now)
    #expect(office.advisor.orders == orders)
    #expect(office.advisor.counters.unreadable == 1)
    #expect(office.advisor.contact == .silent("its answer is not what an oracle says"))
  }

  @Test func `says what the oracle complains about, on one line`() {
    var office = Office()
    let body = "{\"error\":{\"code\":\"E_TOKEN\",\"message\":\"no such\\ntoken\\u001b[2J\"}}"
    office.advisor.answered(.report, status: 401, body: Array(body.utf8), at: .zero)
    #expect(office.advisor.contact == .silent("it answers 401: no suchtoken[2J"))
    #expect(office.advisor.counters.refusals == 1)
  }

  @Test func `leaves out relays of which something is wrong, and takes the others`() {
    let good = contact(relay(1))
    let list = [
      "{\"to\":\"\",\(good)}", "{\"to\":\"a\\nb\",\(good)}", "{\"to\":3,\(good)}", "3", "null",
      "{\"to\":\"short\",\"endpoint\":\"192.0.2.1:1\",\"public_key\":\"AAAA\"}",
      "{\"to\":\"none\",\"public_key\":\"\(relay(2).publicKey)\"}", "{\"to\":\"fine\",\(good)}",
    ]
    var office = Office()
    let body = "{\"measure\":[\(list.joined(separator: ","))]}"
    office.advisor.answered(.report, status: 200, body: Array(body.utf8), at: .zero)
    office.advisor.answered(.query(peer: 0), status: 200, body: ways([]), at: .zero)
    #expect(office.probed == ["fine"])
  }

  @Test func `takes no more of a list than there is room for`() {
    let many = (1...200 as ClosedRange<UInt8>).map { relay($0) }
    var office = Office()
    office.round(many, many)
    #expect(office.used[0].count == AdviceSettings.mostUsed)
    #expect(office.advisor.orders.places.count == AdviceSettings.places)
  }

  @Test func `tells what it measured in the oracle's words`() {
    var edge = EdgeFigures(from: "branch", to: "r1")
    edge.roundTrip = .microseconds(40_200)
    edge.excess = [.init(.zero, 120), .init(.microseconds(250), 30)]
    edge.loss = 0.01
    edge.rate = BitRate(bitsPerSecond: 50_000_000)
    let office = Office()
    let outcome = WayOutcome(to: "hq", via: nil, hasWorked: true)
    #expect(
      office.advisor.text(of: .report, [edge], [outcome])
        == "{\"edges\":[{\"from\":\"branch\",\"to\":\"r1\",\"round_trip_us\":40200,\"excess\":[[0,120],[250,30]],"
        + "\"loss\":0.01,\"rate_bps\":50000000}],"
        + "\"outcomes\":[{\"from\":\"branch\",\"to\":\"hq\",\"via\":null,\"worked\":true}]}")
    #expect(
      office.advisor.text(of: .query(peer: 0), [], [])
        == "{\"from\":\"branch\",\"to\":\"hq\",\"k\":3,\"objective\":\"throughput\"}")
  }
}
