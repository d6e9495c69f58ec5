//  JSONText.swift — writes JSON, straight into text, so that what is written is always JSON.
//
//  Why.  Every program prints `--json`, and the control socket speaks it, but Foundation's encoder makes a static
//  program twice as large and loses the order of the keys. We only write here; reading is another matter.
//
//  How.  Closures nest as the document does. An object and an array are two types, so that a member cannot lack its
//  key and an element cannot have one. Keys come out in the order in which they were written.
//
//      JSONText.object {
//        $0.member("topology", "fibre-lte")
//        $0.array("paths") { for path in paths { $0.object { $0.member("name", path.name) } } }
//        $0.member("sum_ratio", 0.9731, decimals: 3)
//      }
//
//  Numbers have no exponent: `1e-05` is right, and surprises whoever reads it with a shell. What is no number (0 ÷ 0,
//  infinity) becomes null, since JSON has no word for it. Integers are written in full, also beyond 2⁵³, where
//  JavaScript would round.
//
//  Rejected.  A tree of values that is printed at the end: literals of mixed types are slow to compile and need a
//  wrapper around every variable.
//
//  Always true.  (1) The text is one JSON value. (2) Without `.indented` it has no line break, so it fits a line of a
//  log or of an event stream. (3) The same calls give the same bytes.

public enum JSONText {
  public enum Layout: Sendable {
    /// All on one line.
    case line
    /// For people: a member a line, two spaces for each level.
    case indented
  }

  public static func object(_ layout: Layout = .line, _ fill: (inout Object) -> Void) -> String {
    var page = Page(isIndented: layout == .indented)
    page.object(fill)
    return String(decoding: page.text, as: UTF8.self)
  }

  public static func array(_ layout: Layout = .line, _ fill: (inout Elements) -> Void) -> String {
    var page = Page(isIndented: layout == .indented)
    page.array(fill)
    return String(decoding: page.text, as: UTF8.self)
  }

  /// The inside of `{ }`.
  public struct Object: ~Copyable {
    fileprivate var page: Page
    fileprivate var isEmpty = true

    public mutating func member(_ key: String, _ value: some JSONScalar) {
      begin(key)
      value.appendJSON(to: &page.text)
    }

    /// A measured value: at most so many digits after the point, so that noise does not look like knowledge.
    public mutating func member(_ key: String, _ value: Double?, decimals: Int) {
      begin(key)
      appendNumber(value, decimals: decimals, to: &page.text)
    }

    public mutating func object(_ key: String, _ fill: (inout Object) -> Void) {
      begin(key)
      page.object(fill)
    }

    public mutating func array(_ key: String, _ fill: (inout Elements) -> Void) {
      begin(key)
      page.array(fill)
    }

    public mutating func null(_ key: String) {
      begin(key)
      page.text.append(contentsOf: "null".utf8)
    }

    private mutating func begin(_ key: String) {
      page.separate(isFirst: isEmpty)
      isEmpty = false
      key.appendJSON(to: &page.text)
      page.text.append(UInt8(ascii: ":"))
      if page.isIndented { page.text.append(UInt8(ascii: " ")) }
    }
  }

  /// The inside of `[ ]`.
  public struct Elements: ~Copyable {
    fileprivate var page: Page
    fileprivate var isEmpty = true

    public mutating func element(_ value: some JSONScalar) {
      begin()
      value.appendJSON(to: &page.text)
    }

    /// A measured value: at most so many digits after the point.
    public mutating func element(_ value: Double?, decimals: Int) {
      begin()
      appendNumber(value, decimals: decimals, to: &page.text)
    }

    public mutating func object(_ fill: (inout Object) -> Void) {
      begin()
      page.object(fill)
    }

    public mutating func array(_ fill: (inout Elements) -> Void) {
      begin()
      page.array(fill)
    }

    private mutating func begin() {
      page.separate(isFirst: isEmpty)
      isEmpty = false
    }
  }
}

/// A value without a key and without an inside.
public protocol JSONScalar {
  /// Appends exactly one JSON value.
  func appendJSON(to text: inout [UInt8])
}

extension Bool: JSONScalar {
  public func appendJSON(to text: inout [UInt8]) { text.append(contentsOf: (self ? "true" : "false").utf8) }
}

extension FixedWidthInteger {
  public func appendJSON(to text: inout [UInt8]) { text.append(contentsOf: String(self).utf8) }
}
extension Int: JSONScalar {}
extension Int32: JSONScalar {}
extension Int64: JSONScalar {}
extension UInt8: JSONScalar {}
extension UInt16: JSONScalar {}
extension UInt32: JSONScalar {}
extension UInt64: JSONScalar {}

extension Double: JSONScalar {
  /// The shortest digits that read back as the same value.
  public func appendJSON(to text: inout [UInt8]) { appendNumber(self, decimals: nil, to: &text) }
}

extension Optional: JSONScalar where Wrapped: JSONScalar {
  public func appendJSON(to text: inout [UInt8]) {
    if let self { self.appendJSON(to: &text) } else { text.append(contentsOf: "null".utf8) }
  }
}

extension String: JSONScalar {
  public func appendJSON(to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    for byte in utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(contentsOf: [UInt8(ascii: "\\"), byte])
      case UInt8(ascii: "\n"): text.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): text.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): text.append(contentsOf: "\\t".utf8)
      case 0..<0x20, 0x7f:
        text.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
        text.append(contentsOf: String(byte, radix: 16).utf8)
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}

/// The document so far. It moves into the object or array that is being written and comes back with it: one buffer,
/// no copies.
private struct Page {
  var text: [UInt8] = []
  var depth = 0
  let isIndented: Bool

  init(isIndented: Bool) { self.isIndented = isIndented }

  mutating func object(_ fill: (inout JSONText.Object) -> Void) {
    open("{")
    var object = JSONText.Object(page: takeAway())
    fill(&object)
    self = object.page
    close("}", isEmpty: object.isEmpty)
  }

  mutating func array(_ fill: (inout JSONText.Elements) -> Void) {
    open("[")
    var elements = JSONText.Elements(page: takeAway())
    fill(&elements)
    self = elements.page
    close("]", isEmpty: elements.isEmpty)
  }

  mutating func separate(isFirst: Bool) {
    if !isFirst { text.append(UInt8(ascii: ",")) }
    newLine()
  }

  private mutating func takeAway() -> Page {
    var taken = Page(isIndented: isIndented)
    swap(&taken, &self)
    return taken
  }

  private mutating func open(_ bracket: Unicode.Scalar) {
    text.append(UInt8(ascii: bracket))
    depth += 1
  }

  private mutating func close(_ bracket: Unicode.Scalar, isEmpty: Bool) {
    depth -= 1
    if !isEmpty { newLine() }
    text.append(UInt8(ascii: bracket))
  }

  private mutating func newLine() {
    if !isIndented { return }
    text.append(UInt8(ascii: "\n"))
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
  }
}

private func appendNumber(_ value: Double?, decimals: Int?, to text: inout [UInt8]) {
  guard let value, value.isFinite else {
    text.append(contentsOf: "null".utf8)
    return
  }
  text.append(contentsOf: plainDecimal(value, decimals: decimals).utf8)
}
