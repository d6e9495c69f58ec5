import FoundationXML
import Primitives
import Testing

@testable import Lab

import class Foundation.NSObject
import struct Foundation.Data

@Suite struct `Charts and results` {
  @Test(arguments: [nil, "mptcp"] as [String?])
  func `both charts are well-formed SVG without outside resources`(bond: String?) {
    let profiles = Matrix16.profiles(withBond: bond != nil)
    for chart in [
      Charts.goodput(profiles, bond: bond, subtitle: "1 flow & <5 s>"),
      Charts.latency(profiles, bond: bond, subtitle: "1 flow & <5 s>"),
    ] {
      let document = Elements(parsing: chart.svg)
      #expect(document.isWellFormed)
      #expect(document.names.first == "svg" && document.names.contains("style"))
      let inside = chart.svg.replacing("http://www.w3.org/2000/svg", with: "")
      for outside in ["href", "url(", "@import", "http://", "https://", "<script", "<image"] {
        #expect(!inside.contains(outside), "\(outside) in the chart")
      }
      for profile in profiles { #expect(document.texts.contains(profile.name)) }
      #expect(document.texts.contains("1 flow & <5 s>"))
    }
  }

  @Test func `no mark and no figure of a chart leaves the paper, and figures end at one line`() {
    for withBond in [false, true] {
      let profiles = Matrix16.profiles(withBond: withBond)
      let document = Elements(parsing: Charts.goodput(profiles, bond: withBond ? "mptcp" : nil, subtitle: "").svg)
      for place in document.places { #expect((0...1_000).contains(place)) }
      #expect(document.rightAligned["80.9"] == document.rightAligned["304.4"])
    }
  }

  @Test func `a profile that failed says so in its row, and a chart without figures is still a chart`() {
    let profiles = [Profile(name: "dead", outcome: .failed("the wire was too slow"))]
    let document = Elements(parsing: Charts.goodput(profiles, bond: "hawser", subtitle: "").svg)
    #expect(document.isWellFormed && document.texts.contains("not measured: the wire was too slow"))
    #expect(Elements(parsing: Charts.latency([], bond: nil, subtitle: "").svg).isWellFormed)
  }

  @Test func `text that XML cannot hold does not break a chart`() {
    #expect(SVG.escaped("a<b>&\"\u{0}\u{1b}\n") == "a&lt;b&gt;&amp;&quot;?? ")
  }

  @Test func `a result's JSON has exactly the promised members, and null for what was not measured`() {
    var result = BenchResult(topology: "fibre-lte", options: BenchOptions())
    result.paths = [
      BenchResult.Path(
        name: "fibre", goodputBitsPerSecond: 286_912_345.4, rate: BitRate(bitsPerSecond: 300_000_000),
        idle: Samples([20.1, 20.2, 20.3]), loaded: Samples([]), retransmits: nil, warmUp: .seconds(2)),
      BenchResult.Path(
        name: "plain", goodputBitsPerSecond: 0, rate: nil, idle: Samples([]), loaded: Samples([1, 3]), retransmits: 7,
        warmUp: .milliseconds(2_500)),
    ]
    result.lateShare = 0.000_25
    #expect(
      result.json(.line)
        == #"{"topology":"fibre-lte","direction":"up","flows":1,"seconds":10,"congestion_control":"cubic","paths":["#
        + #"{"name":"fibre","goodput_bps":286912345,"rate_bps":300000000,"rtt_ms":20.2,"rtt_loaded_p50_ms":null,"#
        + #""rtt_loaded_p99_ms":null,"retransmits":null,"warmup_seconds":2},"#
        + #"{"name":"plain","goodput_bps":0,"rate_bps":null,"rtt_ms":null,"rtt_loaded_p50_ms":2,"#
        + #""rtt_loaded_p99_ms":2.98,"retransmits":7,"warmup_seconds":2.5}],"bond":null,"best_path_ratio":null,"#
        + #""sum_ratio":null,"late_share":0.00025,"notes":[]}"#)
  }

  @Test func `ratios are the bond's against the best path and against the sum`() {
    var result = Matrix16.results(withBond: true)[0]
    result.paths[0].goodputBitsPerSecond = 40e6
    result.paths[1].goodputBitsPerSecond = 10e6
    result.bond?.goodputBitsPerSecond = 45e6
    result.options.against = .wireguardGo
    #expect(result.bestPathRatio == 1.125 && result.sumRatio == 0.9)
    #expect(result.json(.line).contains(#""best_path_ratio":1.125,"sum_ratio":0.9,"against":"wireguard-go""#))
    result.paths = []
    #expect(result.bestPathRatio == nil && result.sumRatio == nil)
  }
}

/// Figures as a matrix gives them; the bond's are invented.
enum Matrix16 {
  static func profiles(withBond: Bool) -> [Profile] {
    results(withBond: withBond).map { Profile(name: $0.topology, outcome: .measured($0)) }
  }

  static func results(withBond: Bool) -> [BenchResult] {
    let profiles: [(String, Double, Double, Double, Double)] = [
      ("baseline", 40.6, 40.3, 40, 73.9), ("rtt_40", 40.5, 37.9, 40, 76.1), ("rtt_70", 40.6, 33.7, 40, 70.2),
      ("rtt_120", 40.6, 27.5, 40, 60.4), ("rtt_320", 40.6, 6.2, 40, 41.4), ("jit_5", 35.2, 34.9, 41, 66.0),
      ("jit_20", 17.4, 11.0, 44, 26.0), ("loss_05", 29.6, 32.2, 40, 58.0), ("loss_2", 16.1, 16.3, 40, 29.0),
      ("bw_4to1", 40.6, 10.3, 40, 49.9), ("bw_10to1", 94.2, 8.6, 40, 92.1), ("dual_lte", 29.6, 18.8, 60, 44.6),
      ("fiber_lte", 282.4, 22.0, 16, 300.3), ("lte_starlink", 29.6, 8.9, 72, 27.2), ("lte_geo", 33.1, 4.9, 71, 36.9),
      ("congested", 6.4, 5.7, 101, 11.4),
    ]
    return profiles.map { name, a, b, rtt, bond in
      var result = BenchResult(topology: name, options: BenchOptions())
      let idle = Samples([rtt, rtt + 0.3, rtt + 0.9])
      let loaded = Samples((0..<100).map { rtt * (1.2 + Double($0 * $0) / 9_000) })
      func path(_ name: String, _ goodput: Double) -> BenchResult.Path {
        BenchResult.Path(
          name: name, goodputBitsPerSecond: goodput * 1e6, rate: BitRate(bitsPerSecond: 50_000_000), idle: idle,
          loaded: loaded, retransmits: 12, warmUp: .seconds(2))
      }
      result.paths = [path("a", a), path("b", b)]
      if withBond {
        result.bond = BenchResult.Bond(
          goodputBitsPerSecond: bond * 1e6, idle: idle, loaded: Samples((0..<100).map { rtt + Double($0) / 8 }),
          retransmits: 3, warmUp: .seconds(2))
      }
      return result
    }
  }
}

/// Element names and texts of a document, by libxml2.
private final class Elements: NSObject, XMLParserDelegate {
  private(set) var names: [String] = []
  private(set) var texts: [String] = []
  /// Horizontal places of texts and circles.
  private(set) var places: [Double] = []
  /// Where each text that is aligned to the right ends.
  private(set) var rightAligned: [String: String] = [:]
  private(set) var isWellFormed = false
  private var lastEnd: String?

  init(parsing text: String) {
    super.init()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = self
    isWellFormed = parser.parse()
    texts = texts.map { $0.hasSuffix("\n") ? String($0.dropLast()) : $0 }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    names.append(name)
    texts.append("")
    lastEnd = attributes["text-anchor"] == "end" ? attributes["x"] : nil
    if let place = (attributes["x"] ?? attributes["cx"]).flatMap(Double.init) { places.append(place) }
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if let lastEnd, let text = texts.last { rightAligned[text] = lastEnd }
    lastEnd = nil
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    if !texts.isEmpty { texts[texts.count - 1] += string }
  }
}
