//  MapPicture.swift — an oracle's map as a picture: who reaches whom, how fast, and where a relay is the shorter way.
//
//  A square for each pair, from the left to the top. The darker, the longer it takes; the scale is logarithmic, since
//  one hop is a millisecond and another two hundred. A disc marks pairs whose packets are there sooner over a relay:
//  where the triangle inequality fails, an oracle earns its keep. Below a loss of one in a thousand no loss is written.
//
//  Every shape carries its light colour as an attribute and a class as well: a viewer without style sheets draws the
//  light picture on its own light ground, and one that knows the reader's preference draws the dark one.

import Primitives

public struct MapPicture: Sendable {
  public let text: String

  private enum Ink: String, CaseIterable {
    case ground, text, faint, rule, heat, mark

    /// Okabe and Ito's blue for the heat and their vermilion for the marks; text keeps a contrast of 4.5 and more.
    var colours: (light: String, dark: String) {
      switch self {
      case .ground: ("#ffffff", "#0d1117")
      case .text: ("#1f2328", "#f0f6fc")
      case .faint: ("#59636e", "#9aa4af")
      case .rule: ("#d1d9e0", "#343b44")
      case .heat: ("#0072b2", "#56b4e9")
      case .mark: ("#d55e00", "#ff9d57")
      }
    }
  }

  /// Names are cut to this, so that a picture has a size that can be told before.
  private static let longestName = 18
  private static let letter = 7.2
  private static let margin = 24.0
  private static let head = 84.0
  private static let foot = 64.0
  /// Opacity of the shortest and the longest delay: text stays readable on both.
  private static let faintest = 0.06
  private static let strongest = 0.5
  private static let leastLoss = 0.001

  /// Of the nodes at these places of the map; relays that are not among them are thought of all the same.
  public init(_ map: OracleMap, showing places: [Int]? = nil) {
    let places = places ?? Array(map.nodes.indices)
    let nodes = places.map { map.nodes[$0] }
    let count = nodes.count
    // Figures fit into large squares; of a large map the colours remain.
    let side = count <= 16 ? 58.0 : count <= 40 ? 24.0 : max(4, (960 / Double(count)).rounded(.down))
    let hasFigures = side >= 50
    let names = nodes.map { MapPicture.cut($0.name) }
    let longest = names.reduce(0) { max($0, $1.count) }
    let hasNames = side >= 12
    let gutter = hasNames ? Double(longest) * MapPicture.letter + 12 : 0
    let left = MapPicture.margin + gutter
    let top = MapPicture.head + gutter * 0.75
    let width = max(560, left + side * Double(count) + MapPicture.margin + (hasNames ? gutter * 0.5 : 0))
    let height = top + side * Double(count) + MapPicture.foot
    var page = Page(width: width, height: height)
    page.label("Delays between nodes, as the oracle believes them", MapPicture.margin, 36, .text, 18, "start")
    let relays = nodes.count(where: \.isRelay)
    page.label(
      "\(count - relays) gateways, \(relays) relays; from the left to the top", MapPicture.margin, 58, .faint, 13,
      "start")

    let delays = places.flatMap { from in places.compactMap { map[from, $0]?.delay } }
    let scale = Scale(delays)
    for (row, from) in places.enumerated() {
      let y = top + side * Double(row)
      if hasNames {
        page.label(names[row], left - 8, y + side / 2 + 4.5, nodes[row].isRelay ? .faint : .text, 12, "end")
        page.slanted(names[row], left + side * (Double(row) + 0.5), top - 8, nodes[row].isRelay ? .faint : .text)
      }
      for (column, to) in places.enumerated() {
        let x = left + side * Double(column)
        let edge = from == to ? nil : map[from, to]
        let hint = edge.map { MapPicture.hint(map, from, to, $0) }
        page.square(x, y, side, heat: edge?.delay.map { scale.opacity($0) }, hint: hint)
        if map.shortcut(from: from, to: to) != nil {
          page.disc(x + side - max(2, side / 8), y + max(2, side / 8), max(1.2, side / 16))
        }
        guard hasFigures, let edge else { continue }
        if let delay = edge.delay {
          page.label(MapReport.milliseconds(delay), x + side / 2, y + side / 2 + 3, .text, 13, "middle")
        }
        if let loss = edge.loss, loss >= MapPicture.leastLoss {
          page.label(MapReport.percent(loss) + " %", x + side / 2, y + side / 2 + 19, .text, 11, "middle")
        }
      }
    }
    let below = top + side * Double(count)
    page.disc(MapPicture.margin + 5, below + 28, 4)
    page.label("faster over a relay than directly", MapPicture.margin + 18, below + 32, .faint, 12, "start")
    let words = hasFigures ? "ms, and loss where it is 0.1 % or more" : "the darker, the longer"
    page.label(words, width - MapPicture.margin, below + 32, .faint, 12, "end")
    text = page.document
  }

  private static func cut(_ name: String) -> String {
    let shown = Figures.shown(name)
    return shown.count > longestName ? shown.prefix(longestName - 1) + "…" : shown
  }

  private static func hint(_ map: OracleMap, _ from: Int, _ to: Int, _ edge: OracleMap.Edge) -> String {
    var text = "\(Figures.shown(map.nodes[from].name)) → \(Figures.shown(map.nodes[to].name))"
    if let delay = edge.delay { text += ": \(Figures.time(delay))" }
    if let loss = edge.loss { text += ", \(Figures.share(loss)) lost" }
    if let rate = edge.rate { text += ", \(Figures.rate(rate))" }
    if let shortcut = map.shortcut(from: from, to: to) {
      text += "; over \(Figures.shown(map.nodes[shortcut.relay].name)) \(Figures.time(shortcut.delay))"
    }
    return text
  }

  /// From the shortest delay to the longest, in as many steps of the same ratio as there are doublings.
  private struct Scale {
    private let least: Double
    private let doublings: Double

    init(_ delays: [Interval]) {
      least = max(0.1, delays.min()?.inMilliseconds ?? 0.1)
      doublings = max(1, Scale.doublings(max(0.1, delays.max()?.inMilliseconds ?? 0.1) / least))
    }

    func opacity(_ delay: Interval) -> Double {
      let place = Scale.doublings(max(least, delay.inMilliseconds) / least) / doublings
      return faintest + (strongest - faintest) * min(1, place)
    }

    /// Straight lines between the powers of two, which an eye does not tell from the curve.
    private static func doublings(_ ratio: Double) -> Double {
      guard ratio > 1 else { return 0 }
      return Double(ratio.exponent) + ratio.significand - 1
    }
  }

  private struct Page {
    let width: Double
    let height: Double
    private var body = ""

    init(width: Double, height: Double) {
      self.width = width
      self.height = height
    }

    var document: String {
      let size = "width=\"\(number(width))\" height=\"\(number(height))\""
      let fonts = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
      func rules(_ colour: (Ink) -> String) -> String {
        Ink.allCases.map { ".f-\($0) { fill: \(colour($0)); } .s-\($0) { stroke: \(colour($0)); }" }
          .joined(separator: "\n")
      }
      return """
        <svg xmlns="http://www.w3.org/2000/svg" \(size) viewBox="0 0 \(number(width)) \(number(height))" role="img" \
        font-family="\(fonts)" font-size="13">
        <title>Delays between nodes, as the oracle believes them</title>
        <style>
        \(rules { $0.colours.light })
        @media (prefers-color-scheme: dark) {
        \(rules { $0.colours.dark })
        }
        </style>
        <rect \(size) \(fill(.ground))/>
        \(body)</svg>

        """
    }

    mutating func label(_ text: String, _ x: Double, _ y: Double, _ ink: Ink, _ size: Double, _ anchor: String) {
      body += "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(number(size))\" text-anchor=\"\(anchor)\" "
      body += "\(fill(ink))>\(escaped(text))</text>\n"
    }

    mutating func slanted(_ text: String, _ x: Double, _ y: Double, _ ink: Ink) {
      body += "<text transform=\"translate(\(number(x)) \(number(y))) rotate(-45)\" font-size=\"12\" "
      body += "\(fill(ink))>\(escaped(text))</text>\n"
    }

    /// Empty where nobody measured. The hint is what a pointer that rests there is told.
    mutating func square(_ x: Double, _ y: Double, _ side: Double, heat: Double?, hint: String?) {
      let place = "x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(side))\" height=\"\(number(side))\""
      let title = hint.map { "<title>\(escaped($0))</title>" } ?? ""
      let opacity = plainDecimal(heat ?? 0, decimals: 3)
      let frame = "stroke=\"\(Ink.rule.colours.light)\""
      body += "<rect \(place) fill=\"\(Ink.heat.colours.light)\" fill-opacity=\"\(opacity)\" \(frame) "
      body += "class=\"f-heat s-rule\">\(title)</rect>\n"
    }

    mutating func disc(_ x: Double, _ y: Double, _ radius: Double) {
      body += "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"\(number(radius))\" \(fill(.mark))/>\n"
    }

    private func fill(_ ink: Ink) -> String { "fill=\"\(ink.colours.light)\" class=\"f-\(ink)\"" }
    private func number(_ value: Double) -> String { plainDecimal(value, decimals: 1) }

    /// Names come from an oracle, and may be anything that can be shown.
    private func escaped(_ text: String) -> String {
      text.map { character in
        switch character {
        case "<": "&lt;"
        case ">": "&gt;"
        case "&": "&amp;"
        case "\"": "&quot;"
        default: String(character)
        }
      }.joined()
    }
  }
}
