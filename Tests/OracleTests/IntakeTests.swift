import JSON
@testable import Oracle
import PathOracle
import Primitives
import Testing

@Suite struct `Reports to an oracle` {
  @Test func `are on the map at once, each under the name of whoever sent it`() throws {
    var bench = Bench.usual()
    let reply = bench.report(
      """
      {"from":"branch","to":"r1","age_s":0.5,"one_way_us":20100,"round_trip_us":40200,"excess":[[0,120],[250,30]],
       "loss":0.01,"rate_bps":50000000,"price_per_gb":0.25},
      {"from":"r1","to":"hq","loss":0.5}
      """, by: "branch")
    #expect(reply.status == 200 && reply.json["taken"]?.integer == 2)
    #expect(reply.json["refused"]?.array?.isEmpty == true)
    let found = bench.oracle.map.belief(from: "branch", to: "r1", at: bench.now)
    let belief = try #require(found)
    #expect(belief.oneWay == .microseconds(20_100) && belief.roundTrip == .microseconds(40_200))
    #expect(belief.loss == 0.01 && belief.rate == BitRate(bitsPerSecond: 50_000_000))
    #expect(belief.price == Price(microsPerGigabyte: 250_000) && belief.sources == 1)
    #expect(abs(belief.excess.inMilliseconds - 0.045) < 0.02)
    #expect(bench.rows.map(\.source) == ["branch", "branch"] && bench.rows[0].age == .milliseconds(500))
  }

  @Test func `are taken in part, and what was not is told with its reason`() {
    var bench = Bench.usual()
    let reply = bench.report(
      """
      {"from":"branch","to":"x","loss":0},{"from":"branch","to":"r1","loss":0},{"from":"branch","to":"branch","loss":0},
      {"from":"branch","to":"r2"},{"from":"branch","to":"r2","loss":0,"age_s":301},
      {"from":"branch","to":"r2","round_trip_us":0.001}
      """, by: "branch")
    #expect(reply.status == 200 && reply.json["taken"]?.integer == 2)
    let refused = reply.json["refused"]?.array ?? []
    #expect(refused.map { $0["edge"]?.integer } == [0, 2, 3, 4])
    #expect(refused.first?["why"]?.string == "no such node: \"x\"")
    #expect(bench.rows.count == 2 && bench.oracle.counters.measurementsRefused == 4)
  }

  @Test func `may have members that nobody here knows`() {
    var bench = Bench.usual()
    let reply = bench.ask(
      "POST", "/v1/measurements",
      #"{"version":7,"edges":[{"from":"branch","to":"r1","loss":0,"mood":{"good":[1,{}]}}],"extra":null}"#, by: "branch"
    )
    #expect(reply.status == 200 && reply.json["taken"]?.integer == 1)
  }

  @Test(arguments: [
    ("", "E_SYNTAX", nil), ("{", "E_SYNTAX", nil), ("[]", "E_INVALID_FIELD_TYPE", nil),
    ("{}", "E_MISSING_FIELD", "edges"), (#"{"edges":{}}"#, "E_INVALID_FIELD_TYPE", "edges"),
    (#"{"edges":[7]}"#, "E_INVALID_FIELD_TYPE", "edges[0]"),
    (#"{"edges":[{"to":"hq"}]}"#, "E_MISSING_FIELD", "edges[0].from"),
    (#"{"edges":[{"from":"branch","to":1}]}"#, "E_INVALID_FIELD_TYPE", "edges[0].to"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","loss":1.5}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].loss"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","loss":"0"}]}"#, "E_INVALID_FIELD_TYPE", "edges[1].loss"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","loss":-0.1}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].loss"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","rate_bps":0}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].rate_bps"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","rate_bps":1e13}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].rate_bps"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","age_s":-1}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].age_s"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","one_way_us":1e18}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].one_way_us"),
    (
      #"{"edges":[OK,{"from":"branch","to":"hq","round_trip_us":0}]}"#, "E_INVALID_FIELD_VALUE",
      "edges[1].round_trip_us"
    ),
    (#"{"edges":[OK,{"from":"branch","to":"hq","excess":[[1]]}]}"#, "E_INVALID_FIELD_TYPE", "edges[1].excess[0]"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","excess":[[1,-2]]}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].excess[0]"),
    (#"{"edges":[OK,{"from":"branch","to":"hq","excess":[[1,2.5]]}]}"#, "E_INVALID_FIELD_VALUE", "edges[1].excess[0]"),
    (
      #"{"edges":[OK,{"from":"branch","to":"hq","price_per_gb":4001}]}"#, "E_INVALID_FIELD_VALUE",
      "edges[1].price_per_gb"
    ),
    (#"{"edges":[OK],"outcomes":[{"from":"branch","to":"hq"}]}"#, "E_MISSING_FIELD", "outcomes[0].worked"),
    (
      #"{"edges":[OK],"outcomes":[{"from":"branch","to":"hq","worked":1}]}"#, "E_INVALID_FIELD_TYPE",
      "outcomes[0].worked"
    ),
  ])
  func `that cannot be read name the field and change nothing`(body: String, code: String, field: String?) {
    var bench = Bench.usual()
    _ = bench.report(Bench.edge("branch", "r1", 20), by: "branch")
    let before = bench.everything()
    let body = body.replacing("OK", with: Bench.edge("branch", "r2", 10))
    let reply = bench.ask("POST", "/v1/measurements", body, by: "branch")
    // An empty body has no type either.
    #expect(reply.status == (body.isEmpty ? 415 : 400))
    if !body.isEmpty { #expect(reply.code == code && reply.field == field, "\(reply.text)") }
    #expect(bench.everything() == before)
  }

  @Test func `are refused with the right status, whatever is wrong with the request, and change nothing`() {
    var bench = Bench.usual()
    let body = "{\"edges\":[\(Bench.edge("branch", "r1", 20))]}"
    let path = "/v1/measurements"
    let before = bench.everything()
    func check(_ reply: Reply, _ status: Int, _ code: String, _ bench: inout Bench) {
      #expect(reply.status == status && reply.code == code, "\(reply.status) \(reply.text)")
      #expect(reply.type == "application/json")
      #expect(bench.everything() == before)
    }
    check(bench.ask("POST", path, body), 401, "E_UNAUTHORIZED", &bench)
    check(bench.ask("POST", path, body, isOpen: true), 401, "E_UNAUTHORIZED", &bench)
    check(bench.ask("POST", path, body, by: "stranger"), 401, "E_UNAUTHORIZED", &bench)
    check(bench.ask("POST", path, body, by: "noc"), 403, "E_FORBIDDEN", &bench)
    check(bench.ask("POST", "/v1/measurement", body, by: "branch"), 404, "E_NOT_FOUND", &bench)
    check(bench.ask("PUT", path, body, by: "branch"), 405, "E_METHOD", &bench)
    #expect(bench.ask("GET", path, by: "branch").header("Allow") == "POST")
    check(bench.ask("POST", path, body, by: "branch", accept: "text/html"), 406, "E_NOT_ACCEPTABLE", &bench)
    check(bench.ask("POST", path, body, by: "branch", type: "text/plain"), 415, "E_MEDIA_TYPE", &bench)
    check(bench.ask("POST", path, "", by: "branch", isTooLong: true), 413, "E_TOO_LONG", &bench)
    let long = body + String(repeating: " ", count: Oracle.Limits.body)
    check(bench.ask("POST", path, long, by: "branch"), 413, "E_TOO_LONG", &bench)
    #expect(bench.ask("POST", path, body).header("WWW-Authenticate") == "Bearer")
    #expect(bench.ask("POST", path, body, by: "branch", accept: "text/html, application/*;q=0.5").status == 200)
    let counters = bench.oracle.counters
    #expect(counters.unauthorized == 4 && counters.forbidden == 1 && counters.notFound == 1)
    #expect(counters.wrongMethod == 2 && counters.notAcceptable == 1 && counters.wrongMediaType == 1)
    #expect(counters.tooLong == 2 && counters.reports == 1)
  }

  @Test func `come twice a second and twenty at once, and no faster`() {
    var bench = Bench.usual()
    let edge = Bench.edge("branch", "r1", 20)
    for _ in 0..<20 { #expect(bench.report(edge, by: "branch").status == 200) }
    let before = bench.everything()
    let reply = bench.report(edge, by: "branch")
    #expect(reply.status == 429 && reply.code == "E_TOO_OFTEN" && reply.header("Retry-After") == "1")
    #expect(bench.everything() == before)
    #expect(bench.report(edge, by: "hq").status == 200, "others have a rate of their own")
    bench.wait(.milliseconds(500))
    #expect(bench.report(edge, by: "branch").status == 200)
    #expect(bench.report(edge, by: "branch").status == 429)
    bench.wait(.seconds(3_600))
    for _ in 0..<20 { #expect(bench.report(edge, by: "branch").status == 200) }
    #expect(bench.report(edge, by: "branch").status == 429)
  }

  @Test func `hold as many edges as one report may, and not one more`() {
    var bench = Bench.usual()
    let edge = Bench.edge("branch", "r1", 20)
    let many = [String](repeating: edge, count: Oracle.Limits.edges).joined(separator: ",")
    #expect(bench.report(many, by: "branch").json["taken"]?.integer == Int64(Oracle.Limits.edges))
    let reply = bench.report(many + "," + edge, by: "branch")
    #expect(reply.status == 400 && reply.field == "edges")
  }

  @Test func `say how a path did only for whoever used it`() {
    var bench = Bench.usual()
    let reply = bench.ask(
      "POST", "/v1/measurements",
      """
      {"outcomes":[{"from":"branch","to":"hq","via":"r1","worked":true,"won":true},
                   {"from":"hq","to":"branch","worked":false},{"from":"branch","to":"hq","via":"r9","worked":true},
                   {"from":"branch","to":"hq","via":null,"worked":true}]}
      """, by: "branch")
    #expect(reply.status == 200 && reply.json["taken"]?.integer == 0)
    #expect(reply.json["refused"]?.array?.map { $0["outcome"]?.integer } == [1, 2])
    #expect(bench.oracle.counters.outcomesTaken == 2 && bench.oracle.counters.outcomesRefused == 2)
  }
}

@Suite struct `What a node is asked to probe` {
  private func asked(_ reply: Reply) -> [String] {
    (reply.json["measure"]?.array ?? []).compactMap { $0["to"]?.string }
  }

  @Test func `is what nobody measured lately: relays for a gateway, gateways for a relay`() {
    var bench = Bench.usual()
    let first = bench.report(Bench.edge("branch", "r1", 20), by: "branch")
    #expect(asked(first) == ["r2"])
    let wish = first.json["measure"]?.array?.first
    #expect(wish?["endpoint"]?.string == "192.0.2.4:51800" && wish?["public_key"]?.string == "KEY-r2")
    #expect(Set(asked(bench.report(Bench.edge("r1", "r2", 9), by: "r1"))) == ["branch", "hq"])
    #expect(asked(bench.report(Bench.edge("branch", "r2", 20), by: "branch")) == [])
    bench.wait(.seconds(331))
    #expect(Set(asked(bench.report(Bench.edge("branch", "hq", 20), by: "branch"))) == ["r1", "r2"])
  }

  @Test func `is bounded, and no relay that never answers keeps others from their turn`() {
    var bench = Bench()
    bench.add("branch", .gateway)
    for number in 0..<60 { bench.add("relay-\(number)", .relay) }
    var seen: Set<String> = []
    for _ in 0..<40 {
      let names = asked(bench.report(Bench.edge("branch", "relay-0", 1), by: "branch"))
      #expect(names.count == Oracle.Limits.wishes && Set(names).count == names.count)
      seen.formUnion(names)
      bench.wait(.seconds(10))
    }
    #expect(seen.count == 59)
  }
}
