import Consulting
import Primitives
import Testing

@Suite struct `An oracle's map for people` {
  static let text = #"""
    {"revision":3,"nodes":[{"name":"r1","kind":"relay","provider":"as1","region":"eu"},
     {"name":"branch","kind":"gateway"},{"name":"hq","kind":"gateway","provider":""},{"name":"<r&2>","kind":"relay"}],
     "edges":[{"from":"branch","to":"hq","delay_us":98200,"loss":0.01,"rate_bps":50000000},
      {"from":"hq","to":"branch","delay_us":null,"round_trip_us":195800,"loss":0.012},
      {"from":"branch","to":"r1","delay_us":20100,"loss":0},{"from":"r1","to":"hq","delay_us":19840,"loss":0.0004},
      {"from":"hq","to":"r1","loss":0.5},{"from":"branch","to":"nobody","delay_us":1},
      {"from":"hq","to":"<r&2>","delay_us":5000},{"from":"<r&2>","to":"branch","delay_us":6000}],
     "edges_in_all":10}
    """#

  static func map(_ text: String = text) throws -> OracleMap {
    try OracleMap(
      WebReply(status: 200, type: "application/json", body: Array(text.utf8)),
      from: #require(ResourceAddress("http://127.0.0.1:8460")))
  }

  @Test func `is a matrix of delay and loss, and shows where a relay is faster`() throws {
    #expect(
      try MapReport(Self.map()).text == """
                branch        hq           r1        <r&2>
        branch  -             98.2 / 1 *   20.1 / 0  .
        hq      97.9 / 1.2 *  -            ? / 50    5 / ?
        r1      .             19.8 / 0.04  -         .
        <r&2>   6 / ?         .            .         -

        delay in ms / loss in %, from the left to the top; . nobody measured it; * faster over a relay
        2 more edges are in the oracle's map than it shows

        """)
  }

  @Test func `knows over which relay it is faster`() throws {
    let map = try Self.map()
    #expect(map.nodes.map(\.name) == ["branch", "hq", "r1", "<r&2>"])
    let there = try #require(map.shortcut(from: 0, to: 1))
    #expect(there.relay == 2 && there.delay == .microseconds(39_940))
    let back = try #require(map.shortcut(from: 1, to: 0))
    #expect(back.relay == 3 && back.delay == .microseconds(11_000))
    #expect(map.shortcut(from: 0, to: 2) == nil && map.shortcut(from: 0, to: 0) == nil)
  }

  @Test func `shows some nodes of many, and thinks of relays that are not among them`() throws {
    let map = try Self.map()
    let places = try map.places(of: ["hq", "branch", "hq"])
    #expect(
      MapReport(map, showing: places).text == """
                hq          branch
        hq      -           97.9 / 1.2 *
        branch  98.2 / 1 *  -

        delay in ms / loss in %, from the left to the top; . nobody measured it; * faster over a relay
        2 more edges are in the oracle's map than it shows

        """)
    let picture = MapPicture(map, showing: places).text
    #expect(picture.split(separator: "<rect ").count == 2 + 4 && picture.contains("2 gateways, 0 relays"))
    let failure = #expect(throws: ConsultingFailure.self) { try map.places(of: ["hw"]) }
    #expect(failure?.description == "the oracle knows no node 'hw'; did you mean 'hq'?")
  }

  @Test func `of a large fleet is shown in part, or said in full to programs`() throws {
    let nodes = (0..<201).map { #"{"name":"g\#($0)"}"# }.joined(separator: ",")
    let map = try Self.map(#"{"nodes":[\#(nodes)],"edges":[]}"#)
    #expect(try map.places(of: ["g7", "g200"]) == [7, 200])
    #expect(throws: ConsultingFailure.self) { try map.places(of: []) }
    #expect(MapReport(map).json.contains("g200"))
  }

  @Test func `is for programs what the oracle said`() throws {
    let json = try MapReport(Self.map()).json
    #expect(json.hasPrefix(#"{"revision":3,"nodes":["#) && !json.contains("\n"))
  }

  @Test func `is a picture with a square for each pair and a mark where a relay is faster`() throws {
    let picture = try MapPicture(Self.map()).text
    #expect(picture.hasPrefix("<svg xmlns=") && picture.hasSuffix("</svg>\n"))
    #expect(picture.split(separator: "<rect ").count == 2 + 16)
    // Two pairs, and the legend.
    #expect(picture.split(separator: "<circle ").count == 1 + 3)
    #expect(picture.contains("branch → hq: 98.2 ms, 1 % lost, 50 Mbit/s; over r1 39.9 ms</title>"))
    #expect(picture.contains("hq → &lt;r&amp;2&gt;: 5 ms</title>") && !picture.contains("<r&"))
    #expect(picture.contains("2 gateways, 2 relays"))
  }

  @Test(arguments: [0, 1, 16, 17, 40, 41, 200]) func `is a picture of bounded size`(count: Int) throws {
    let nodes = (0..<count).map { #"{"name":"node-\#($0)","kind":"relay"}"# }.joined(separator: ",")
    let picture = try MapPicture(Self.map(#"{"nodes":[\#(nodes)],"edges":[]}"#)).text
    let width = try #require(picture.split(separator: "width=\"").dropFirst().first?.prefix { $0 != "\"" })
    #expect(try #require(Double(width)) <= 1_300)
    #expect(picture.split(separator: "<rect ").count == 2 + count * count)
  }

  @Test(
    arguments: [
      ("{}", "http://127.0.0.1:8460/ is no path oracle: its map has no nodes and edges"),
      (#"{"nodes":[],"edges":7}"#, "http://127.0.0.1:8460/ is no path oracle: its map has no nodes and edges"),
      ("[", "http://127.0.0.1:8460/v1/map answers with something that is no JSON"),
    ])
  func `that is none is told in one sentence`(text: String, sentence: String) {
    let failure = #expect(throws: ConsultingFailure.self) { try Self.map(text) }
    #expect(failure?.description == sentence)
  }

  @Test func `of a hostile oracle overflows nothing`() throws {
    let hostile = #"""
      {"nodes":[{"name":"a\u001b[2J"},{"name":7},{},{"name":"a\u001b[2J","kind":"relay"},{"name":"b","kind":"relay"}],
       "edges":[{"from":"b","to":"b","delay_us":1e308},{"from":"b","to":"a\u001b[2J","delay_us":3.6e9,"loss":-1},7,
                {"from":"a\u001b[2J","to":"b","round_trip_us":1e308,"rate_bps":1e308}],"edges_in_all":-9}
      """#
    let map = try Self.map(hostile)
    let text = MapReport(map).text + MapPicture(map).text
    #expect(!text.unicodeScalars.contains("\u{1b}"))
  }
}
