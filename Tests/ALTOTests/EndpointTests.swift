import ALTO
import JSON
import Primitives
import Testing

@Suite struct `Endpoints` {
  /// RFC 7285 §11.4.1.7.
  @Test func `have the properties that are known of them, and no others`() throws {
    var desk = try Desk(.example(tag: "7915dc0290c2705481c491a2b4ffbec482b3cf62"))
    let response = try desk.post(
      "/alto/endpointprop/lookup", "endpointpropparams",
      #"{"properties":["my-default-network-map.pid","priv:ietf-example-prop"],"#
        + #""endpoints":["ipv4:192.0.2.34","ipv4:203.0.113.129","ipv4:192.0.2.34"]}"#)
    #expect(response.mediaType == "application/alto-endpointprop+json")
    #expect(
      response.body == #"{"meta":{"dependent-vtags":[{"resource-id":"my-default-network-map","#
        + #""tag":"7915dc0290c2705481c491a2b4ffbec482b3cf62"}]},"endpoint-properties":"#
        + #"{"ipv4:192.0.2.34":{"my-default-network-map.pid":"PID1","priv:ietf-example-prop":"1"},"#
        + #""ipv4:203.0.113.129":{"my-default-network-map.pid":"PID3"}}}"#)
  }

  @Test func `depend on the map only when their PID is asked for`() throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/endpointprop/lookup", "endpointpropparams",
      #"{"properties":["priv:ietf-example-prop"],"endpoints":["ipv6:2001:db8::1"]}"#)
    #expect(document.text == #"{"meta":{"dependent-vtags":[]},"endpoint-properties":{"ipv6:2001:db8::1":{}}}"#)
  }

  @Test(arguments: [
    ("ipv4:192.0.2.0", "PID1"), ("ipv4:198.51.100.127", "PID1"), ("ipv4:198.51.100.128", "PID2"),
    ("ipv4:198.51.101.1", "PID3"), ("ipv6:2001:db8::9", "host"), ("ipv6:2001:db8::8", "net"),
    ("ipv6:2001:db9::", "PID3"), ("ipv4:192.0.2.77", "host"),
  ]) func `belong to the PID with the longest prefix`(endpoint: String, pid: String) throws {
    let more = [
      ALTOMap.PID("net", [try ALTOMap.prefix("2001:db8::/32")]),
      ALTOMap.PID("host", [try ALTOMap.prefix("2001:db8::9"), try ALTOMap.prefix("192.0.2.77")]),
    ]
    var desk = try Desk(.example(more: more))
    let document = try desk.document(
      post: "/alto/endpointprop/lookup", "endpointpropparams",
      #"{"properties":["my-default-network-map.pid"],"endpoints":["\#(endpoint)"]}"#)
    #expect(document["endpoint-properties"]?[endpoint]?["my-default-network-map.pid"]?.string == pid)
  }

  @Test(arguments: 0..<50 as Range<UInt64>) func `are found as by looking at every prefix`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var pids: [ALTOMap.PID] = []
    var known = Set<IPPrefix>()
    for number in 0..<20 {
      var prefixes: [IPPrefix] = []
      for _ in 0..<(random.next() % 4) {
        // Few bits, so that they lie in one another.
        let word = UInt32(truncatingIfNeeded: random.next()) & 0xf000_0f00
        let prefix = IPPrefix(IPAddress(ipv4: word), length: Int(random.next() % 33)).network
        if known.insert(prefix).inserted { prefixes.append(prefix) }
      }
      pids.append(ALTOMap.PID("p\(number)", prefixes))
    }
    let map = try ALTOMap(pids: pids)
    var desk = try Desk(map, directory: ALTODirectory(costTypes: [CostType("rc", .routingCost)]))
    for _ in 0..<20 {
      let address = IPAddress(ipv4: UInt32(truncatingIfNeeded: random.next()) & 0xf000_0f03)
      let best = map.pids.flatMap { pid in pid.prefixes.map { (pid.name, $0) } }
        .filter { $0.1.contains(address) }.max { $0.1.length < $1.1.length }
      let document = try desk.document(
        post: "/alto/endpointprop/lookup", "endpointpropparams",
        #"{"properties":["network-map.pid"],"endpoints":["ipv4:\#(address)"]}"#)
      let found = document["endpoint-properties"]?["ipv4:\(address)"]?["network-map.pid"]?.string
      #expect(found == best?.0, "seed \(seed): \(address)")
    }
  }

  /// RFC 7285 §11.5.1.7, with the costs of our map.
  @Test func `are ranked`() throws {
    var desk = try Desk()
    let response = try desk.post(
      "/alto/endpointcost/lookup", "endpointcostparams",
      #"{"cost-type":\#(ordinal),"endpoints":{"srcs":["ipv4:192.0.2.2"],"#
        + #""dsts":["ipv4:192.0.2.89","ipv4:198.51.100.134","ipv4:203.0.113.45"]}}"#)
    #expect(response.mediaType == "application/alto-endpointcost+json")
    let document = try JSONValue(reading: response.body)
    #expect(try document["meta"]?["cost-type"] == JSONValue(reading: ordinal))
    #expect(
      document["endpoint-cost-map"]?.text
        == #"{"ipv4:192.0.2.2":{"ipv4:192.0.2.89":1,"ipv4:198.51.100.134":2,"ipv4:203.0.113.45":3}}"#)
    // OpenALTO's client does not go on without it.
    #expect(document["meta"]?["vtag"]?["resource-id"]?.string == "endpoint-cost")
  }

  @Test(arguments: [
    #"{"dsts":["ipv4:198.51.100.134"]}"#, #"{"srcs":[],"dsts":["ipv4:198.51.100.134"]}"#,
  ]) func `that are not named are the client`(endpoints: String) throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/endpointcost/lookup", "endpointcostparams", #"{"cost-type":\#(routing),"endpoints":\#(endpoints)}"#)
    #expect(document["endpoint-cost-map"]?.text == #"{"ipv4:192.0.2.2":{"ipv4:198.51.100.134":5}}"#)
    let back = try desk.document(
      post: "/alto/endpointcost/lookup", "endpointcostparams",
      #"{"cost-type":\#(routing),"endpoints":{"srcs":["ipv4:203.0.113.9"]}}"#)
    #expect(back["endpoint-cost-map"]?.text == #"{"ipv4:203.0.113.9":{"ipv4:192.0.2.2":20}}"#)
  }

  @Test func `have several costs, tests of them, and none that is not known`() throws {
    var desk = try Desk()
    let document = try desk.document(
      post: "/alto/endpointcost/lookup", "endpointcostparams",
      #"{"multi-cost-types":[\#(hops),\#(throughput)],"testable-cost-types":[\#(routing)],"constraints":["[0] lt 15"],"#
        + #""endpoints":{"srcs":["ipv4:192.0.2.2","ipv4:198.51.100.200"],"#
        + #""dsts":["ipv4:192.0.2.3","ipv4:198.51.100.200","ipv4:203.0.113.1"]}}"#)
    #expect(
      document["endpoint-cost-map"]?.text
        == #"{"ipv4:192.0.2.2":{"ipv4:198.51.100.200":[2,1250000],"ipv4:203.0.113.1":[3,12500000]}}"#)
  }

  @Test func `may have costs that their PIDs do not have`() throws {
    let near = try #require(IPAddress("192.0.2.2"))
    let map = try ALTOMap(
      pids: [.init("a", [ALTOMap.prefix("192.0.2.0/24")])],
      costs: [(.routingCost, [.init(from: 0, to: 0, 7)])],
      endpointCost: { metric, source, destination in
        metric == .routingCost && source == near && destination != near ? 0.5 : nil
      })
    var desk = try Desk(map, directory: ALTODirectory(costTypes: [CostType("rc", .routingCost)]))
    let document = try desk.document(
      post: "/alto/endpointcost/lookup", "endpointcostparams",
      #"{"cost-type":\#(routing),"endpoints":{"srcs":["ipv4:192.0.2.2","ipv4:192.0.2.3"],"dsts":["ipv4:192.0.2.4"]}}"#)
    #expect(
      document["endpoint-cost-map"]?.text
        == #"{"ipv4:192.0.2.2":{"ipv4:192.0.2.4":0.5},"ipv4:192.0.2.3":{"ipv4:192.0.2.4":7}}"#)
  }
}

@Suite struct `Path vectors` {
  /// The parts as a client takes them apart.
  private func takenApart(_ response: ALTOResponse) throws -> [(id: String, type: String, document: JSONValue)] {
    let type = try #require(response.mediaType)
    let mark = try #require(type.split(separator: ";").first { $0.hasPrefix("boundary=") }).dropFirst(9)
    let lines = response.body.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.last == "" && lines.dropLast().last == "--\(mark)--")
    var parts: [(id: String, type: String, document: JSONValue)] = []
    for at in lines.indices where lines[at] == "--\(mark)" {
      #expect(lines[at + 3] == "")
      let id = try #require(lines[at + 1].split(separator: " ").last)
      let type = lines[at + 2].dropFirst("Content-Type: ".count)
      parts.append((String(id), String(type), try JSONValue(reading: lines[at + 4])))
    }
    return parts
  }

  /// RFC 9275 §7.2.
  @Test func `of PIDs are a cost map of names and a map of what they can carry`() throws {
    var desk = try Desk(.example(tag: "53cb7119e57adcb3d9ecc8f6b2f5d8f5"))
    let response = try desk.post(
      "/alto/pathvector/costmap", "costmapfilter",
      #"{"cost-type":\#(vector),"pids":{"srcs":["PID1"],"dsts":["PID2","PID3"]},"#
        + #""ane-property-names":["max-reservable-bandwidth"]}"#)
    #expect(response.status == 200)
    #expect(
      response.mediaType == "multipart/related;boundary=hawser-part;type=application/alto-costmap+json")
    let parts = try takenApart(response)
    #expect(parts.map(\.id) == ["<costmap@alto.example.com>", "<propmap@alto.example.com>"])
    #expect(parts.map(\.type) == ["application/alto-costmap+json", "application/alto-propmap+json"])
    let meta = try #require(parts[0].document["meta"])
    #expect(meta["vtag"]?["resource-id"]?.string == "path-vector.costmap")
    #expect(meta["dependent-vtags"]?.array?.first?["tag"]?.string == "53cb7119e57adcb3d9ecc8f6b2f5d8f5")
    #expect(try meta["cost-type"] == JSONValue(reading: vector))
    #expect(parts[0].document["cost-map"]?.text == #"{"PID1":{"PID2":["L1"],"PID3":["L1","NET3"]}}"#)
    #expect(parts[1].document["meta"]?["dependent-vtags"]?.array?.first == meta["vtag"])
    #expect(
      parts[1].document["property-map"]?.text
        == #"{".ane:L1":{"max-reservable-bandwidth":10000000000},".ane:NET3":{}}"#)
  }

  @Test func `without properties name the elements all the same`() throws {
    var desk = try Desk()
    let parts = try takenApart(try desk.post("/alto/pathvector/costmap", "costmapfilter", #"{"cost-type":\#(vector)}"#))
    #expect(parts[1].document["property-map"]?.text == #"{".ane:L1":{},".ane:L2":{},".ane:NET3":{}}"#)
  }

  @Test func `of endpoints depend on no map`() throws {
    var desk = try Desk()
    let response = try desk.post(
      "/alto/pathvector/endpointcost", "endpointcostparams",
      #"{"cost-type":\#(vector),"endpoints":{"dsts":["ipv4:198.51.100.130","ipv4:192.0.2.9"]},"#
        + #""ane-property-names":["max-reservable-bandwidth"]}"#)
    let parts = try takenApart(response)
    #expect(response.mediaType?.hasSuffix(";type=application/alto-endpointcost+json") == true)
    #expect(parts.map(\.id) == ["<ecs@alto.example.com>", "<propmap@alto.example.com>"])
    #expect(parts[0].document["meta"]?["vtag"]?["resource-id"]?.string == "endpoint-path-vector.ecs")
    #expect(parts[0].document["meta"]?["dependent-vtags"] == nil)
    #expect(
      parts[0].document["endpoint-cost-map"]?.text == #"{"ipv4:192.0.2.2":{"ipv4:198.51.100.130":["L1"]}}"#)
    #expect(parts[1].document["property-map"]?[".ane:L1"]?["max-reservable-bandwidth"]?.integer == 10_000_000_000)
  }
}
