import Consulting
import Primitives
import Testing

@Suite struct `A question to an oracle` {
  @Test func `says what was asked and nothing else`() throws {
    let oracle = try #require(ResourceAddress("http://127.0.0.1:8460"))
    let short = PathQuestion(from: "branch", to: "hq", count: 3).request(to: oracle)
    #expect(short.address.description == "http://127.0.0.1:8460/v1/query")
    #expect(short.accept == "application/json" && short.body?.type == "application/json")
    #expect(short.body?.text == #"{"from":"branch","to":"hq","k":3}"#)
    var question = PathQuestion(from: "branch", to: "h\"q", count: 1)
    question.objective = .latency
    question.strategy = .race
    question.mostPrice = 0.25
    question.mostDelay = .milliseconds(45)
    question.mostLoss = 0.01
    question.forbiddenProviders = ["as64500", "b"]
    question.forbiddenRegions = ["xx"]
    #expect(
      question.request(to: oracle).body?.text
        == #"{"from":"branch","to":"h\"q","k":1,"objective":"latency","max_price":0.25,"max_delay_us":45000,"#
        + #""max_loss":0.01,"forbidden_providers":["as64500","b"],"forbidden_regions":["xx"],"strategy":"race-3"}"#)
  }
}

@Suite struct `An oracle's answer` {
  private let oracle = ResourceAddress("http://127.0.0.1:8460")
  private var question: PathQuestion {
    var question = PathQuestion(from: "branch", to: "hq", count: 2)
    question.objective = .throughput
    return question
  }

  private func choice(_ text: String, status: Int = 200) throws -> PathChoice {
    try PathChoice(
      WebReply(status: status, type: "application/json", body: Array(text.utf8)), to: question,
      from: #require(oracle))
  }

  static let full = #"""
    {"revision":17,"strategy":"model","optimal":true,"race":false,"considered":13,
     "left_out":{"unmeasured":3,"too_slow":0,"forbidden_provider":1},
     "paths":[
      {"via":null,"delay_us":30100.4,"round_trip_us":60200,"deviation_us":2000,"loss":0.0012,"rate_bps":300000000,
       "rate_measured":true,"price_per_gb":0.1,"confidence":1,"provider":"","reason":"carries most: 300 Mbit/s"},
      {"via":"west-1","delay_us":20400,"round_trip_us":40800,"deviation_us":150,"loss":0,"rate_bps":50000000,
       "rate_measured":false,"price_per_gb":0.02,"confidence":0.1,"provider":"as64500","reason":"adds 50 Mbit/s",
       "relay":{"endpoint":"203.0.113.5:51800","public_key":"x"}}],
     "set":{"rate_bps":350000000,"occupancy_bytes":1234567,"added_delay_us":12300,"loss":0.0001},
     "runner_up":{"via":[null,"east-2"],"rate_bps":340000000},"new":{"member":[1]}}
    """#

  @Test func `is a table that is understood at a glance`() throws {
    #expect(
      try ChoiceReport(choice(Self.full), to: question).text == """
        branch → hq for throughput: 2 paths of 13, chosen by model

           path      delay     jitter  round trip    loss        rate  price/GB  provider  why
        1  direct  30.1 ms     ± 2 ms     60.2 ms  0.12 %  300 Mbit/s       0.1  ?         carries most: 300 Mbit/s
        2  west-1  20.4 ms  ± 0.15 ms     40.8 ms     0 %  ~50 Mbit/s      0.02  as64500   adds 50 Mbit/s

        together   350 Mbit/s; 1.23 MB wait to be put in order, 12.3 ms on top; 0.01 % lost
        runner-up  direct and east-2: 340 Mbit/s
        left out   3 unmeasured, 1 forbidden provider
        ~          nobody measured this rate; it is a modest guess
        old        nobody measured lately: west-1

        """)
  }

  @Test func `is for programs what the oracle said`() throws {
    let json = try ChoiceReport(choice(Self.full), to: question).json
    #expect(!json.contains("\n") && json.contains(#""endpoint":"203.0.113.5:51800""#))
    #expect(json.hasPrefix(#"{"revision":17,"strategy":"model","#) && json.hasSuffix(#""new":{"member":[1]}}"#))
  }

  @Test func `may be that there is no path, and says why`() throws {
    let text = #"{"strategy":"model","considered":0,"left_out":{"unmeasured":2,"too_slow":1},"paths":[]}"#
    #expect(
      try ChoiceReport(choice(text), to: question).text == """
        branch → hq for throughput: no path of 0, chosen by model

        left out  2 unmeasured, 1 too slow

        """)
  }

  @Test(
    arguments: [
      (
        400, #"{"error":{"code":"E_VALUE","message":"no such node: \"hw\"","field":"to"}}"#,
        #"the oracle refuses: no such node: "hw" (to)"#
      ),
      (
        401, #"{"error":{"code":"E_TOKEN","message":"a token is needed"}}"#,
        "the oracle refuses: a token is needed; see --token-file"
      ),
      (403, "no", "http://127.0.0.1:8460/v1/query answers with status 403; give a token with --token-file"),
      (404, "<html>", "http://127.0.0.1:8460/v1/query answers with status 404: nothing is there"),
      (503, "", "http://127.0.0.1:8460/v1/query answers with status 503: it is busy, try again later"),
      (200, "hello", "http://127.0.0.1:8460/v1/query answers with something that is no JSON"),
      (200, "{}", "http://127.0.0.1:8460/ is no path oracle: its answer has no list of paths"),
      (200, #"{"paths":[1]}"#, "http://127.0.0.1:8460/ is no path oracle: its answer has no list of paths"),
    ] as [(Int, String, String)])
  func `that is none is told in one sentence`(status: Int, body: String, sentence: String) throws {
    let failure = #expect(throws: ConsultingFailure.self) { try self.choice(body, status: status) }
    #expect(failure?.description == sentence)
  }

  @Test func `of a hostile oracle moves no cursor and overflows nothing`() throws {
    let hostile = #"""
      {"strategy":"\u001b[2J","considered":99999999999999999999,"left_out":{"\u202e":1,"x":9223372036854775807,"y":-1},
       "paths":[{"via":"\u0007\u009b1m","delay_us":1e308,"loss":7,"rate_bps":-1,"price_per_gb":1e300,"confidence":-2,
                 "provider":7,"reason":"a\nb\u2028c"},{"via":[],"delay_us":"1","rate_bps":0.5}],
       "set":{"rate_bps":1e308,"occupancy_bytes":-1,"added_delay_us":1e20},"runner_up":{"via":[7,"\u0000"]}}
      """#
    let text = try ChoiceReport(choice(hostile), to: question).text
    #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && !(0x7f...0x9f).contains($0.value)) })
    #expect(!text.unicodeScalars.contains("\u{202e}") && !text.unicodeScalars.contains("\u{2028}"))
    #expect(text.contains("a?b?c") && text.contains("??1m"))
  }

  @Test func `is not as long as a hostile oracle likes`() throws {
    let path = #"{"via":"x","reason":"\#(String(repeating: "r", count: 5_000))"}"#
    #expect(try ChoiceReport(choice("{\"paths\":[\(path)]}"), to: question).text.utf8.count < 600)
    let many = Array(repeating: "{}", count: 65).joined(separator: ",")
    #expect(throws: ConsultingFailure.self) { try self.choice("{\"paths\":[\(many)]}") }
  }
}

@Suite struct `A figure for people` {
  @Test(
    arguments: [
      (850_000, "0.85 ms"), (20_149_999, "20.1 ms"), (140_400_000, "140 ms"), (0, "0 ms"),
    ] as [(Int64, String)])
  func `has three digits of a time`(nanoseconds: Int64, text: String) {
    #expect(Figures.time(.nanoseconds(nanoseconds)) == text)
  }

  @Test(
    arguments: [
      (0, "0 %"), (0.000_001, "< 0.001 %"), (0.000_5, "0.05 %"), (0.0012, "0.12 %"), (0.015, "1.5 %"), (0.123, "12 %"),
      (1, "100 %"),
    ] as [(Double, String)])
  func `has as many digits of a loss as matter`(share: Double, text: String) { #expect(Figures.share(share) == text) }

  @Test(
    arguments: [
      (64_000, "64 kbit/s"), (99_500, "0.1 Mbit/s"), (9_940_000, "9.9 Mbit/s"), (52_400_000, "52 Mbit/s"),
      (999_600_000, "1 Gbit/s"), (2_500_000_000, "2.5 Gbit/s"),
    ] as [(UInt64, String)])
  func `has two digits of a rate`(bits: UInt64, text: String) {
    #expect(Figures.rate(BitRate(bitsPerSecond: bits)) == text)
  }
}
