import ALTO
import Consulting
import JSON
import Primitives
import Testing

@Suite struct `Watching a map` {
  @Test func `begins with what there is, and goes on with what changes`() throws {
    var world = try World()
    #expect(
      try world.subscribe().compactMap { $0.text(at: "08:00:00") } == [
        "08:00:00  map       6 places", "08:00:00  delay-ow  6 costs", "08:00:00  lossrate  6 costs",
        "08:00:00  tput      6 costs",
      ])
    try world.replace(delay: {
      $0[1] = nil; $0[0]?.value = 20_100
    })
    #expect(
      try world.lines() == [
        "08:00:01  delay-ow  branch → hq: 100 ms → 20.1 ms", "08:00:01  delay-ow  branch → west: 1 ms → unknown",
      ])
    try world.replace(places: { $0.append(.init("new", [.init(.init(ipv4: 0x0a03_0000), length: 16)])) })
    #expect(try world.lines().contains("08:00:01  place     new appeared, with 10.3.0.0/16"))
    try world.replace()
    #expect(try world.lines().contains("08:00:01  place     new is gone"))
  }

  @Test func `has one JSON object for each change, with units in its keys`() throws {
    var world = try World()
    #expect(
      try world.subscribe().map { $0.json(at: "t") }.prefix(2) == [
        #"{"time":"t","resource":"network-map","event":"whole","metric":null,"places":6}"#,
        #"{"time":"t","resource":"costmap-ow","event":"whole","metric":"delay-ow","costs":6}"#,
      ])
    try world.replace(delay: { $0[0]?.value = 20_100.5 })
    #expect(
      try world.changes().map { $0.json(at: "t") } == [
        #"{"time":"t","resource":"costmap-ow","event":"cost","metric":"delay-ow","from":"branch","to":"hq","#
          + #""before_us":100000,"after_us":20100.5}"#
      ])
  }

  @Test func `has no line for what people would not see, but an object`() throws {
    var world = try World()
    _ = try world.subscribe()
    try world.replace(delay: { $0[0]?.value = 100_001 })
    let changes = try world.changes()
    #expect(changes.count == 1 && changes[0].text(at: "") == nil && changes[0].json(at: "").contains("100001"))
  }

  @Test func `follows the metrics that were asked for, and says which there are`() throws {
    var world = try World(metrics: ["routingcost"])
    #expect(try world.subscribe().compactMap { $0.text(at: "") }.last == "  routingcost  6 costs")
    let failure = #expect(throws: ConsultingFailure.self) { try World(metrics: ["delay-aw"]) }
    #expect(
      failure?.description == "the server streams no costs of the metric 'delay-aw'; did you mean 'delay-ow'?")
  }

  @Test func `asks for whole documents where changes would come in a form that it cannot read`() throws {
    var watch = UpdateWatch(at: try #require(ResourceAddress("http://alto.example.com/")))
    let directory = #"""
      {"meta":{"cost-types":{"r":{"cost-metric":"routingcost","cost-mode":"numerical"}}},"resources":{
       "m":{"uri":"m","media-type":"application/alto-networkmap+json"},
       "c":{"uri":"c","media-type":"application/alto-costmap+json","capabilities":{"cost-type-names":["r"]}},
       "u":{"uri":"u","media-type":"text/event-stream","accepts":"application/alto-updatestreamparams+json",
            "uses":["m","c"],"capabilities":{"incremental-change-media-types":{
             "m":"application/merge-patch+json,application/json-patch+json","c":"application/merge-patch+json"}}}}}
      """#
    _ = watch.nextRequest()
    try watch.receive(WebReply(status: 200, type: nil, body: Array(directory.utf8)))
    #expect(
      watch.subscription().body?.text
        == #"{"add":{"w0":{"resource-id":"m","incremental-changes":false},"w1":{"resource-id":"c"}}}"#)
  }

  @Test func `tells after a lost connection what happened in between`() throws {
    var world = try World()
    _ = try world.subscribe()
    try world.replace(delay: { $0[0]?.value = 7_000 })
    world.forget()
    #expect(try world.subscribe().compactMap { $0.text(at: "t") } == ["t  delay-ow  branch → hq: 100 ms → 7 ms"])
  }

  /// A table that is only told of changes is the server's table.
  @Test(arguments: 0..<40 as Range<UInt64>) func `misses nothing`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var world = try World(metrics: ["delay-ow"])
    _ = try world.subscribe()
    var table: [String: Double] = [:]
    for edge in Survey.edges { table["\(edge.from) \(edge.to)"] = edge.values[1] }
    for _ in 0..<12 {
      try world.replace(delay: { costs in
        for index in costs.indices {
          if random.next() % 3 == 0 {
            costs[index] = nil
          } else if random.next() % 2 == 0 {
            costs[index]?.value = Double(random.next() % 1_000)
          }
        }
      })
      for change in try world.changes() {
        guard case .cost(_, let from, let to, let before, let after) = change.what else { continue }
        let key = try #require(world.key(from, to))
        #expect(table[key] == before, "seed \(seed)")
        table[key] = after
      }
      #expect(table == world.truth, "seed \(seed)")
    }
  }

  @Test(
    arguments: [
      ("application/merge-patch+json,w0", "{}", "the server sends a change of what it never sent"),
      ("application/merge-patch+json,w9", "{}", "the server's stream is about something that nobody asked for"),
      ("application/merge-patch+json,", "{}", "the server's stream is about something that nobody asked for"),
      ("application/x,w99999999999999999999", "{}", "the server's stream is about something that nobody asked for"),
      ("application/json-patch+json,w0", "[]", "the server's stream tells a change in a form that nobody asked for"),
      ("application/merge-patch+json,w0", "{", "the server's stream has something in it that is no JSON"),
      (
        "application/alto-updatestreamcontrol+json", #"{"stopped":["w0"],"description":"restart\u001b"}"#,
        "the server ends the stream: restart?"
      ),
    ])
  func `ends with a sentence when the stream is wrong or over`(name: String, data: String, sentence: String) throws {
    var world = try World()
    let failure = #expect(throws: ConsultingFailure.self) { try world.watch.receive(event: name, data) }
    #expect(failure?.description == sentence)
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func `ends in changes or a sentence, whatever comes`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var world = try World()
    _ = try world.subscribe()
    let words = ["null", "[]", "{}", "1e308", "-1", "\"\"", "{\"a\":null}", "9999999999999999999"]
    for round in 0..<8 {
      try world.replace(delay: { $0[round % 6]?.value = Double(random.next() % 9_000) })
      for event in try world.events() {
        var bytes = Array(event.data.utf8)
        if random.next() % 2 == 0, let colon = bytes[(bytes.count / 2)...].firstIndex(of: UInt8(ascii: ":")) {
          let word = Array(words[Int(random.next() % 8)].utf8)
          bytes.replaceSubrange((colon + 1)..., with: word + Array(repeating: UInt8(ascii: "}"), count: 3))
        }
        let name = random.next() % 8 == 0 ? "application/alto-costmap+json,w0" : event.name
        _ = (try? world.watch.receive(event: name, String(decoding: bytes, as: UTF8.self)))?.map { $0.json(at: "") }
      }
    }
  }
}

/// A server, and somebody who watches it.
private struct World {
  var server: ALTOServer
  var watch: UpdateWatch
  var random = SeededRandom(seed: 5)
  private(set) var truth: [String: Double] = [:]
  private var stream: ALTOServer.StreamID?

  init(metrics: [String] = []) throws {
    server = try Survey.server()
    watch = UpdateWatch(at: try #require(ResourceAddress("http://alto.example.com/alto/")), metrics: metrics)
    while let request = watch.nextRequest() {
      let body = try Survey.answer(request, &server)
      try watch.receive(WebReply(status: 200, type: nil, body: Array(body.utf8)))
    }
  }

  mutating func subscribe() throws -> [MapChange] {
    let request = watch.subscription()
    let answer = server.respond(
      to: ALTORequest(
        method: "POST", path: request.address.path, mediaType: request.body?.type, accept: request.accept,
        body: Array((request.body?.text ?? "").utf8)), at: .zero, random: &random)
    guard case .stream(let id) = answer else {
      Issue.record("no stream: \(answer)")
      return []
    }
    stream = id
    return try changes()
  }

  mutating func forget() {
    _ = try? events()
    if let stream { server.close(stream) }
  }

  mutating func replace(
    places change: (inout [ALTOMap.PID]) -> Void = { _ in }, delay: (inout [ALTOMap.Cost?]) -> Void = { _ in }
  ) throws {
    var costs: [ALTOMap.Cost?] = Survey.edges.map { ALTOMap.Cost(from: $0.from, to: $0.to, $0.values[1]) }
    delay(&costs)
    truth = [:]
    for cost in costs.compactMap({ $0 }) { truth["\(cost.source) \(cost.destination)"] = cost.value }
    server.replace(try Survey.map(places: change, delays: costs.compactMap { $0 }), at: .zero)
  }

  mutating func events() throws -> [(name: String, data: String)] {
    var events: [(name: String, data: String)] = []
    while let output = server.nextOutput() {
      let lines = output.text.split(separator: "\n")
      let name = try #require(lines.first?.dropFirst("event: ".count))
      events.append((String(name), lines.dropFirst().map { $0.dropFirst("data: ".count) }.joined(separator: "\n")))
    }
    return events
  }

  mutating func changes() throws -> [MapChange] {
    var changes: [MapChange] = []
    for event in try events() { changes += try watch.receive(event: event.name, event.data) }
    return changes
  }

  mutating func lines() throws -> [String] { try changes().compactMap { $0.text(at: "08:00:01") } }

  func key(_ from: String, _ to: String) -> String? {
    let names = ["branch", "hq", "west", "east", "deaf"]
    guard let one = names.firstIndex(of: from), let other = names.firstIndex(of: to) else { return nil }
    return "\(one) \(other)"
  }
}
