import ALTO
import JSON
import Primitives
import Testing

@Suite struct `The directory` {
  private func directory() throws -> JSONValue {
    var desk = try Desk()
    return try desk.document(get: "/alto/")
  }

  @Test func `is found at its root, with and without the slash, and has its own type`() throws {
    var desk = try Desk()
    let response = try desk.get("/alto", accept: "application/alto-directory+json,application/alto-error+json")
    #expect(response.mediaType == "application/alto-directory+json")
    #expect(try response.body == desk.get("/alto/").body)
  }

  @Test func `names the default map and every cost type that a resource has`() throws {
    let meta = try #require(try directory()["meta"])
    #expect(meta["default-alto-network-map"]?.string == "my-default-network-map")
    #expect(
      meta["cost-types"]?["num-routing"]?.text
        == #"{"cost-mode":"numerical","cost-metric":"routingcost","description":"My default"}"#)
    #expect(meta["cost-types"]?["num-tput"]?["cost-context"]?["cost-source"]?.string == "nominal")
    let known = try #require(meta["cost-types"]?.object?.members.map(\.name))
    let entries = try #require(try directory()["resources"]?.object)
    for entry in entries.members {
      let names = entry.value["capabilities"]?["cost-type-names"]?.array ?? []
      #expect(names.allSatisfy { known.contains($0.string ?? "") }, "\(entry.name)")
    }
  }

  /// RFC 7285 §9.2.3 has such an entry for each service; RFC 8189, 8895 and 9275 add to them.
  @Test(
    arguments: [
      ("my-default-network-map", "application/alto-networkmap+json", nil, [], "{}"),
      (
        "filtered-network-map", "application/alto-networkmap+json", "application/alto-networkmapfilter+json",
        ["my-default-network-map"], "{}"
      ),
      (
        "costmap-num-routing", "application/alto-costmap+json", nil, ["my-default-network-map"],
        #"{"cost-type-names":["num-routing"]}"#
      ),
      (
        "filtered-cost-map", "application/alto-costmap+json", "application/alto-costmapfilter+json",
        ["my-default-network-map"],
        #"{"cost-type-names":["num-routing","num-hop","ord-routing","ord-hop","num-tput","ord-tput"],"#
          + #""cost-constraints":true,"max-cost-types":6}"#
      ),
      (
        "endpoint-properties", "application/alto-endpointprop+json", "application/alto-endpointpropparams+json", [],
        #"{"prop-types":["my-default-network-map.pid","priv:ietf-example-prop"]}"#
      ),
      (
        "endpoint-cost", "application/alto-endpointcost+json", "application/alto-endpointcostparams+json", [],
        #"{"cost-type-names":["num-routing","num-hop","ord-routing","ord-hop","num-tput","ord-tput"],"#
          + #""cost-constraints":true,"max-cost-types":6}"#
      ),
      (
        "path-vector", "multipart/related;type=application/alto-costmap+json", "application/alto-costmapfilter+json",
        ["my-default-network-map"],
        #"{"cost-type-names":["path-vector"],"ane-property-names":["max-reservable-bandwidth"]}"#
      ),
      (
        "endpoint-path-vector", "multipart/related;type=application/alto-endpointcost+json",
        "application/alto-endpointcostparams+json", [],
        #"{"cost-type-names":["path-vector"],"ane-property-names":["max-reservable-bandwidth"]}"#
      ),
    ] as [(String, String, String?, [String], String)])
  func `says what a resource gives, takes, uses and can`(
    id: String, type: String, accepts: String?, uses: [String], capabilities: String
  ) throws {
    var desk = try Desk()
    let vectors = try desk.document(get: "/alto/pathvector/")["resources"]?[id]
    let entry = try #require(try directory()["resources"]?[id] ?? vectors)
    #expect(entry["media-type"]?.string == type)
    #expect(entry["accepts"]?.string == accepts)
    #expect((entry["uses"]?.array ?? []).compactMap(\.string) == uses)
    #expect((entry["capabilities"] ?? .object([:])).text == capabilities)
    #expect(entry["uri"]?.string?.hasPrefix("http://alto.example.com/alto/") == true)
  }

  @Test func `offers updates of every resource, and patches of those that are one document`() throws {
    let resources = try #require(try directory()["resources"]?.object)
    let entry = try #require(resources["updates"])
    #expect(entry["media-type"]?.string == "text/event-stream")
    #expect(entry["accepts"]?.string == "application/alto-updatestreamparams+json")
    let uses = try #require(entry["uses"]?.array).compactMap(\.string)
    let others = resources.members.map(\.name).filter { $0 != "updates" && $0 != "path-vector-directory" }
    #expect(uses == others + ["path-vector", "endpoint-path-vector"])
    #expect(entry["capabilities"]?["support-stream-control"]?.bool == true)
    let patched = try #require(entry["capabilities"]?["incremental-change-media-types"]?.object)
    #expect(patched["costmap-num-routing"]?.string == "application/merge-patch+json")
    #expect(patched["path-vector"] == nil && patched.count == uses.count - 2)
  }

  /// Their cost mode is younger than RFC 7285, and a client of that RFC refuses a directory that has it.
  @Test func `leads to another one for path vectors`() throws {
    var desk = try Desk()
    let root = try desk.document(get: "/alto/")
    #expect(!root.text.contains("ane-path") && !root.text.contains("multipart"))
    let entry = try #require(root["resources"]?["path-vector-directory"])
    #expect(
      entry.text == #"{"uri":"http://alto.example.com/alto/pathvector/","media-type":"#
        + #""application/alto-directory+json"}"#)
    let vectors = try desk.document(get: "/alto/pathvector/")
    #expect(
      vectors["meta"]?.text
        == #"{"cost-types":{"path-vector":{"cost-mode":"array","cost-metric":"ane-path"}}}"#)
    #expect(vectors["resources"]?.object?.members.map(\.name) == ["path-vector", "endpoint-path-vector"])
  }

  @Test func `leads to resources that answer, each at a place of its own`() throws {
    var desk = try Desk()
    let entries = try #require(try directory()["resources"]?.object?.members)
    var places: [String] = []
    for entry in entries {
      let uri = try #require(entry.value["uri"]?.string)
      let path = String(uri.dropFirst("http://alto.example.com".count))
      places.append(path)
      guard entry.value["accepts"] == nil else {
        #expect(try desk.get(path).status == 405, "\(path)")
        continue
      }
      let response = try desk.get(path, accept: entry.value["media-type"]?.string)
      #expect(response.status == 200 && response.mediaType == entry.value["media-type"]?.string, "\(path)")
    }
    #expect(Set(places).count == places.count)
  }

  @Test func `has relative URIs when nobody said where it is`() throws {
    var desk = try Desk(directory: ALTODirectory(costTypes: [CostType("rc", .routingCost)]))
    let document = try desk.document(get: "/alto/")
    #expect(document["resources"]?["network-map"]?["uri"]?.string == "/alto/networkmap")
  }
}

@Suite struct `Cost metrics` {
  @Test(arguments: [
    ("routingcost", true), ("hopcount", true), ("delay-ow", true), ("delay-ow:p99", true), ("delay-rt:p99.9", true),
    ("tput:mean", true), ("bw-available:cur", true), ("lossrate:stdvar", true), ("priv:hawser-price", true),
    ("delay-ow:p", false), ("delay-ow:p999", false), ("delay-ow:p9.", false), ("delay-ow:often", false),
    ("routingcost:mean", false), ("priv:", false), ("", false), ("a b", false), ("a@b", false),
    (String(repeating: "a", count: 32), true), (String(repeating: "a", count: 33), false),
  ]) func `have names that RFC 7285 and 9439 allow`(name: String, isValid: Bool) {
    #expect((CostMetric(name) != nil) == isValid)
  }

  @Test func `are counted in the units of RFC 9439`() {
    #expect(CostUnit.microseconds(.milliseconds(5)) == 5_000)
    #expect(CostUnit.microseconds(.nanoseconds(1_500)) == 1.5)
    #expect(CostUnit.percent(.init(partsPerBillion: 10_000_000)) == 1)
    #expect(CostUnit.bytesPerSecond(.init(bitsPerSecond: 100_000_000)) == 12_500_000)
  }

  @Test func `are better when they are less, but for rates`() throws {
    #expect(!CostMetric.delay.prefersMore && !CostMetric.loss.prefersMore && !CostMetric.routingCost.prefersMore)
    #expect(CostMetric.throughput.prefersMore && CostMetric.availableBandwidth.prefersMore)
    #expect(try #require(CostMetric("tput:p95")).prefersMore)
  }
}
