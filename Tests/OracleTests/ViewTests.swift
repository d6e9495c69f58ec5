import JSON
@testable import Oracle
import PathOracle
import Primitives
import Testing

@Suite struct `The map as ALTO shows it` {
  private func get(_ bench: inout Bench, _ path: String) -> JSONValue {
    let reply = bench.ask("GET", "/alto/" + path, by: "noc")
    #expect(reply.status == 200, "\(path): \(reply.text)")
    return reply.json
  }

  @Test func `has a PID for each node, with what is behind it and its own addresses`() {
    var bench = Bench.usual()
    bench.add("hq.north", .gateway, prefixes: ["10.1.0.0/16", "fd00::/48"])
    let map = get(&bench, "networkmap")["network-map"]
    #expect(map?["branch"]?["ipv4"]?.array == [.string("10.1.0.0/16"), .string("192.0.2.1/32")])
    #expect(map?["hq:north"]?["ipv6"]?.array == [.string("fd00::/48")], "ALTO has no dot in names")
    #expect(map?["hq:north"]?["ipv4"]?.array == [.string("192.0.2.5/32")], "branch has the other network already")
    #expect(map?["r1"]?["ipv4"]?.array == [.string("192.0.2.3/32")] && map?["elsewhere"] != nil)
  }

  @Test func `has costs in ALTO's units`() {
    var bench = Bench.usual()
    _ = bench.report(
      """
      {"from":"branch","to":"r1","round_trip_us":40000,"excess":[[0,90],[2000,10]],"loss":0.01,"rate_bps":80000000}
      """, by: "branch")
    func cost(_ name: String) -> Double? {
      get(&bench, "costmap/types/" + name)["cost-map"]?["branch"]?["r1"]?.number
    }
    #expect(cost("delay-ow") == 20_000 && cost("delay-rt") == 40_000)
    #expect(cost("lossrate") == 1 && cost("tput") == 10_000_000)
    #expect((cost("delay-variation-p99") ?? 0) > 1_500)
    #expect(
      (30...33).contains(cost("routing") ?? 0), "20 ms, 0.2 on average, twice 0.6, and 10 for a hundredth of loss")
    #expect(cost("routing-order") == 1)
  }

  @Test func `answers by address`() {
    var bench = Bench.usual()
    _ = bench.report(Bench.edge("branch", "hq", 30), by: "branch")
    let reply = bench.ask(
      "POST", "/alto/endpointcost/lookup",
      """
      {"cost-type":{"cost-mode":"numerical","cost-metric":"delay-rt"},
       "endpoints":{"srcs":["ipv4:10.1.2.3"],"dsts":["ipv4:10.2.9.9","ipv4:203.0.113.77"]}}
      """, by: "noc", type: "application/alto-endpointcostparams+json")
    #expect(reply.status == 200, "\(reply.text)")
    #expect(
      reply.json["endpoint-cost-map"]?["ipv4:10.1.2.3"] == .object(["ipv4:10.2.9.9": .integer(60_000)]))
  }

  @Test func `says which relays and providers two paths share`() throws {
    var bench = Bench.usual()
    bench.add("r3", .relay, provider: "AS1")
    _ = bench.report(
      [Bench.edge("branch", "r1", 5), Bench.edge("branch", "r3", 6, rate: 300_000_000), Bench.edge("branch", "r2", 7)]
        .joined(separator: ","), by: "branch")
    let reply = bench.ask(
      "POST", "/alto/pathvector/costmap",
      """
      {"cost-type":{"cost-mode":"array","cost-metric":"ane-path"},"pids":{"srcs":["branch"],"dsts":["r1","r2","r3"]},
       "ane-property-names":["max-reservable-bandwidth"]}
      """, by: "noc", type: "application/alto-costmapfilter+json")
    #expect(reply.status == 200, "\(reply.text)")
    #expect(
      reply.text.contains(#""r1":["net:AS1","relay:r1"],"r2":["net:AS2","relay:r2"],"r3":["net:AS1","relay:r3"]"#))
    #expect(reply.text.contains(#"".ane:net:AS1":{"max-reservable-bandwidth":300000000}"#))
    #expect(reply.text.contains(#"".ane:relay:r1":{"max-reservable-bandwidth":1000000000}"#))
  }

  @Test func `tells providers apart whose names ALTO could not`() {
    var bench = Bench()
    bench.add("a", .gateway)
    for (index, provider) in ["Ünï", "Äöï", String(repeating: "x", count: 64), "x y", "x_y"].enumerated() {
      bench.add("r\(index)", .relay, provider: provider)
      _ = bench.report(Bench.edge("a", "r\(index)", 5), by: "a")
    }
    let reply = bench.ask(
      "POST", "/alto/pathvector/costmap",
      #"{"cost-type":{"cost-mode":"array","cost-metric":"ane-path"},"pids":{"srcs":["a"],"dsts":[]}}"#, by: "a",
      type: "application/alto-costmapfilter+json")
    #expect(reply.status == 200)
    #expect(reply.text.contains(#""net:x_y","#) && reply.text.contains(#""net:x_y:2","#), "\(reply.text)")
  }

  @Test func `is made anew at most once a second, and only when something changed`() {
    var bench = Bench.usual()
    func delay() -> Double? { get(&bench, "costmap/types/delay-rt")["cost-map"]?["branch"]?["r1"]?.number }
    _ = bench.report(Bench.edge("branch", "r1", 10), by: "branch")
    #expect(delay() == 20_000 && bench.view.counters.views == 1)
    _ = bench.report(Bench.edge("branch", "r1", 15), by: "branch")
    #expect(delay() == 20_000 && bench.view.counters.views == 1)
    bench.wait(.seconds(1))
    #expect(delay() == 30_000 && bench.view.counters.views == 2)
    bench.wait(.seconds(10))
    #expect(delay() == 30_000 && bench.view.counters.views == 2)
  }

  @Test func `is drawn from the beginning when a node leaves while it is drawn, and in pieces is the same`() throws {
    var bench = Bench.usual()
    _ = bench.report(
      [Bench.edge("branch", "hq", 9), Bench.edge("branch", "r1", 1), Bench.edge("branch", "r2", 2)]
        .joined(separator: ","), by: "branch")
    func finish(_ bench: inout Bench, atMost edges: Int) -> ALTODrawing? {
      for _ in 0..<10 {
        if let drawing = bench.oracle.draw(atMost: edges, at: bench.now) { return drawing }
      }
      return nil
    }
    let pieces = try #require(finish(&bench, atMost: 1))
    let whole = try #require(finish(&bench, atMost: .max))
    #expect(pieces.edges == whole.edges && pieces.edges.count == 3 && pieces.nodes == whole.nodes)
    let begun = bench.oracle.draw(atMost: 1, at: bench.now) == nil
    let removed = bench.oracle.removeNode("hq")
    #expect(begun && removed)
    let drawing = try #require(finish(&bench, atMost: 1))
    #expect(drawing.nodes.map(\.name) == ["branch", "r1", "r2"] && drawing.edges.count == 2)
    #expect(drawing.edges.map(\.to) == [1, 2] && drawing.revision == bench.oracle.revision)
  }

  @Test func `tells a stream what changed, a second after it changed, and that it is alive`() {
    var bench = Bench.usual()
    _ = bench.report(Bench.edge("branch", "r1", 10), by: "branch")
    let reply = bench.ask(
      "POST", "/alto/updates", #"{"add":{"c":{"resource-id":"costmap-delay-rt"}}}"#, by: "noc",
      type: "application/alto-updatestreamparams+json")
    #expect(reply.status == 200 && reply.streams && reply.type == "text/event-stream")
    #expect(bench.events.count == 2)
    bench.events = []
    _ = bench.report(Bench.edge("branch", "r1", 15), by: "branch")
    #expect(bench.events.isEmpty)
    bench.wait(.seconds(1))
    #expect(bench.events.count == 1 && bench.events.first?.contains(#"{"branch":{"r1":30000}}"#) == true)
    bench.wait(.seconds(15))
    #expect(bench.events.count == 2 && bench.events.last == ":\n\n")
  }

  @Test func `refuses as ALTO does, and a long body too`() {
    var bench = Bench.usual()
    let before = bench.everything()
    let type = "application/alto-costmapfilter+json"
    #expect(bench.ask("POST", "/alto/costmap/filtered", "", by: "noc", type: type, isTooLong: true).status == 413)
    #expect(bench.ask("POST", "/alto/costmap/filtered", "{", by: "noc", type: type).status == 400)
    #expect(bench.ask("GET", "/alto/costmap/filtered", by: "noc").status == 405)
    #expect(bench.ask("GET", "/alto/nothing", by: "noc").status == 404)
    #expect(bench.ask("GET", "/alto/networkmap", by: "noc", accept: "text/html").status == 406)
    #expect(bench.ask("GET", "/alto", by: "noc").status == 200)
    #expect(bench.everything() == before)
  }
}
