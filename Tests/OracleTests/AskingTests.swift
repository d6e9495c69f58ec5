import JSON
@testable import Oracle
import PathOracle
import Primitives
import Testing

@Suite struct `Questions to an oracle` {
  /// Direct 50 ms and lossy, over r1 20 + 20 ms, over r2 30 + 30 ms; the ends say so, both of them.
  private func measured() -> Bench {
    var bench = Bench.usual()
    let edges = [
      ("branch", "hq", 50.0, 20_000_000, 0.01), ("branch", "r1", 20, 80_000_000, 0), ("r1", "hq", 20, 80_000_000, 0),
      ("branch", "r2", 30, 60_000_000, 0), ("r2", "hq", 30, 60_000_000, 0),
    ]
    for (from, to, delay, rate, loss) in edges {
      for end in [from, to] {
        #expect(bench.report(Bench.edge(from, to, delay, rate: rate, loss: loss), by: end).status == 200)
      }
    }
    return bench
  }

  private func query(_ bench: inout Bench, _ more: String = "") -> Reply {
    bench.ask("POST", "/v1/query", "{\"from\":\"branch\",\"to\":\"hq\"\(more)}", by: "noc")
  }

  private func vias(_ reply: Reply) -> [String?] {
    (reply.json["paths"]?.array ?? []).map { $0["via"]?.string }
  }

  @Test func `are answered with the best paths, how to reach their relays, and why`() throws {
    var bench = measured()
    let reply = query(&bench, #","k":1,"objective":"latency""#)
    #expect(reply.status == 200 && vias(reply) == ["r1"])
    let path = try #require(reply.json["paths"]?.array?.first)
    #expect(path["delay_us"]?.integer == 40_000 && path["round_trip_us"]?.integer == 80_000)
    #expect(path["rate_bps"]?.integer == 80_000_000 && path["provider"]?.string == "AS1")
    #expect(path["relay"]?["endpoint"]?.string == "192.0.2.3:51800")
    #expect(path["relay"]?["public_key"]?.string == "KEY-r1")
    #expect(path["reason"]?.string == "lands first, 10 ms before the direct path")
    #expect(reply.json["strategy"]?.string == "model" && reply.json["optimal"]?.bool == true)
    #expect(reply.json["considered"]?.integer == 3 && reply.json["left_out"]?["unmeasured"]?.integer == 0)
  }

  @Test func `for a set say what it costs to put it in order, and which set was next`() throws {
    var bench = measured()
    let reply = query(&bench, #","k":3"#)
    #expect(vias(reply) == ["r1", "r2", nil])
    let set = try #require(reply.json["set"])
    #expect(set["rate_bps"]?.integer == 160_000_000)
    // r1's bytes wait 20 ms for the last path's, r2's wait 0: 80 Mbit/s for 10 to 20 ms.
    let occupancy = try #require(set["occupancy_bytes"]?.integer)
    #expect((100_000...400_000).contains(occupancy), "\(occupancy)")
    let added = try #require(set["added_delay_us"]?.integer)
    #expect((19_000...21_000).contains(added), "\(added)")
    #expect(reply.json["runner_up"]?["via"]?.array?.count == 2)
  }

  @Test func `heed what they forbid, and count what they leave out`() {
    var bench = measured()
    #expect(vias(query(&bench, #","k":1,"forbidden_providers":["AS1"]"#)) == ["r2"])
    let slow = query(&bench, #","k":4,"max_delay_us":45000"#)
    #expect(vias(slow) == ["r1"] && slow.json["left_out"]?["too_slow"]?.integer == 2)
    let none = query(&bench, #","max_delay_us":1000"#)
    #expect(none.status == 200 && vias(none) == [] && none.json["set"] == .null)
    #expect(none.json["left_out"]?["too_slow"]?.integer == 3 && bench.oracle.counters.noPath == 1)
    #expect(vias(query(&bench, #","k":1,"in_use":["r2",null],"objective":"throughput""#)) == ["r1"])
  }

  @Test(arguments: Strategies.names) func `can name their strategy`(name: String) {
    var bench = measured()
    let reply = query(&bench, ",\"strategy\":\"\(name)\"")
    #expect(reply.status == 200 && reply.json["strategy"]?.string == name && !vias(reply).isEmpty)
    #expect(reply.json["race"]?.bool == (name == "race-3"))
  }

  @Test func `are answered by those who raced, once somebody told who won`() {
    var bench = measured()
    _ = bench.ask(
      "POST", "/v1/measurements", #"{"outcomes":[{"from":"branch","to":"hq","via":"r2","worked":true,"won":true}]}"#,
      by: "branch")
    let reply = query(&bench, #","strategy":"race-3""#)
    #expect(vias(reply).first == "r2" && reply.json["race"]?.bool == false)
  }

  @Test(arguments: [
    (#"{"to":"hq"}"#, "E_MISSING_FIELD", "from"), (#"{"from":"branch"}"#, "E_MISSING_FIELD", "to"),
    (#"{"from":"x","to":"hq"}"#, "E_INVALID_FIELD_VALUE", "from"),
    (#"{"from":"branch","to":"x"}"#, "E_INVALID_FIELD_VALUE", "to"),
    (#"{"from":"branch","to":"branch"}"#, "E_INVALID_FIELD_VALUE", "to"),
    (#"{"from":"branch","to":"hq","k":0}"#, "E_INVALID_FIELD_VALUE", "k"),
    (#"{"from":"branch","to":"hq","k":5}"#, "E_INVALID_FIELD_VALUE", "k"),
    (#"{"from":"branch","to":"hq","k":1.5}"#, "E_INVALID_FIELD_VALUE", "k"),
    (#"{"from":"branch","to":"hq","k":"2"}"#, "E_INVALID_FIELD_TYPE", "k"),
    (#"{"from":"branch","to":"hq","objective":"speed"}"#, "E_INVALID_FIELD_VALUE", "objective"),
    (#"{"from":"branch","to":"hq","strategy":"best"}"#, "E_INVALID_FIELD_VALUE", "strategy"),
    (#"{"from":"branch","to":"hq","max_loss":2}"#, "E_INVALID_FIELD_VALUE", "max_loss"),
    (#"{"from":"branch","to":"hq","forbidden_providers":["a",1]}"#, "E_INVALID_FIELD_TYPE", "forbidden_providers[1]"),
    (#"{"from":"branch","to":"hq","in_use":[{}]}"#, "E_INVALID_FIELD_TYPE", "in_use[0]"),
  ])
  func `that are wrong are told where`(body: String, code: String, field: String) {
    var bench = measured()
    let before = bench.everything()
    let reply = bench.ask("POST", "/v1/query", body, by: "noc")
    #expect(reply.status == 400 && reply.code == code && reply.field == field, "\(reply.text)")
    #expect(bench.everything() == before)
  }

  @Test func `need not say where a node is that asks for itself`() {
    var bench = measured()
    #expect(bench.ask("POST", "/v1/query", #"{"to":"hq"}"#, by: "branch").status == 200)
  }

  @Test func `come from whoever may read`() {
    var bench = measured()
    let body = #"{"from":"branch","to":"hq"}"#
    for (path, method, body) in [
      ("/v1/query", "POST", body), ("/v1/map", "GET", ""), ("/v1/status", "GET", ""), ("/alto/networkmap", "GET", ""),
    ] {
      #expect(bench.ask(method, path, body).status == 401)
      #expect(bench.ask(method, path, body, by: "stranger", isOpen: true).status == 401)
      #expect(bench.ask(method, path, body, isOpen: true).status == 200)
      #expect(bench.ask(method, path, body, by: "noc").status == 200)
      #expect(bench.ask(method, path, body, by: "r1").status == 200)
    }
    #expect(bench.ask("DELETE", "/v1/map", by: "noc").header("Allow") == "GET, HEAD")
  }

  /// Both ends tell the truth, a third node lies as it likes: no answer moves.
  @Test(arguments: 0..<50 as Range<UInt64>) func `are answered as before when one source of three lies`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var honest = measured()
    let truth = query(&honest, #","k":2"#).json["paths"]
    var betrayed = measured()
    for (from, to) in [("branch", "hq"), ("branch", "r1"), ("r1", "hq"), ("branch", "r2"), ("r2", "hq")] {
      let liar = from == "r2" || to == "r2" ? "r1" : "r2"
      let lie = Bench.edge(
        from, to, Double(1 + random.below(10_000_000)) / 1_000, rate: Int(1 + random.below(900_000_000_000)),
        loss: random.unit())
      #expect(betrayed.report(lie, by: liar).status == 200)
    }
    #expect(query(&betrayed, #","k":2"#).json["paths"] == truth, "seed \(seed)")
  }

  @Test func `trust what is old less and less, and in the end know nothing`() {
    var bench = measured()
    func confidence(_ bench: inout Bench) -> Double? {
      query(&bench, #","k":1"#).json["paths"]?.array?.first?["confidence"]?.number
    }
    #expect(confidence(&bench) == 1)
    bench.wait(.seconds(330))
    #expect(confidence(&bench) == 0.5)
    bench.wait(.seconds(300))
    #expect(confidence(&bench) == 0.25)
    bench.wait(.seconds(1_800))
    let reply = query(&bench)
    #expect(vias(reply) == [] && reply.json["left_out"]?["unmeasured"]?.integer == 3)
    #expect(bench.oracle.map.reportCount == 0 && bench.oracle.deadline == nil)
  }

  @Test func `know after a restart what was kept, as old as it is`() {
    var before = measured()
    let kept = before.rows.map { row in
      var row = row
      row.age = row.age + .seconds(330)
      return row
    }
    var after = Bench.usual()
    let taken = after.oracle.learn(kept, at: after.now)
    #expect(taken == 10)
    after.drain()
    #expect(after.rows.isEmpty, "what was learnt is no row again")
    let reply = query(&after, #","k":1"#)
    #expect(vias(reply) == vias(query(&before, #","k":1"#)))
    #expect(reply.json["paths"]?.array?.first?["confidence"]?.number == 0.5)
  }

  @Test func `find no node that was taken away, nor what it said`() {
    var bench = measured()
    let removed = [bench.oracle.removeNode("r1"), bench.oracle.removeNode("r1")]
    #expect(removed == [true, false])
    #expect(vias(query(&bench, #","k":1"#)) == ["r2"])
    #expect(bench.report(Bench.edge("branch", "r2", 1), by: "r1").status == 401)
  }
}
