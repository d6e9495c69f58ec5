//  LossChart.swift — how much a buffer of each size would lose, as a picture that opens anywhere.
//
//  A logarithmic axis, since the interesting losses are between one in ten and one in a million. The curve goes down
//  in steps because a buffer holds whole parts. Three discs mark the sizes that lose no more than one part in a
//  hundred, a thousand and ten thousand.
//
//  Every shape carries its light colour as an attribute and a class as well: a viewer without style sheets draws the
//  light picture on its own light ground, and one that knows the reader's preference draws the dark one.

import Glibc
import Primitives
import Resequencer
import Topology

struct LossChart {
  let text: String

  private enum Ink: String, CaseIterable {
    case ground, text, faint, rule, curve

    /// Okabe and Ito's blue for the curve; text keeps a contrast of 4.5 and more on either ground.
    var colours: (light: String, dark: String) {
      switch self {
      case .ground: ("#ffffff", "#0d1117")
      case .text: ("#1f2328", "#f0f6fc")
      case .faint: ("#59636e", "#9aa4af")
      case .rule: ("#d1d9e0", "#343b44")
      case .curve: ("#0072b2", "#56b4e9")
      }
    }
  }

  private static let width = 760.0
  private static let height = 430.0
  private static let left = 92.0
  private static let right = 724.0
  private static let top = 84.0
  private static let bottom = 350.0
  /// Six powers of ten: from everything to one in a million.
  private static let decades = 6
  /// "0.01 %: 32768 parts" and the space before it.
  private static let longestLabel = 165.0
  /// More points than pixels show nothing.
  private static let mostPoints = 600

  init(_ report: PredictionReport) {
    let prediction = report.prediction
    let sizes = report.bufferSizes
    let largest = max(1, sizes.last ?? 1)
    var page = Page()
    func x(_ room: Int) -> Double {
      LossChart.left + (LossChart.right - LossChart.left) * Double(room) / Double(largest)
    }
    func y(_ decade: Double) -> Double {
      LossChart.top + (LossChart.bottom - LossChart.top) * min(decade, Double(LossChart.decades))
        / Double(LossChart.decades)
    }

    page.label("Loss of the resequencing buffer, by its size", 24, 36, .text, size: 18, anchor: "start")
    page.label(
      report.paths.map { "\($0.name) \($0.rate.printed)" }.joined(separator: ", ")
        + "; parts of \(prediction.partSize.printed), \(prediction.behaviour.rawValue) delays",
      24, 58, .faint, anchor: "start")
    for decade in 0...LossChart.decades {
      let at = y(Double(decade))
      page.line(LossChart.left, at, LossChart.right, at, .rule)
      page.label(PredictionReport.percent(tenth(toThe: decade)), LossChart.left - 10, at + 4.5, .faint, anchor: "end")
    }
    for room in sizes {
      page.line(x(room), LossChart.bottom, x(room), LossChart.bottom + 5, .rule)
      page.label("\(room)", x(room), LossChart.bottom + 21, .faint, anchor: "middle")
      page.label(
        PredictionReport.memory(prediction.bytes(Double(room))), x(room), LossChart.bottom + 38, .faint, size: 11,
        anchor: "middle")
    }
    page.label(
      "room in the buffer, in parts and in memory", (LossChart.left + LossChart.right) / 2, LossChart.bottom + 62,
      .faint,
      anchor: "middle")

    let stride = max(1, largest / LossChart.mostPoints)
    var points: [(Double, Double)] = []
    for room in Swift.stride(from: 0, through: largest, by: stride) {
      let loss = prediction.overtaking.loss(bufferOf: room)
      if let last = points.last { points.append((x(room), last.1)) }
      points.append((x(room), y(loss > 0 ? -log10(loss) : Double(LossChart.decades))))
      if loss < PredictionReport.negligibleLoss { break }
    }
    if prediction.overtaking.total.largest == 0 {
      page.label(
        "no part comes before its turn: nothing is lost", (LossChart.left + LossChart.right) / 2,
        (LossChart.top + LossChart.bottom) / 2, .text, anchor: "middle")
    } else {
      page.curve(points, .curve)
      for (decade, target) in [(2.0, 0.01), (3, 0.001), (4, 0.0001)] {
        guard let room = prediction.overtaking.buffer(losingAtMost: target), room > 0 else { continue }
        page.disc(x(room), y(decade), .curve)
        // The curve falls, so right above it and left below it there is room.
        let fits = x(room) + LossChart.longestLabel < LossChart.width
        page.label(
          "\(PredictionReport.percent(target)): \(room) parts", x(room) + (fits ? 12 : -12),
          y(decade) + (fits ? -7 : 16),
          .text, anchor: fits ? "start" : "end")
      }
    }
    text = page.document
  }

  private struct Page {
    private var body = ""

    var document: String {
      let size = "width=\"\(number(LossChart.width))\" height=\"\(number(LossChart.height))\""
      let box = "0 0 \(number(LossChart.width)) \(number(LossChart.height))"
      let fonts = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
      func rules(_ colour: (Ink) -> String) -> String {
        Ink.allCases.map { ".f-\($0) { fill: \(colour($0)); } .s-\($0) { stroke: \(colour($0)); }" }
          .joined(separator: "\n")
      }
      return """
        <svg xmlns="http://www.w3.org/2000/svg" \(size) viewBox="\(box)" role="img" \
        font-family="\(fonts)" font-size="13">
        <title>Loss of the resequencing buffer, by its size</title>
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

    mutating func label(
      _ text: String, _ x: Double, _ y: Double, _ ink: Ink, size: Double = 13, anchor: String
    ) {
      body += "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(number(size))\" text-anchor=\"\(anchor)\" "
      body += "\(fill(ink))>\(escaped(text))</text>\n"
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ ink: Ink) {
      body +=
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" \(stroke(ink))/>\n"
    }

    mutating func curve(_ points: [(Double, Double)], _ ink: Ink) {
      let list = points.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
      body +=
        "<polyline points=\"\(list)\" fill=\"none\" stroke-width=\"2.5\" stroke-linejoin=\"round\" \(stroke(ink))/>\n"
    }

    mutating func disc(_ x: Double, _ y: Double, _ ink: Ink) {
      body += "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"5\" \(fill(ink))/>\n"
    }

    private func fill(_ ink: Ink) -> String { "fill=\"\(ink.colours.light)\" class=\"f-\(ink)\"" }
    private func stroke(_ ink: Ink) -> String { "stroke=\"\(ink.colours.light)\" class=\"s-\(ink)\"" }
    private func number(_ value: Double) -> String { plainDecimal(value, decimals: 1) }

    /// The texts are our own words, and names of small letters; "<" is in "less than".
    private func escaped(_ text: String) -> String {
      text.map { $0 == "<" ? "&lt;" : $0 == "&" ? "&amp;" : String($0) }.joined()
    }
  }
}

private func tenth(toThe power: Int) -> Double { (0..<power).reduce(1) { value, _ in value / 10 } }
