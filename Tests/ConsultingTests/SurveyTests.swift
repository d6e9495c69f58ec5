import ALTO
import Consulting
import JSON
import Primitives
import Testing

@Suite struct `A survey of an ALTO server` {
  @Test func `ranks the direct path and detours by what the server has`() throws {
    var question = PathQuestion(from: "branch", to: "hq", count: 2)
    question.objective = .latency
    let text = try ChoiceReport(Survey.choice(question, Survey.server()), to: question).text
    #expect(
      text == """
        branch → hq for latency: 2 paths of 3, chosen by delays alone

           path  delay  loss        rate  why
        1  west  41 ms   2 %  100 Mbit/s  lands first, 59 ms before the direct path
        2  east  60 ms   0 %   20 Mbit/s  lands later by 19 ms

        runner-up  direct: 50 Mbit/s
        left out   1 unmeasured
        not known  prices: the server does not offer them
                   what paths share and what it takes to put their parts in order: ALTO tells of one path at a time
                   which places forward: every PID was taken for a relay

        """)
  }

  @Test(
    arguments: [
      (.throughput, ["west", nil, "east"]), (.latency, ["west", "east", nil]), (.resilience, ["east", nil, "west"]),
      (.cost, ["east", "west", nil]),
    ] as [(PathQuestion.Objective, [String?])])
  func `puts first what the objective is about`(objective: PathQuestion.Objective, order: [String?]) throws {
    var question = PathQuestion(from: "branch", to: "hq", count: 4)
    question.objective = objective
    #expect(try Survey.choice(question, Survey.server()).paths.map(\.via) == order)
  }

  @Test func `keeps to limits, and counts what they forbid`() throws {
    var question = PathQuestion(from: "branch", to: "hq", count: 4)
    question.mostDelay = .milliseconds(60)
    question.mostLoss = 0.01
    let choice = try Survey.choice(question, Survey.server())
    #expect(choice.paths.map(\.via) == ["east"])
    #expect(choice.leftOut.map(\.reason) == ["unmeasured", "too slow", "too lossy"])
    #expect(choice.leftOut.map(\.count) == [1, 1, 1])
    question.mostPrice = 1
    #expect(try Survey.choice(question, Survey.server()).unknown.contains("whether the limit on prices is kept"))
    question.mostDelay = .milliseconds(1)
    let failure = #expect(throws: ConsultingFailure.self) { try Survey.choice(question, Survey.server()) }
    #expect(failure?.description == "no way keeps within the limits")
  }

  @Test(arguments: ["10.1.2.3", "ipv4:10.1.0.0", "branch"]) func `finds places by name and by address`(from: String)
    throws
  {
    let question = PathQuestion(from: from, to: "ipv6:2001:db8::7", count: 1)
    #expect(try Survey.choice(question, Survey.server()).paths.map(\.via) == ["west"])
  }

  @Test(
    arguments: [
      ("brunch", "hq", "the server knows no place 'brunch'; did you mean 'branch'?"),
      ("x\u{1b}[2Jyyyy", "hq", "the server knows no place 'x?[2Jyyyy'; give a PID of its map, or an address"),
      ("10.1.0.1", "branch", "both ends are in the place 'branch'; no way leads between"),
      ("branch", "192.0.2.1", "the server has no costs between 'branch' and '192.0.2.1'"),
    ])
  func `says which end is wrong`(from: String, to: String, sentence: String) {
    let failure = #expect(throws: ConsultingFailure.self) {
      try Survey.choice(PathQuestion(from: from, to: to), Survey.server())
    }
    #expect(failure?.description == sentence)
  }

  @Test func `needs no more than routing costs`() throws {
    let map = try Survey.map(metrics: [.routingCost])
    var question = PathQuestion(from: "branch", to: "hq", count: 2)
    question.objective = .throughput
    let choice = try Survey.choice(question, Survey.server(map, [CostType("rc", .routingCost)]))
    #expect(choice.paths.map(\.via) == ["east", "west"])
    #expect(choice.paths[0].reason == "least routing cost: 3" && choice.paths[1].reason == "routing cost: 4")
    #expect(choice.unknown.contains("delays, losses, rates, prices: the server does not offer them"))
    #expect(choice.unknown.contains("what is best for throughput; paths are in the order of their routing costs"))
    #expect(try #require(JSONValue(reading: ChoiceReport(choice, to: question).json)["not_known"]?.array).count == 4)
  }

  /// Sums, least rates and products of what arrives, for each relay, and nothing better.
  @Test(arguments: 0..<60 as Range<UInt64>) func `finds what trying all ways finds`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let count = Int.random(in: 3...12, using: &random)
    var delays: [[Double?]] = []
    for _ in 0..<count {
      delays.append((0..<count).map { _ in random.next() % 4 == 0 ? nil : Double(random.next() % 100_000) })
    }
    let pids = try (0..<count).map { ALTOMap.PID("n\($0)", [try #require(IPPrefix("10.0.\($0).0/24"))]) }
    var costs: [ALTOMap.Cost] = []
    for from in 0..<count {
      for to in 0..<count { delays[from][to].map { costs.append(ALTOMap.Cost(from: from, to: to, $0)) } }
    }
    let map = try ALTOMap(pids: pids, costs: [(.routingCost, []), (.delay, costs)])
    var best = delays[0][1]
    for relay in 2..<count {
      guard let out = delays[0][relay], let back = delays[relay][1] else { continue }
      best = min(best ?? .infinity, out + back)
    }
    var question = PathQuestion(from: "n0", to: "n1", count: 1)
    question.objective = .latency
    let server = Survey.server(map, [CostType("rc", .routingCost), CostType("ow", .delay)])
    if let best {
      let path = try #require(Survey.choice(question, server).paths.first, "seed \(seed)")
      #expect(path.delay == .nanoseconds(Int64(best * 1e3)), "seed \(seed)")
    } else {
      #expect(throws: ConsultingFailure.self, "seed \(seed)") { try Survey.choice(question, server) }
    }
  }

  @Test func `asks for costs between addresses where there are no cost maps`() throws {
    let types = #"{"d":{"cost-metric":"delay-ow","cost-mode":"numerical"}}"#
    let pages = [
      "/": #"""
      {"meta":{"cost-types":\#(types),"default-alto-network-map":"m"},"resources":{
       "m":{"uri":"/m","media-type":"application/alto-networkmap+json"},
       "e":{"uri":"/e","media-type":"application/alto-endpointcost+json",
            "accepts":"application/alto-endpointcostparams+json","capabilities":{"cost-type-names":["d"]}}}}
      """#,
      "/m": #"""
      {"network-map":{"a":{"ipv4":["10.0.1.0/24"]},"b":{"ipv4":["10.0.2.0/24"]},"r":{"ipv4":["10.0.3.0/24"]},
       "rest":{"ipv4":["0.0.0.0/0"]}}}
      """#,
      "/e": #"""
      {"endpoint-cost-map":{"ipv4:10.0.1.9":{"ipv4:10.0.2.0":9000,"ipv4:10.0.3.0":1000},
       "ipv4:10.0.3.0":{"ipv4:10.0.2.0":2000},"ipv4:9.9.9.9":{"ipv4:1.1.1.1":1}}}
      """#,
    ]
    var bodies: [String] = []
    let choice = try Survey.choice(PathQuestion(from: "10.0.1.9", to: "b", count: 2)) { request in
      if let body = request.body { bodies.append(body.text) }
      return (200, try #require(pages[request.address.path]))
    }
    #expect(choice.paths.map(\.via) == ["r", nil] && choice.paths[0].delay == .milliseconds(3))
    #expect(
      bodies == [
        #"{"cost-type":{"cost-mode":"numerical","cost-metric":"delay-ow"},"endpoints":{"#
          + #""srcs":["ipv4:10.0.1.9","ipv4:10.0.3.0"],"dsts":["ipv4:10.0.2.0","ipv4:10.0.3.0"]}}"#
      ])
  }

  @Test func `follows a directory to others, and not in a circle`() throws {
    func page(_ uri: String) -> String {
      #"{"resources":{"d":{"uri":"\#(uri)","media-type":"application/alto-directory+json"}}}"#
    }
    var asked: [String] = []
    let failure = #expect(throws: ConsultingFailure.self) {
      try Survey.choice(PathQuestion(from: "a", to: "b")) { request in
        asked.append(request.address.path)
        return (200, page(request.address.path == "/" ? "x" : "/"))
      }
    }
    #expect(asked == ["/", "/x"])
    #expect(failure?.description.contains("offers no network map") == true)
  }

  @Test func `tells a server's refusal`() {
    let failure = #expect(throws: ConsultingFailure.self) {
      try Survey.choice(PathQuestion(from: "a", to: "b")) { _ in
        (400, #"{"meta":{"code":"E_MISSING_FIELD","field":"pids"}}"#)
      }
    }
    #expect(failure?.description == "http://alto.example.com/ refuses: E_MISSING_FIELD, pids")
  }

  /// Documents with bytes changed at random, as somebody would send them who means harm.
  @Test(arguments: 0..<200 as Range<UInt64>) func `ends in an answer or a sentence, whatever comes`(seed: UInt64) throws
  {
    var random = SeededRandom(seed: seed)
    var server = try Survey.server()
    var question = PathQuestion(from: "branch", to: "hq", count: 4)
    question.objective = PathQuestion.Objective.allCases[Int(seed) % 4]
    let words = ["null", "[]", "{}", "1e308", "-1", "\"\"", "0.0.0.0/0", "9999999999999999999"]
    var requests = 0
    let choice = try? Survey.choice(question) { request in
      requests += 1
      var bytes = Array(try Survey.answer(request, &server).utf8)
      for _ in 0..<(random.next() % 4) {
        let at = Int(random.next() % UInt64(bytes.count))
        if random.next() % 2 == 0 {
          bytes[at] = UInt8(truncatingIfNeeded: random.next())
        } else if let colon = bytes[at...].firstIndex(of: UInt8(ascii: ":")) {
          bytes.insert(contentsOf: Array(words[Int(random.next() % 8)].utf8) + [UInt8(ascii: ",")], at: colon + 1)
        }
      }
      return (200, String(decoding: bytes, as: UTF8.self))
    }
    #expect(requests <= ALTOSurvey.mostRequests, "seed \(seed)")
    if let choice { #expect(!ChoiceReport(choice, to: question).text.isEmpty, "seed \(seed)") }
  }
}

enum Survey {
  /// Over west 1 + 40 ms, over east 30 + 30 ms, directly 100 ms; lost is nothing to speak of over east alone.
  static let edges: [(from: Int, to: Int, values: [Double])] = [
    (0, 1, [9, 100_000, 1, 6_250_000]), (0, 2, [2, 1_000, 1, 12_500_000]), (2, 1, [2, 40_000, 1, 25_000_000]),
    (0, 3, [1, 30_000, 0, 2_500_000]), (3, 1, [2, 30_000, 0, 5_000_000]), (0, 4, [1, 1, 0, 1]),
  ]

  static func map(
    metrics: [CostMetric] = [.routingCost, .delay, .loss, .throughput],
    places: (inout [ALTOMap.PID]) -> Void = { _ in },
    delays: [ALTOMap.Cost]? = nil
  ) throws -> ALTOMap {
    func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
    var pids = try [
      ALTOMap.PID("branch", [prefix("10.1.0.0/16")]),
      ALTOMap.PID("hq", [prefix("10.2.0.0/16"), prefix("2001:db8::/64")]),
      ALTOMap.PID("west", [prefix("203.0.113.5/32")]), ALTOMap.PID("east", []),
      ALTOMap.PID("deaf", [prefix("203.0.113.7/32")]),
    ]
    places(&pids)
    let known: [CostMetric] = [.routingCost, .delay, .loss, .throughput]
    let costs = known.enumerated().filter { metrics.contains($0.element) }.map { index, metric in
      (metric: metric, costs: edges.map { ALTOMap.Cost(from: $0.from, to: $0.to, $0.values[index]) })
    }
    return try ALTOMap(
      pids: pids,
      costs: costs.map { ($0.metric, $0.metric == .delay ? delays ?? $0.costs : $0.costs) })
  }

  static func server(_ map: ALTOMap? = nil, _ types: [CostType]? = nil) throws -> ALTOServer {
    server(
      try map ?? self.map(),
      types ?? [
        CostType("rc", .routingCost), CostType("ow", .delay), CostType("loss", .loss), CostType("rate", .throughput),
      ])
  }

  static func server(_ map: ALTOMap, _ types: [CostType]) -> ALTOServer {
    ALTOServer(ALTODirectory(costTypes: types, root: "/alto"), map: map)
  }

  static func answer(_ request: WebRequest, _ server: inout ALTOServer) throws -> String {
    var random = SeededRandom(seed: 1)
    let answer = server.respond(
      to: ALTORequest(
        method: request.body == nil ? "GET" : "POST", path: "/alto" + (request.address.path.dropPrefix("/alto")),
        mediaType: request.body?.type, accept: request.accept, body: Array((request.body?.text ?? "").utf8)),
      at: .zero, random: &random)
    guard case .response(let response) = answer, response.status == 200 else { return "\(answer)" }
    return response.body
  }

  static func choice(_ question: PathQuestion, _ server: ALTOServer) throws -> PathChoice {
    var server = server
    return try choice(question) { (200, try answer($0, &server)) }
  }

  static func choice(
    _ question: PathQuestion, _ answer: (WebRequest) throws -> (status: Int, body: String)
  ) throws -> PathChoice {
    var survey = ALTOSurvey(question, at: try #require(ResourceAddress("http://alto.example.com/")))
    while let request = survey.nextRequest() {
      let (status, body) = try answer(request)
      try survey.receive(WebReply(status: status, type: nil, body: Array(body.utf8)))
    }
    return try survey.choice()
  }
}

extension String {
  fileprivate func dropPrefix(_ prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
}
