import ALTO
import JSON
import Primitives
import Testing

@Suite struct `A stream of updates` {
  private let both =
    #"{"add":{"costs":{"resource-id":"costmap-num-routing"},"net":{"resource-id":"my-default-network-map"}}}"#

  private func control(_ events: [Event]) throws -> String {
    let uri = try #require(try events.first?.document["control-uri"]?.string)
    return String(uri.dropFirst("http://alto.example.com".count))
  }

  @Test func `begins with its control, then has every document whole, the network map first`() throws {
    var desk = try Desk()
    let (_, events) = try desk.open(both)
    #expect(events.map(\.name) == ["", "net", "costs"])
    #expect(events[0].type == "application/alto-updatestreamcontrol+json")
    #expect(try events[0].document["started"]?.text == #"["costs","net"]"#)
    let path = try control(events)
    #expect(path.hasPrefix("/alto/updates/") && path.utf8.count == "/alto/updates/".utf8.count + 32)
    #expect(events[1].type == "application/alto-networkmap+json" && events[2].type == "application/alto-costmap+json")
    #expect(try events[1].document == desk.document(get: "/alto/networkmap"))
    #expect(try events[2].document == desk.document(get: "/alto/costmap/types/num-routing"))
    #expect(desk.server.streamCount == 1 && desk.server.counters.streamsOpened == 1)
  }

  @Test func `has nothing to say when nothing changed`() throws {
    var desk = try Desk()
    _ = try desk.open(both)
    #expect(try desk.replace(.example()).isEmpty)
  }

  @Test func `says what changed as a merge patch`() throws {
    var desk = try Desk()
    let (id, _) = try desk.open(both)
    let events = try desk.replace(
      .example(routing: {
        $0[1].value = 6; $0.remove(at: 2)
      }))
    #expect(events.map(\.type) == ["application/merge-patch+json"])
    #expect(events[0].stream == id && events[0].name == "costs")
    #expect(events[0].data == #"{"cost-map":{"PID1":{"PID2":6,"PID3":null}}}"#)
  }

  @Test func `tells of the network map before the costs that depend on it`() throws {
    var desk = try Desk()
    _ = try desk.open(both)
    let more = ALTOMap.PID("PID4", [try ALTOMap.prefix("203.0.113.0/24")])
    let events = try desk.replace(.example(more: [more]))
    #expect(events.map(\.name) == ["net", "costs"])
    #expect(try events[0].document["network-map"]?.text == #"{"PID4":{"ipv4":["203.0.113.0/24"]}}"#)
    #expect(try events[1].document["meta"]?["dependent-vtags"]?.array?.count == 1)
  }

  @Test func `says everything to a client that takes no patches`() throws {
    var desk = try Desk()
    _ = try desk.open(#"{"add":{"c":{"resource-id":"costmap-num-routing","incremental-changes":false}}}"#)
    let events = try desk.replace(.example(routing: { $0[1].value = 6 }))
    #expect(events.map(\.type) == ["application/alto-costmap+json"])
    #expect(try events[0].document == desk.document(get: "/alto/costmap/types/num-routing"))
  }

  @Test func `does not repeat the network map that the client has`() throws {
    var desk = try Desk()
    let tag = desk.server.map.tag
    let (_, known) = try desk.open(#"{"add":{"n":{"resource-id":"my-default-network-map","tag":"\#(tag)"}}}"#)
    #expect(known.map(\.name) == [""])
    let (_, old) = try desk.open(#"{"add":{"n":{"resource-id":"my-default-network-map","tag":"older"}}}"#)
    #expect(old.map(\.name) == ["", "n"])
  }

  @Test func `follows questions of the client's own, several parts always whole`() throws {
    var desk = try Desk()
    let (_, first) = try desk.open(
      #"{"add":{"f":{"resource-id":"filtered-cost-map","input":{"cost-type":\#(routing),"constraints":["le 5"]}},"#
        + #""e":{"resource-id":"endpoint-cost","input":{"cost-type":\#(routing),"endpoints":{"dsts":["ipv4:"#
        + #"198.51.100.200"]}}},"v":{"resource-id":"path-vector","input":{"cost-type":\#(vector)}}}}"#)
    #expect(first.map(\.name) == ["", "f", "e", "v"])
    #expect(first[3].type == "multipart/related;boundary=hawser-part;type=application/alto-costmap+json")
    #expect(first[3].data.hasPrefix("--hawser-part\nContent-ID: <costmap@alto.example.com>\n"))
    // A cost that fails the test from now on is gone.
    let events = try desk.replace(.example(routing: { $0[1].value = 6 }))
    #expect(events.map(\.name) == ["f", "e"])
    #expect(events[0].data == #"{"cost-map":{"PID1":{"PID2":null}}}"#)
    #expect(
      try events[1].document["endpoint-cost-map"]?.text == #"{"ipv4:192.0.2.2":{"ipv4:198.51.100.200":6}}"#)
  }

  @Test func `takes and drops substreams through its control, and ends with the last`() throws {
    var desk = try Desk()
    let (id, first) = try desk.open(both)
    let path = try control(first)
    let added = try desk.post(
      path, "updatestreamparams",
      #"{"add":{"h":{"resource-id":"costmap-num-hop"}},"remove":"#
        + #"["costs"]}"#)
    #expect(added.status == 204 && added.mediaType == nil && added.body.isEmpty)
    let events = try desk.events()
    #expect(events.map(\.name) == ["", "h", ""] && events.allSatisfy { $0.stream == id && !$0.isLast })
    #expect(events[0].data == #"{"started":["h"]}"#)
    #expect(try events[2].document["stopped"]?.text == #"["costs"]"#)
    #expect(try desk.replace(.example(routing: { $0[1].value = 6 })).isEmpty)

    // Twice is once.
    #expect(try desk.post(path, "updatestreamparams", #"{"remove":["costs"]}"#).status == 204)
    #expect(try desk.events().isEmpty)
    #expect(try desk.post(path, "updatestreamparams", #"{"remove":[]}"#).status == 204)
    let last = try desk.events()
    #expect(last.count == 1 && last[0].isLast)
    #expect(try last[0].document["stopped"]?.text == #"["net","h"]"#)
    #expect(desk.server.streamCount == 0 && desk.server.deadline == nil)
    #expect(try desk.post(path, "updatestreamparams", #"{"remove":[]}"#).status == 404)
  }

  /// RFC 8895 §6.6 and §7.6.
  @Test(
    arguments: [
      (false, "{}", "E_MISSING_FIELD", "add", nil), (false, #"{"add":{}}"#, "E_MISSING_FIELD", "add", nil),
      (false, #"{"remove":["x"]}"#, "E_MISSING_FIELD", "add", nil),
      (false, #"{"add":[]}"#, "E_INVALID_FIELD_TYPE", "add", nil),
      (false, #"{"add":{"a":{}}}"#, "E_MISSING_FIELD", "add/a/resource-id", nil),
      (false, #"{"add":{"a":7}}"#, "E_INVALID_FIELD_TYPE", "add/a", nil),
      (
        false, #"{"add":{"a":{"resource-id":"my-networkmap/#"}}}"#,
        "E_INVALID_FIELD_VALUE", "add/a/resource-id", "my-networkmap/#"
      ),
      (false, #"{"add":{"a":{"resource-id":"updates"}}}"#, "E_INVALID_FIELD_VALUE", "add/a/resource-id", "updates"),
      (false, #"{"add":{"a":{"resource-id":"directory"}}}"#, "E_INVALID_FIELD_VALUE", "add/a/resource-id", "directory"),
      (false, #"{"add":{"a":{"resource-id":7}}}"#, "E_INVALID_FIELD_TYPE", "add/a/resource-id", nil),
      (
        false, #"{"add":{"a.b":{"resource-id":"my-default-network-map"}}}"#, "E_INVALID_FIELD_VALUE", "add", #"["a.b"]"#
      ),
      (
        false,
        #"{"add":{"a":{"resource-id":"my-default-network-map","incremental-changes":"no"}}}"#, "E_INVALID_FIELD_TYPE",
        "add/a/incremental-changes", nil
      ),
      (false, #"{"add":{"a":{"resource-id":"filtered-cost-map"}}}"#, "E_MISSING_FIELD", "add/a/input", nil),
      (
        false, #"{"add":{"a":{"resource-id":"filtered-cost-map","input":[]}}}"#,
        "E_INVALID_FIELD_TYPE", "add/a/input", nil
      ),
      // A wrong input has the error that its resource would have.
      (
        false,
        #"{"add":{"a":{"resource-id":"filtered-cost-map","input":{"cost-type":{"cost-mode":"foo","cost-metric":"#
          + #""routingcost"}}}}}"#,
        "E_INVALID_FIELD_VALUE", "cost-type/cost-mode", "foo"
      ),
      (true, "{}", "E_MISSING_FIELD", "add", nil),
      (true, #"{"remove":["costs","x","y"]}"#, "E_INVALID_FIELD_VALUE", "remove", #"["x","y"]"#),
      (true, #"{"remove":"costs"}"#, "E_INVALID_FIELD_TYPE", "remove", nil),
      (true, #"{"add":{"net":{"resource-id":"costmap-num-hop"}}}"#, "E_INVALID_FIELD_VALUE", "add", #"["net"]"#),
      (
        true, #"{"add":{"h":{"resource-id":"costmap-num-hop"}},"remove":["h"]}"#,
        "E_INVALID_FIELD_VALUE", "remove", #"["h"]"#
      ),
      (true, #"{"add":{"h":{"resource-id":"costmap-num-hop"}},"remove":[]}"#, "E_INVALID_FIELD_VALUE", "remove", "[]"),
      (
        true, #"{"add":{"h":{"resource-id":"beauty"}},"remove":["costs"]}"#,
        "E_INVALID_FIELD_VALUE", "add/h/resource-id", "beauty"
      ),
    ] as [(Bool, String, String, String, String?)])
  func `that is asked for wrongly does not change, and says why`(
    isControl: Bool, body: String, code: String, field: String, value: String?
  ) throws {
    var desk = try Desk()
    let path = try isControl ? control(desk.open(both).events) : "/alto/updates"
    let response = try desk.post(path, "updatestreamparams", body)
    #expect(response.status == 400 && response.mediaType == "application/alto-error+json")
    let meta = try #require(try JSONValue(reading: response.body)["meta"])
    #expect(meta["code"]?.string == code && meta["field"]?.string == field, "\(response.body)")
    #expect(meta["value"]?.string == value, "\(response.body)")
    #expect(try desk.events().isEmpty && desk.server.streamCount == (isControl ? 1 : 0))
    if isControl { #expect(try desk.replace(.example(routing: { $0[1].value = 6 })).map(\.name) == ["costs"]) }
  }

  @Test func `does not come back: a name is used once`() throws {
    var desk = try Desk()
    let path = try control(desk.open(both).events)
    _ = try desk.post(path, "updatestreamparams", #"{"remove":["costs"]}"#)
    _ = try desk.events()
    #expect(
      try desk.post(path, "updatestreamparams", #"{"add":{"costs":{"resource-id":"costmap-num-hop"}}}"#).status == 400)
  }

  @Test func `is not opened beyond the bounds`() throws {
    var limits = ALTOServer.Limits()
    (limits.streams, limits.substreams) = (2, 2)
    var desk = try Desk(limits: limits)
    let one = #"{"add":{"n":{"resource-id":"my-default-network-map"}}}"#
    let (id, first) = try desk.open(one)
    let path = try control(first)
    _ = try desk.open(one)
    let full = try desk.post("/alto/updates", "updatestreamparams", one)
    #expect(full.status == 503 && full.headers.first?.name == "Retry-After")
    // Of a stream's substreams those count that are gone.
    let add = #"{"add":{"NAME":{"resource-id":"costmap-num-hop"}}}"#
    #expect(try desk.post(path, "updatestreamparams", add.replacing("NAME", with: "a")).status == 204)
    #expect(try desk.events().count == 2)
    #expect(try desk.post(path, "updatestreamparams", #"{"remove":["a"]}"#).status == 204)
    #expect(try desk.events().count == 1)
    #expect(try desk.post(path, "updatestreamparams", add.replacing("NAME", with: "b")).status == 503)
    desk.server.close(id)
    #expect(try desk.open(one).events.count == 2)
    #expect(desk.server.counters.unavailable == 2 && desk.server.counters.streamsOpened == 3)
  }

  @Test func `is not opened for more different questions than may be, and for the same ones it is`() throws {
    var limits = ALTOServer.Limits()
    limits.questions = 2
    var desk = try Desk(limits: limits)
    let (_, first) = try desk.open(both)
    _ = try desk.open(both)
    let third = #"{"add":{"h":{"resource-id":"costmap-num-hop"}}}"#
    #expect(try desk.post("/alto/updates", "updatestreamparams", third).status == 503)
    #expect(try desk.post(control(first), "updatestreamparams", third).status == 503)
    // Both streams are told, from one answer.
    let events = try desk.replace(.example(routing: { $0[1].value = 6 }))
    #expect(events.map(\.name) == ["costs", "costs"] && events[0].data == events[1].data)
    #expect(events[0].stream != events[1].stream)
  }

  @Test func `is not controlled by who only guesses`() throws {
    var desk = try Desk()
    let path = try control(desk.open(both).events)
    let other = try control(desk.open(both).events)
    #expect(path != other)
    let zeros = "/alto/updates/" + String(repeating: "0", count: 32)
    for guess in ["/alto/updates/1", String(path.dropLast()), path + "0", zeros] {
      #expect(try desk.post(guess, "updatestreamparams", #"{"remove":[]}"#).status == 404)
    }
    #expect(try desk.get(path).status == 405)
    #expect(desk.server.streamCount == 2)
  }

  @Test func `says something every 15 seconds`() throws {
    var desk = try Desk()
    _ = try desk.open(both)
    #expect(desk.server.deadline == desk.now + .seconds(15))
    desk.server.expire(at: desk.now + .seconds(14))
    #expect(desk.server.nextOutput() == nil)
    desk.now += .seconds(15)
    desk.server.expire(at: desk.now)
    #expect(desk.server.nextOutput()?.text == ":\n\n")
    #expect(desk.server.nextOutput() == nil)
    #expect(desk.server.deadline == desk.now + .seconds(15))
  }

  @Test func `has no long lines, and the same document in all of them`() throws {
    let pids = (0..<40).map { ALTOMap.PID("a-site-with-a-long-name-\($0)", []) }
    let costs = (0..<40).flatMap { from in (0..<40).map { ALTOMap.Cost(from: from, to: $0, Double(from + $0)) } }
    let map = try ALTOMap(pids: pids, costs: [(.routingCost, costs)])
    var desk = try Desk(map, directory: ALTODirectory(costTypes: [CostType("rc", .routingCost)]))
    let request = ALTORequest(
      method: "POST", path: "/alto/updates", mediaType: "application/alto-updatestreamparams+json",
      body: Array(#"{"add":{"c":{"resource-id":"costmap-rc"}}}"#.utf8))
    _ = desk.server.respond(to: request, at: desk.now, random: &desk.random)
    _ = desk.server.nextOutput()
    let first = desk.server.nextOutput()
    let output = try #require(first)
    _ = desk.server.nextOutput()
    #expect(output.text.split(separator: "\n").allSatisfy { $0.utf8.count < 4_200 })
    #expect(try Event(output).document == desk.document(get: "/alto/costmap/types/rc"))
  }

  @Test func `breaks no line inside of a string`() throws {
    let value = String(repeating: #"a,"b\,"#, count: 2_000)
    let map = try ALTOMap(
      pids: [.init("site", [ALTOMap.prefix("0.0.0.0/0")], properties: [("priv:ietf-example-prop", value)])])
    var desk = try Desk(map)
    let input = #"{"properties":["priv:ietf-example-prop"],"endpoints":["ipv4:192.0.2.1","ipv4:192.0.2.2"]}"#
    let (_, events) = try desk.open(#"{"add":{"p":{"resource-id":"endpoint-properties","input":\#(input)}}}"#)
    let document = try events[1].document
    for address in ["ipv4:192.0.2.1", "ipv4:192.0.2.2"] {
      #expect(document["endpoint-properties"]?[address]?["priv:ietf-example-prop"]?.string == value)
    }
  }

  /// A client that applies what it is sent has what it would get if it asked.
  @Test(arguments: 0..<40 as Range<UInt64>) func `keeps its client as wise as the server`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var desk = try Desk(try someMap(&random))
    var documents: [(name: String, value: JSONValue)] = []
    func take(_ events: [Event]) throws {
      for event in events where !event.name.isEmpty {
        let index = documents.firstIndex { $0.name == event.name }
        if event.type == "application/merge-patch+json" {
          let known = try #require(index, "seed \(seed): a patch before the document")
          documents[known].value = try MergePatch.apply(event.document, to: documents[known].value)
        } else if let index {
          documents[index].value = try event.document
        } else {
          documents.append((event.name, try event.document))
        }
      }
    }
    let input = #"{"multi-cost-types":[\#(routing),\#(hops)],"or-constraints":[["le 5"],["[1] gt 3"]]}"#
    try take(
      desk.open(
        #"{"add":{"n":{"resource-id":"my-default-network-map"},"c":{"resource-id":"costmap-ord-routing"},"#
          + #""f":{"resource-id":"filtered-cost-map","input":\#(input)}}}"#
      ).events)
    for _ in 0..<10 {
      try take(desk.replace(try someMap(&random)))
      let asked = [
        ("n", try desk.document(get: "/alto/networkmap")),
        ("c", try desk.document(get: "/alto/costmap/types/ord-routing")),
        ("f", try desk.document(post: "/alto/costmap/filtered", "costmapfilter", input)),
      ]
      for (name, value) in asked {
        #expect(documents.first { $0.name == name }?.value == value, "seed \(seed): \(name)")
      }
    }
  }
}

private func someMap(_ random: inout SeededRandom) throws -> ALTOMap {
  let count = 1 + Int(random.next() % 5)
  let pids = (0..<count).map { number in
    ALTOMap.PID(
      "P\(number)", [IPPrefix(IPAddress(ipv4: UInt32(number) << 24 | UInt32(random.next() % 3) << 16), length: 16)])
  }
  func costs() -> [ALTOMap.Cost] {
    (0..<(random.next() % 12)).map { _ in
      ALTOMap.Cost(
        from: Int(random.next() % UInt64(count)), to: Int(random.next() % UInt64(count)), Double(random.next() % 8))
    }
  }
  return try ALTOMap(pids: pids, costs: [(.routingCost, costs()), (.hopCount, costs())])
}
