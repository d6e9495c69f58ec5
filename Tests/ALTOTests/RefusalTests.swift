import ALTO
import JSON
import Primitives
import Testing

@Suite struct `A wrong request` {
  /// Every case of RFC 7285 §8.5.2 and of RFC 8189, for each resource that takes a body.
  @Test(
    arguments: [
      // What is missing.
      ("networkmap/filtered", "networkmapfilter", "{}", "E_MISSING_FIELD", "pids", nil),
      ("costmap/filtered", "costmapfilter", "{}", "E_MISSING_FIELD", "cost-type", nil),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":{"cost-mode":"numerical"}}"#, "E_MISSING_FIELD",
        "cost-type/cost-metric", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":{"cost-metric":"routingcost"}}"#, "E_MISSING_FIELD",
        "cost-type/cost-mode", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"pids":{"srcs":[]}}"#, "E_MISSING_FIELD",
        "pids/dsts", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"multi-cost-types":[{"cost-mode":"numerical"}]}"#, "E_MISSING_FIELD",
        "multi-cost-types/cost-metric", nil
      ),
      (
        "endpointprop/lookup", "endpointpropparams", #"{"endpoints":["ipv4:1.2.3.4"]}"#,
        "E_MISSING_FIELD", "properties", nil
      ),
      (
        "endpointprop/lookup", "endpointpropparams", #"{"properties":["my-default-network-map.pid"]}"#,
        "E_MISSING_FIELD", "endpoints", nil
      ),
      ("endpointcost/lookup", "endpointcostparams", #"{"cost-type":\#(routing)}"#, "E_MISSING_FIELD", "endpoints", nil),
      ("endpointcost/lookup", "endpointcostparams", #"{"endpoints":{"dsts":[]}}"#, "E_MISSING_FIELD", "cost-type", nil),
      // A resource that cannot do it does not know several costs.
      (
        "pathvector/costmap", "costmapfilter", #"{"multi-cost-types":[\#(vector)]}"#, "E_MISSING_FIELD", "cost-type",
        nil
      ),
      // What has the wrong type.
      ("costmap/filtered", "costmapfilter", "[]", "E_INVALID_FIELD_TYPE", nil, nil),
      ("networkmap/filtered", "networkmapfilter", #"{"pids":"PID1"}"#, "E_INVALID_FIELD_TYPE", "pids", nil),
      ("networkmap/filtered", "networkmapfilter", #"{"pids":null}"#, "E_INVALID_FIELD_TYPE", "pids", nil),
      (
        "networkmap/filtered", "networkmapfilter", #"{"pids":[],"address-types":{}}"#, "E_INVALID_FIELD_TYPE",
        "address-types", nil
      ),
      ("costmap/filtered", "costmapfilter", #"{"cost-type":"routingcost"}"#, "E_INVALID_FIELD_TYPE", "cost-type", nil),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":{"cost-mode":"numerical","cost-metric":7}}"#,
        "E_INVALID_FIELD_TYPE", "cost-type/cost-metric", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"constraints":"le 5"}"#, "E_INVALID_FIELD_TYPE",
        "constraints", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"pids":[]}"#, "E_INVALID_FIELD_TYPE", "pids",
        nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"pids":{"srcs":7,"dsts":[]}}"#,
        "E_INVALID_FIELD_TYPE", "pids/srcs", nil
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"multi-cost-types":{}}"#, "E_INVALID_FIELD_TYPE", "multi-cost-types",
        nil
      ),
      (
        "endpointcost/lookup", "endpointcostparams", #"{"cost-type":\#(routing),"endpoints":{"srcs":true}}"#,
        "E_INVALID_FIELD_TYPE", "endpoints/srcs", nil
      ),
      (
        "endpointprop/lookup", "endpointpropparams", #"{"properties":"pid","endpoints":[]}"#, "E_INVALID_FIELD_TYPE",
        "properties", nil
      ),
      // Values that cannot be, elements of the wrong type among them.
      ("networkmap/filtered", "networkmapfilter", #"{"pids":["PID1",5]}"#, "E_INVALID_FIELD_VALUE", "pids", "5"),
      (
        "networkmap/filtered", "networkmapfilter", #"{"pids":[{"a":[null]}]}"#, "E_INVALID_FIELD_VALUE", "pids",
        #"{"a":[null]}"#
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":{"cost-mode":"foo","cost-metric":"routingcost"}}"#,
        "E_INVALID_FIELD_VALUE", "cost-type/cost-mode", "foo"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":{"cost-mode":"numerical","cost-metric":"beauty"}}"#,
        "E_INVALID_FIELD_VALUE", "cost-type/cost-metric", "beauty"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(vector)}"#, "E_INVALID_FIELD_VALUE",
        "cost-type/cost-metric", "ane-path"
      ),
      (
        "costmap/filtered", "costmapfilter",
        #"{"cost-type":{"cost-mode":"numerical","cost-metric":"tput","cost-context":{"cost-source":"sla"}}}"#,
        "E_INVALID_FIELD_VALUE", "cost-type/cost-context/cost-source", "sla"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"pids":{"srcs":[],"dsts":[1.5]}}"#,
        "E_INVALID_FIELD_VALUE", "pids/dsts", "1.5"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"multi-cost-types":[\#(hops)]}"#,
        "E_INVALID_FIELD_VALUE", "multi-cost-types", "[\(hops)]"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"multi-cost-types":[]}"#,
        "E_INVALID_FIELD_VALUE", "multi-cost-types", "[]"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"multi-cost-types":[\#(routing),"hopcount"]}"#, "E_INVALID_FIELD_VALUE",
        "multi-cost-types", "hopcount"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"testable-cost-types":[]}"#,
        "E_INVALID_FIELD_VALUE", "testable-cost-types", "[]"
      ),
      (
        "costmap/filtered", "costmapfilter",
        #"{"cost-type":\#(routing),"constraints":["le 5"],"or-constraints":[["#
          + #""le 5"]]}"#,
        "E_INVALID_FIELD_VALUE", "or-constraints", #"[["le 5"]]"#
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"or-constraints":[]}"#, "E_INVALID_FIELD_VALUE",
        "or-constraints", "[]"
      ),
      (
        "costmap/filtered", "costmapfilter", #"{"cost-type":\#(routing),"or-constraints":[["le 5"],[]]}"#,
        "E_INVALID_FIELD_VALUE", "or-constraints", "[]"
      ),
      (
        "pathvector/costmap", "costmapfilter",
        #"{"cost-type":\#(vector),"constraints":["le 5"]}"#, "E_INVALID_FIELD_VALUE",
        "constraints", #"["le 5"]"#
      ),
      (
        "pathvector/costmap", "costmapfilter", #"{"cost-type":\#(routing)}"#,
        "E_INVALID_FIELD_VALUE", "cost-type/cost-metric", "routingcost"
      ),
      (
        "pathvector/costmap", "costmapfilter", #"{"cost-type":\#(vector),"ane-property-names":["beauty"]}"#,
        "E_INVALID_FIELD_VALUE", "ane-property-names", "beauty"
      ),
      (
        "endpointprop/lookup", "endpointpropparams", #"{"properties":["a.pid"],"endpoints":["ipv4:1.2.3.4"]}"#,
        "E_INVALID_FIELD_VALUE", "properties", "a.pid"
      ),
      (
        "endpointprop/lookup", "endpointpropparams", #"{"properties":[],"endpoints":["ipv4:1.2.3.4"]}"#,
        "E_INVALID_FIELD_VALUE", "properties", "[]"
      ),
      (
        "endpointprop/lookup", "endpointpropparams",
        #"{"properties":["my-default-network-map.pid"],"endpoints":[]}"#, "E_INVALID_FIELD_VALUE", "endpoints", "[]"
      ),
      (
        "endpointprop/lookup", "endpointpropparams",
        #"{"properties":["my-default-network-map.pid"],"endpoints":["ipv4:1.2.3"]}"#, "E_INVALID_FIELD_VALUE",
        "endpoints", "ipv4:1.2.3"
      ),
      (
        "endpointcost/lookup", "endpointcostparams",
        #"{"cost-type":\#(routing),"endpoints":{"srcs":["ipv6:1.2.3.4"]}}"#,
        "E_INVALID_FIELD_VALUE", "endpoints/srcs", "ipv6:1.2.3.4"
      ),
      (
        "endpointcost/lookup", "endpointcostparams", #"{"cost-type":\#(routing),"endpoints":{"dsts":["10.0.0.1"]}}"#,
        "E_INVALID_FIELD_VALUE", "endpoints/dsts", "10.0.0.1"
      ),
      (
        "endpointcost/lookup", "endpointcostparams", #"{"cost-type":\#(routing),"endpoints":{"srcs":[]}}"#,
        "E_INVALID_FIELD_VALUE", "endpoints", #"{"srcs":[]}"#
      ),
    ] as [(String, String, String, String, String?, String?)])
  func `is told which field is wrong, and with which value`(
    path: String, type: String, body: String, code: String, field: String?, value: String?
  ) throws {
    var desk = try Desk()
    let response = try desk.post("/alto/" + path, type, body)
    #expect(response.status == 400 && response.mediaType == "application/alto-error+json")
    let document = try JSONValue(reading: response.body)
    #expect(document.object?.members.map(\.name) == ["meta"])
    #expect(document["meta"]?["code"]?.string == code, "\(response.body)")
    #expect(document["meta"]?["field"]?.string == field, "\(response.body)")
    #expect(document["meta"]?["value"]?.string == value, "\(response.body)")
    #expect(document["meta"]?["syntax-error"] == nil)
  }

  @Test(arguments: [
    "le", "le five", "5 le", "== 5", "le 5 6", "", "le 05", "[1] le 5", "[-1] le 5", "[0 le 5", "[] le 5", "[0]le 5",
    "[0.5] le 5", "LE 5", "le NaN", "le 1e999",
  ]) func `is told which test is none`(test: String) throws {
    var desk = try Desk()
    for (name, body) in [
      ("constraints", #"{"cost-type":\#(routing),"constraints":["le 5","\#(test)"]}"#),
      ("or-constraints", #"{"cost-type":\#(routing),"or-constraints":[["le 5"],["\#(test)"]]}"#),
    ] {
      let meta = try JSONValue(reading: desk.post("/alto/costmap/filtered", "costmapfilter", body).body)["meta"]
      #expect(meta?["code"]?.string == "E_INVALID_FIELD_VALUE")
      #expect(meta?["field"]?.string == name && meta?["value"]?.string == test)
    }
  }

  @Test func `that is no JSON is told where`() throws {
    var desk = try Desk()
    let response = try desk.post("/alto/costmap/filtered", "costmapfilter", "{\n \"cost-type\": }")
    #expect(response.status == 400)
    let meta = try #require(try JSONValue(reading: response.body)["meta"])
    #expect(meta["code"]?.string == "E_SYNTAX" && meta["field"] == nil && meta["value"] == nil)
    #expect(meta["syntax-error"]?.string == "line 2, column 15: this begins no value")
    #expect(desk.server.counters.syntaxErrors == 1)
  }

  @Test func `with more endpoints than may be is refused, and with as many taken`() throws {
    var desk = try Desk()
    func body(_ sources: Int, _ destinations: Int) -> String {
      func list(_ count: Int, _ second: Int) -> String {
        (0..<count).map { "\"ipv4:10.\(second).\($0 / 250).\($0 % 250)\"" }.joined(separator: ",")
      }
      return #"{"cost-type":\#(routing),"endpoints":{"srcs":[\#(list(sources, 1))],"dsts":["#
        + #"\#(list(destinations, 2))]}}"#
    }
    #expect(try desk.post("/alto/endpointcost/lookup", "endpointcostparams", body(100, 100)).status == 200)
    let refused = try desk.post("/alto/endpointcost/lookup", "endpointcostparams", body(100, 101))
    #expect(refused.status == 400)
    #expect(try JSONValue(reading: refused.body)["meta"]?["field"]?.string == "endpoints")
  }

  @Test func `with more tests than may be is refused, and with as many taken`() throws {
    var desk = try Desk()
    func tests(_ count: Int) -> String { Array(repeating: #""ge 0""#, count: count).joined(separator: ",") }
    for (more, status) in [
      (#""constraints":[\#(tests(32))]"#, 200), (#""constraints":[\#(tests(33))]"#, 400),
      (#""or-constraints":[[\#(tests(16))],[\#(tests(16))]]"#, 200),
      (#""or-constraints":[[\#(tests(16))],[\#(tests(17))]]"#, 400),
    ] {
      let body = #"{"cost-type":\#(routing),\#(more)}"#
      #expect(try desk.post("/alto/costmap/filtered", "costmapfilter", body).status == status)
    }
  }

  @Test func `from nowhere must name both sides`() throws {
    var desk = try Desk()
    let response = try desk.ask(
      ALTORequest(
        method: "POST", path: "/alto/endpointcost/lookup", mediaType: "application/alto-endpointcostparams+json",
        body: Array(#"{"cost-type":\#(routing),"endpoints":{"dsts":["ipv4:192.0.2.1"]}}"#.utf8)))
    #expect(try JSONValue(reading: response.body)["meta"]?["field"]?.string == "endpoints/srcs")
  }

  @Test(
    arguments: [
      (
        "costmap/filtered", "costmapfilter",
        #"{"cost-type":{"cost-mode":"numerical","cost-metric":"routingcost","#
          + #""description":7,"x":null},"y":[{}],"pids":{"srcs":[],"dsts":[],"z":1}}"#
      ),
      (
        "endpointcost/lookup", "endpointcostparams",
        #"{"cost-type":\#(routing),"endpoints":{"dsts":["ipv4:192.0.2.1"],"#
          + #""a":{}},"b":"c"}"#
      ),
      (
        "endpointprop/lookup", "endpointpropparams",
        #"{"x":1,"properties":["my-default-network-map.pid"],"endpoints":["#
          + #""ipv4:192.0.2.1"]}"#
      ),
    ] as [(String, String, String)])
  func `is not one because it says more than we know`(path: String, type: String, body: String) throws {
    var desk = try Desk()
    #expect(try desk.post("/alto/" + path, type, body).status == 200)
  }
}

@Suite struct `HTTP around ALTO` {
  @Test(arguments: [
    ("GET", "/alto/costmap/filtered", "POST"), ("PUT", "/alto/updates", "POST"),
    ("POST", "/alto/networkmap", "GET, HEAD"), ("DELETE", "/alto/", "GET, HEAD"),
    ("get", "/alto/networkmap", "GET, HEAD"),
  ]) func `has one method for each resource`(method: String, path: String, allow: String) throws {
    var desk = try Desk()
    let response = try desk.ask(ALTORequest(method: method, path: path, mediaType: "application/json"))
    #expect(response.status == 405 && response.headers.map(\.name) == ["Allow"])
    #expect(response.headers.first?.value == allow)
    #expect(response.mediaType == "application/alto-error+json")
    let meta = try JSONValue(reading: response.body)["meta"]
    #expect(meta?["code"]?.string == "E_SYNTAX")
    #expect(meta?["syntax-error"]?.string == "this is asked with \(allow.prefix { $0 != "," })")
    #expect(desk.server.counters.wrongMethods == 1)
  }

  @Test(arguments: [
    "/", "/alto/nothing", "/alto/costmap/types/beauty", "/altox", "/alto//networkmap", "", "/alto/updates/",
  ]) func `has nothing elsewhere`(path: String) throws {
    var desk = try Desk()
    let response = try desk.get(path)
    #expect(response.status == 404 && response.mediaType == "application/alto-error+json")
    #expect(try JSONValue(reading: response.body)["meta"]?["code"]?.string == "E_SYNTAX")
    #expect(desk.server.counters.notFound == 1)
  }

  @Test(
    arguments: [
      (nil, 200), ("*/*", 200), ("application/*", 200), ("application/alto-networkmap+json", 200),
      ("application/alto-networkmap+json,application/alto-error+json", 200),
      ("text/html, application/alto-networkmap+json;q=0.5", 200), ("Application/ALTO-NetworkMap+JSON", 200),
      ("text/html", 406), ("application/json", 406), ("application/alto-error+json", 406), ("", 406),
      ("application/alto-networkmap+json;q=0", 406), ("text/*;q=1", 406),
    ] as [(String?, Int)]) func `sends only what the client accepts`(accept: String?, status: Int) throws
  {
    var desk = try Desk()
    #expect(try desk.get("/alto/networkmap", accept: accept).status == status)
  }

  @Test(
    arguments: [
      (nil, 415), ("application/json", 415), ("", 415), ("application/alto-endpointcostparams+json", 415),
      ("application/alto-costmapfilter+json", 200), ("application/alto-costmapfilter+json; charset=utf-8", 200),
      ("Application/Alto-CostMapFilter+JSON", 200),
    ] as [(String?, Int)]) func `takes a body of the resource's own type`(type: String?, status: Int) throws
  {
    var desk = try Desk()
    let response = try desk.ask(
      ALTORequest(
        method: "POST", path: "/alto/costmap/filtered", mediaType: type,
        body: Array(#"{"cost-type":\#(routing)}"#.utf8)))
    #expect(response.status == status)
    if status == 415 {
      let meta = try #require(try JSONValue(reading: response.body)["meta"])
      #expect(meta["code"]?.string == "E_SYNTAX")
      #expect(meta["syntax-error"]?.string == "the body must be application/alto-costmapfilter+json")
    }
  }

  @Test func `takes no body that is too long`() throws {
    var limits = ALTOServer.Limits()
    limits.body = 80
    var desk = try Desk(limits: limits)
    let body = #"{"cost-type":\#(routing)}"#
    let blanks = String(repeating: " ", count: 80 - body.utf8.count)
    #expect(try desk.post("/alto/costmap/filtered", "costmapfilter", body + blanks).status == 200)
    let response = try desk.post("/alto/costmap/filtered", "costmapfilter", body + blanks + " ")
    #expect(response.status == 413 && response.mediaType == "application/alto-error+json")
    #expect(desk.server.counters.tooLong == 1)
  }

  @Test func `counts every request once`() throws {
    var desk = try Desk()
    _ = try desk.get("/alto/networkmap")
    _ = try desk.get("/alto/")
    _ = try desk.get("/alto/nothing")
    _ = try desk.post("/alto/networkmap/filtered", "networkmapfilter", "{}")
    _ = try desk.post("/alto/networkmap/filtered", "networkmapfilter", "[]")
    _ = try desk.post("/alto/networkmap/filtered", "networkmapfilter", #"{"pids":[1]}"#)
    _ = try desk.get("/alto/networkmap", accept: "text/html")
    var counters = ALTOServer.Counters()
    (counters.answered, counters.notFound, counters.missingFields, counters.wrongTypes) = (2, 1, 1, 1)
    (counters.wrongValues, counters.notAcceptable) = (1, 1)
    #expect(desk.server.counters == counters)
  }

  @Test func `is answered from the newest map`() throws {
    var desk = try Desk()
    _ = try desk.replace(.example(routing: { $0[1].value = 6 }))
    #expect(try desk.document(get: "/alto/costmap/types/num-routing")["cost-map"]?["PID1"]?["PID2"]?.integer == 6)
  }
}
