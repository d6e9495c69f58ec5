//  SVG.swift — the few shapes that a chart needs, as text, with the colours of light and dark pages inside.
//
//  Why.  A report must open from a file, a mail or a repository, without scripts, fonts or servers. Code hosts show
//  SVG inside an <img>, where a page's own styles do not reach; so the document asks for the reader's colour scheme
//  itself.
//
//  How.  Each shape carries its light colour as an attribute *and* a class. A reader that knows style sheets takes
//  the class's colour, and in a dark page the dark one; a tool that ignores style sheets, or only the media query,
//  takes the light colours on the light ground that is drawn first. Either way text has a contrast of at least 4.5 to
//  its ground.
//
//  Colours are Okabe and Ito's, which stay apart for every kind of colour blindness; and no meaning hangs on a colour
//  alone: each kind of mark has its own shape.

struct SVG {
  enum Ink: String, CaseIterable {
    case ground, text, faint, rule, first, second, third

    var light: String {
      switch self {
      case .ground: "#ffffff"
      case .text: "#1f2328"
      case .faint: "#59636e"
      case .rule: "#d1d9e0"
      case .first: "#0072b2"
      case .second: "#b85c00"
      case .third: "#00795a"
      }
    }

    var dark: String {
      switch self {
      case .ground: "#0d1117"
      case .text: "#f0f6fc"
      case .faint: "#9aa4af"
      case .rule: "#343b44"
      case .first: "#56b4e9"
      case .second: "#f0a53a"
      case .third: "#35c79c"
      }
    }
  }

  enum Anchor: String { case start, middle, end }

  let width: Double
  let height: Double
  private var body = ""

  init(width: Double, height: Double, title: String, description: String) {
    self.width = width
    self.height = height
    body += "<title>\(SVG.escaped(title))</title>\n<desc>\(SVG.escaped(description))</desc>\n"
    body += "<rect width=\"\(SVG.number(width))\" height=\"\(SVG.number(height))\" \(fill(.ground))/>\n"
  }

  var text: String {
    let (width, height) = (SVG.number(width), SVG.number(height))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" role="img" \
      font-family="system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif" font-size="13">
      <style>
      text { font-variant-numeric: tabular-nums; }
      \(SVG.rules { $0.light })
      @media (prefers-color-scheme: dark) {
      \(SVG.rules { $0.dark })
      }
      </style>
      \(body)</svg>

      """
  }

  private static func rules(_ colour: (Ink) -> String) -> String {
    Ink.allCases.map { ".f-\($0) { fill: \(colour($0)); } .s-\($0) { stroke: \(colour($0)); }" }.joined(separator: "\n")
  }

  // MARK: Shapes

  mutating func label(
    _ text: String, x: Double, y: Double, _ ink: Ink = .text, anchor: Anchor = .start, size: Double = 13,
    isBold: Bool = false
  ) {
    body += "<text x=\"\(SVG.number(x))\" y=\"\(SVG.number(y))\" text-anchor=\"\(anchor.rawValue)\""
    if size != 13 { body += " font-size=\"\(SVG.number(size))\"" }
    if isBold { body += " font-weight=\"600\"" }
    body += " \(fill(ink))>\(SVG.escaped(text))</text>\n"
  }

  mutating func line(
    from: (x: Double, y: Double), to: (x: Double, y: Double), _ ink: Ink, width: Double = 1, isDotted: Bool = false
  ) {
    body += "<line x1=\"\(SVG.number(from.x))\" y1=\"\(SVG.number(from.y))\""
    body += " x2=\"\(SVG.number(to.x))\" y2=\"\(SVG.number(to.y))\""
    if isDotted { body += " stroke-dasharray=\"1 5\"" }
    body += " stroke-width=\"\(SVG.number(width))\" \(stroke(ink))/>\n"
  }

  mutating func disc(x: Double, y: Double, radius: Double, _ ink: Ink) {
    body += "<circle cx=\"\(SVG.number(x))\" cy=\"\(SVG.number(y))\" r=\"\(SVG.number(radius))\" \(fill(ink))/>\n"
  }

  /// A circle with the ground's colour inside.
  mutating func ring(x: Double, y: Double, radius: Double, _ ink: Ink) {
    body += "<circle cx=\"\(SVG.number(x))\" cy=\"\(SVG.number(y))\" r=\"\(SVG.number(radius))\" stroke-width=\"2\""
    body += " fill=\"\(Ink.ground.light)\" stroke=\"\(ink.light)\" class=\"f-\(Ink.ground) s-\(ink)\"/>\n"
  }

  mutating func diamond(x: Double, y: Double, radius: Double, _ ink: Ink) {
    let corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
    let points = corners.map { "\(SVG.number($0.0)),\(SVG.number($0.1))" }.joined(separator: " ")
    body += "<polygon points=\"\(points)\" \(fill(ink))/>\n"
  }

  private func fill(_ ink: Ink) -> String { "fill=\"\(ink.light)\" class=\"f-\(ink)\"" }
  private func stroke(_ ink: Ink) -> String { "stroke=\"\(ink.light)\" class=\"s-\(ink)\"" }

  // MARK: Text

  static func number(_ value: Double) -> String {
    let text = decimal(value, places: 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += " "
      // XML has no way to write the other control characters, nor U+FFFE and U+FFFF.
      case "\u{20}"..."\u{d7ff}", "\u{e000}"..."\u{fffd}", "\u{10000}"..."\u{10ffff}":
        result.unicodeScalars.append(scalar)
      default: result += "?"
      }
    }
    return result
  }
}
