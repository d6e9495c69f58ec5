import ALTO
import JSON
import Primitives
import Testing

@Suite struct `Network maps` {
  @Test func `show every PID with its prefixes`() throws {
    var desk = try Desk(.example(tag: "da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785"))
    let response = try desk.get("/alto/networkmap")
    #expect(response.mediaType == "application/alto-networkmap+json")
    #expect(
      try JSONValue(reading: response.body)
        == JSONValue(
          reading: """
            {"meta": {"vtag": {"resource-id": "my-default-network-map",
                               "tag": "da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785"}},
             "network-map": {"PID1": {"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]},
                             "PID2": {"ipv4": ["198.51.100.128/25"]},
                             "PID3": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}}}
            """))
  }

  @Test func `filtered, have the PIDs that were asked for and the whole map's version`() throws {
    var desk = try Desk(.example(tag: "c0ce023b8678a7b9ec00324673b98e54656d1f6d"))
    let document = try desk.document(
      post: "/alto/networkmap/filtered", "networkmapfilter", #"{"pids":["PID1","PID2"]}"#)
    #expect(
      document.text == #"{"meta":{"vtag":{"resource-id":"my-default-network-map","#
        + #""tag":"c0ce023b8678a7b9ec00324673b98e54656d1f6d"}},"network-map":"#
        + #"{"PID1":{"ipv4":["192.0.2.0/24","198.51.100.0/25"]},"PID2":{"ipv4":["198.51.100.128/25"]}}}"#)
  }

  @Test(arguments: [
    (#"{"pids":[]}"#, "PID1 PID2 PID3"), (#"{"pids":["PID3","PID3","PID1"]}"#, "PID1 PID3"),
    (#"{"pids":["nobody","PID2"]}"#, "PID2"), (#"{"pids":["nobody"]}"#, ""),
    (#"{"pids":["PID2"],"of":{"another":["world"]}}"#, "PID2"),
  ]) func `take an empty list for all, repeated ones once, and leave out whom nobody knows`(
    body: String, names: String
  ) throws {
    var desk = try Desk()
    let document = try desk.document(post: "/alto/networkmap/filtered", "networkmapfilter", body)
    #expect(document["network-map"]?.object?.members.map(\.name).joined(separator: " ") == names)
  }

  @Test(arguments: [
    (#"[]"#, #"{"ipv4":["0.0.0.0/0"],"ipv6":["::/0"]}"#), (#"["ipv6"]"#, #"{"ipv6":["::/0"]}"#),
    (#"["ipv4","ipv4"]"#, #"{"ipv4":["0.0.0.0/0"]}"#), (#"["ipv6","ethernet"]"#, #"{"ipv6":["::/0"]}"#),
    (#"["ethernet"]"#, "{}"),
  ]) func `have the kinds of addresses that were asked for`(types: String, addresses: String) throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/networkmap/filtered", "networkmapfilter", #"{"pids":["PID3"],"address-types":\#(types)}"#)
    #expect(document["network-map"]?["PID3"]?.text == addresses)
  }

  @Test func `hold every address: what nobody claims is elsewhere`() throws {
    let map = try ALTOMap(pids: [.init("site", [ALTOMap.prefix("192.0.2.0/24"), ALTOMap.prefix("::/0")])])
    #expect(map.pids.map(\.name) == ["site", "elsewhere"])
    #expect(map.pids[1].prefixes.map(\.description) == ["0.0.0.0/0"])
  }

  @Test func `have a tag of their own, the same for the same content`() throws {
    #expect(try ALTOMap.example().tag == ALTOMap.example(routing: { $0.removeLast() }).tag)
    let other = try ALTOMap.example(more: [.init("PID4", [ALTOMap.prefix("203.0.113.0/24")])])
    #expect(try ALTOMap.example().tag != other.tag && other.tag.utf8.count == 32)
  }

  @Test func `are refused when names or prefixes are wrong or there twice`() throws {
    func defect(
      _ pids: [ALTOMap.PID], costs: [ALTOMap.Cost] = [], routes: [ALTOMap.Route] = [], tag: String? = nil
    ) -> ALTOMap.Defect? {
      do throws(ALTOMap.Defect) {
        _ = try ALTOMap(pids: pids, costs: [(.delay, costs)], routes: routes, tag: tag)
        return nil
      } catch {
        return error
      }
    }
    let net = try ALTOMap.prefix("192.0.2.0/24")
    #expect(defect([.init("a", [net])]) == nil)
    #expect(defect([.init("a b", [net])]) == .name("a b"))
    #expect(defect([.init("a.b", [])]) == .name("a.b"))
    #expect(defect([.init(String(repeating: "x", count: 65), [])]) == .name(String(repeating: "x", count: 65)))
    #expect(defect([.init("a", []), .init("a", [])]) == .nameTwice("a"))
    // The bits behind the length do not make another prefix.
    #expect(try defect([.init("a", [net]), .init("b", [ALTOMap.prefix("192.0.2.7/24")])]) == .prefixTwice(net))
    #expect(defect([.init("a", [])], costs: [.init(from: 0, to: 2, 1)]) == .noSuchPlace)
    #expect(defect([.init("a", [])], routes: [.init(from: 0, to: 0, [0])]) == .noSuchPlace)
    #expect(defect([.init("a", [])], tag: "a tag") == .tag("a tag"))
  }
}

@Suite struct `Cost maps` {
  @Test func `show the costs between all PIDs, but those that nobody knows`() throws {
    var desk = try Desk(.example(tag: "3ee2cb7e8d63d9fab71b9b34cbf764436315542e"))
    let response = try desk.get("/alto/costmap/types/num-routing")
    #expect(response.mediaType == "application/alto-costmap+json")
    #expect(
      try JSONValue(reading: response.body)
        == JSONValue(
          reading: """
            {"meta": {"dependent-vtags": [{"resource-id": "my-default-network-map",
                                           "tag": "3ee2cb7e8d63d9fab71b9b34cbf764436315542e"}],
                      "cost-type": {"cost-mode": "numerical", "cost-metric": "routingcost"}},
             "cost-map": {"PID1": {"PID1": 1, "PID2": 5, "PID3": 10},
                          "PID2": {"PID1": 5, "PID2": 1, "PID3": 15},
                          "PID3": {"PID1": 20, "PID2": 15}}}
            """))
  }

  @Test(
    arguments: [
      (
        routing, "",
        #"{"PID1":{"PID1":1,"PID2":5,"PID3":10},"PID2":{"PID1":5,"PID2":1,"PID3":15},"PID3":{"PID1":20,"#
          + #""PID2":15}}"#
      ),
      (
        routing, #","pids":{"srcs":["PID1"],"dsts":["PID1","PID2","PID3"]}"#, #"{"PID1":{"PID1":1,"PID2":5,"PID3":10}}"#
      ),
      (
        routing, #","pids":{"srcs":[],"dsts":["PID1","PID1","nobody"]}"#,
        #"{"PID1":{"PID1":1},"PID2":{"PID1":5},"PID3":{"PID1":20}}"#
      ),
      (routing, #","pids":{"srcs":["nobody"],"dsts":[]}"#, "{}"),
      (hops, #","pids":{"srcs":[],"dsts":[]}"#, #"{"PID1":{"PID2":2,"PID3":3},"PID2":{"PID3":6}}"#),
      // Ranks, where equal costs have equal ones.
      (
        ordinal, "",
        #"{"PID1":{"PID1":1,"PID2":2,"PID3":3},"PID2":{"PID1":2,"PID2":1,"PID3":4},"PID3":{"PID1":5,"#
          + #""PID2":4}}"#
      ),
      (ordinal, #","pids":{"srcs":["PID3"],"dsts":[]}"#, #"{"PID3":{"PID1":2,"PID2":1}}"#),
      // The fastest comes first.
      (#"{"cost-mode":"ordinal","cost-metric":"tput"}"#, "", #"{"PID1":{"PID2":2,"PID3":1}}"#),
      (routing, #","constraints":["ge 10","lt 20"]"#, #"{"PID1":{"PID3":10},"PID2":{"PID3":15},"PID3":{"PID2":15}}"#),
      (routing, #","constraints":["gt 15"]"#, #"{"PID3":{"PID1":20}}"#),
      (routing, #","constraints":["le 1"]"#, #"{"PID1":{"PID1":1},"PID2":{"PID2":1}}"#),
      (routing, #","constraints":["eq 5.0"]"#, #"{"PID1":{"PID2":5},"PID2":{"PID1":5}}"#),
      (routing, #","constraints":[" [0]  eq\t1e1 "]"#, #"{"PID1":{"PID3":10}}"#),
      (
        routing, #","constraints":[]"#,
        #"{"PID1":{"PID1":1,"PID2":5,"PID3":10},"PID2":{"PID1":5,"PID2":1,"PID3":15},"#
          + #""PID3":{"PID1":20,"PID2":15}}"#
      ),
      // RFC 8189: an OR of ANDs, also for a single cost.
      (
        routing, #","or-constraints":[["gt 15"],["ge 5","le 5"]]"#,
        #"{"PID1":{"PID2":5},"PID2":{"PID1":5},"PID3":{"#
          + #""PID1":20}}"#
      ),
      // What is tested need not be shown, and who lacks it fails.
      (routing, #","testable-cost-types":[\#(hops)],"constraints":["le 3"]"#, #"{"PID1":{"PID2":5,"PID3":10}}"#),
    ] as [(String, String, String)])
  func `filtered, have what was asked for`(type: String, more: String, costs: String) throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/costmap/filtered", "costmapfilter", #"{"cost-type":\#(type)\#(more)}"#)
    #expect(document["cost-map"]?.text == costs)
    let asked = try JSONValue(reading: type)
    #expect(document["meta"]?["cost-type"]?["cost-metric"] == asked["cost-metric"])
    #expect(document["meta"]?["cost-type"]?["cost-mode"] == asked["cost-mode"])
    #expect(document["meta"]?["dependent-vtags"]?.array?.count == 1)
  }

  @Test(
    arguments: [
      (
        "",
        #"{"PID1":{"PID1":[1,null],"PID2":[5,2],"PID3":[10,3]},"PID2":{"PID1":[5,null],"PID2":[1,null],"PID3":[15,"#
          + #"6]},"PID3":{"PID1":[20,null],"PID2":[15,null]}}"#
      ),
      (#","constraints":["[1] le 5"]"#, #"{"PID1":{"PID2":[5,2],"PID3":[10,3]}}"#),
      (#","constraints":["ge 5","[1] gt 2"]"#, #"{"PID1":{"PID3":[10,3]},"PID2":{"PID3":[15,6]}}"#),
      (
        #","testable-cost-types":[\#(throughput)],"or-constraints":[["[0] ge 10000000"]]"#, #"{"PID1":{"PID3":[10,3]}}"#
      ),
      (#","pids":{"srcs":["PID2"],"dsts":["PID3"]}"#, #"{"PID2":{"PID3":[15,6]}}"#),
    ] as [(String, String)])
  func `of several costs have them in the order of the question, and null for what is not known`(
    more: String, costs: String
  ) throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/costmap/filtered", "costmapfilter", #"{"multi-cost-types":[\#(routing),\#(hops)]\#(more)}"#)
    #expect(document["cost-map"]?.text == costs)
    #expect(document["meta"]?["cost-type"]?.text == "{}")
    #expect(try document["meta"]?["multi-cost-types"] == JSONValue(reading: "[\(routing),\(hops)]"))
  }

  @Test func `never have a cost that is no number or less than nothing`() throws {
    let map = try ALTOMap.example(routing: {
      $0 = [
        .init(from: 0, to: 1, .nan), .init(from: 0, to: 2, -1), .init(from: 1, to: 0, .infinity),
        .init(from: 1, to: 2, 0.25),
      ]
    })
    var desk = try Desk(map)
    #expect(try desk.document(get: "/alto/costmap/types/num-routing")["cost-map"]?.text == #"{"PID2":{"PID3":0.25}}"#)
  }

  @Test func `say which context their costs have, and take it as a question`() throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/costmap/filtered", "costmapfilter",
      #"{"cost-type":{"cost-mode":"numerical","cost-metric":"tput","cost-context":{"cost-source":"nominal"}}}"#)
    #expect(document["meta"]?["cost-type"]?["cost-context"]?["cost-source"]?.string == "nominal")
    #expect(document["cost-map"]?["PID1"]?["PID2"]?.integer == 1_250_000)
  }
}
