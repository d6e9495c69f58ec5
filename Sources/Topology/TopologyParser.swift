//  TopologyParser.swift — from the text of a .topo file to a topology, or to one sentence that says what is wrong.
//
//  Two steps. Statements are read line by line with the place of every word; then names are resolved, so that a file
//  may mention a node before it describes it. The first mistake ends it: `file:line:column: what is wrong; what would
//  be right`. Everything is checked that can be checked without opening another file, and every bound of
//  `Topology.Limits` holds before memory is spent.
//
//      topology NAME
//      node NAME gateway|relay|router|nat|oracle|host [behind NODE]
//      link NAME NODE -- NODE [ATTRIBUTE …]
//      event at TIME LINK down|up|ATTRIBUTE …
//
//      ATTRIBUTE:  rate RATE   trace FILE   trace-up FILE trace-down FILE   delay TIME   jitter TIME [reorder]
//                  loss SHARE [burst N]   duplicate SHARE   corrupt SHARE   queue TIME|SIZE   mtu BYTES
//
//  `a/b` instead of one value gives left-to-right/right-to-left.

import Primitives

extension Topology {
  /// Where a file is wrong, and how.
  public struct ParseError: Error, Equatable, CustomStringConvertible {
    public let file: String
    /// Both counted from 1; columns count bytes.
    public let line: Int
    public let column: Int
    /// What is wrong; what would be right.
    public let message: String

    public var description: String { "\(file):\(line):\(column): \(message)" }
  }

  /// Reads a whole file. `file` is its name in messages.
  public init(parsing text: [UInt8], file: String) throws(ParseError) {
    var parser = TopologyParser(file: file)
    self = try parser.parse(text)
  }
}

extension Topology.Change {
  /// Reads what may follow a link's name in an event: `down`, `up`, or attributes.
  public init(parsing text: String) throws(Topology.ParseError) {
    let parser = TopologyParser(file: "change")
    var words = try parser.words(of: Array(text.utf8)[...], line: 1)
    self = try parser.change(&words)
    try parser.end(of: &words)
  }
}

private struct Word {
  let text: String
  let line: Int
  let column: Int
}

/// The words of one statement, taken from the front.
private struct Words {
  var rest: ArraySlice<Word>
  /// Where the line ends, for messages about what is missing.
  let end: Word

  mutating func next() -> Word? { rest.popFirst() }

  /// The next word, when it is this one.
  mutating func take(_ text: String) -> Bool {
    guard rest.first?.text == text else { return false }
    rest.removeFirst()
    return true
  }
}

private struct TopologyParser {
  let file: String
  private var topology = Topology(name: "")
  private var isNamed = false
  private var names: [String: Word] = [:]
  private var hosts: [(node: Int, behind: Word)] = []
  private var links: [(a: Word, b: Word)] = []
  private var events: [Word] = []

  init(file: String) { self.file = file }

  // MARK: Statements

  mutating func parse(_ text: [UInt8]) throws(Topology.ParseError) -> Topology {
    if text.count > Topology.Limits.fileSize.value {
      throw error(1, 1, "larger than \(Topology.Limits.fileSize.printed); the largest topology is far smaller")
    }
    var number = 0
    var start = 0
    while start < text.count {
      number += 1
      let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
      var words = try words(of: text[start..<end], line: number)
      if !words.rest.isEmpty { try statement(&words) }
      start = end + 1
    }
    if !isNamed { throw error(max(number, 1), 1, "no topology here; begin with 'topology NAME'") }
    try resolve()
    return topology
  }

  func words(of bytes: ArraySlice<UInt8>, line: Int) throws(Topology.ParseError) -> Words {
    if bytes.count > Topology.Limits.lineLength {
      let limit = Topology.Limits.lineLength
      throw error(line, limit + 1, "a line of \(bytes.count) bytes; at most \(limit), one statement a line")
    }
    var found: [Word] = []
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let column = at - bytes.startIndex + 1
      switch bytes[at] {
      case UInt8(ascii: "#"):
        if let zero = bytes[at...].firstIndex(of: 0) {
          throw error(line, zero - bytes.startIndex + 1, "a NUL byte; a topology is plain text")
        }
        at = bytes.endIndex
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): at += 1
      case 0: throw error(line, column, "a NUL byte; a topology is plain text")
      default:
        let end = bytes[at...].firstIndex { [0, 9, 13, 32, UInt8(ascii: "#")].contains($0) } ?? bytes.endIndex
        guard let text = String(validating: bytes[at..<end], as: UTF8.self) else {
          throw error(line, column, "bytes that are no UTF-8; a topology is plain text")
        }
        found.append(Word(text: text, line: line, column: column))
        at = end
      }
    }
    return Words(rest: found[...], end: Word(text: "", line: line, column: bytes.count + 1))
  }

  private mutating func statement(_ words: inout Words) throws(Topology.ParseError) {
    guard let verb = words.next() else { return }
    if verb.text != "topology" && !isNamed && TopologyParser.statements.contains(verb.text) {
      throw error(verb, "'\(verb.text)' before the topology has a name; begin with 'topology NAME'")
    }
    switch verb.text {
    case "topology":
      if isNamed { throw error(verb, "a second 'topology'; one file describes one") }
      topology.name = try name(&words, of: "the topology").text
      isNamed = true
    case "node": try node(&words)
    case "link": try link(&words)
    case "event": try event(&words)
    default: throw unknown(verb, "statement", TopologyParser.statements)
    }
    try end(of: &words)
  }

  func end(of words: inout Words) throws(Topology.ParseError) {
    guard let extra = words.next() else { return }
    throw error(extra, "\(Quantity.quoted(extra.text)) is more than this statement takes; one statement a line")
  }

  private static let statements = ["topology", "node", "link", "event"]

  private mutating func node(_ words: inout Words) throws(Topology.ParseError) {
    let name = try newName(&words, of: "a node")
    let kinds = Topology.Node.Kind.allCases.map(\.rawValue)
    let word = try need(&words, "what \(name.text) is: \(kinds.joined(separator: ", "))")
    guard let kind = Topology.Node.Kind(rawValue: word.text) else { throw unknown(word, "kind of node", kinds) }
    if topology.nodes.count == Topology.Limits.nodes { throw error(name, "more than \(Topology.Limits.nodes) nodes") }
    topology.nodes.append(Topology.Node(name: name.text, kind: kind))
    if let at = words.rest.first, words.take("behind") {
      guard kind == .host else { throw error(at, "only a host stands behind another node; connect a \(kind) by links") }
      let site = try need(&words, "the node that \(name.text) stands behind")
      hosts.append((topology.nodes.count - 1, site))
    }
  }

  private mutating func link(_ words: inout Words) throws(Topology.ParseError) {
    let name = try newName(&words, of: "a link")
    let left = try need(&words, "the two ends of \(name.text), as in 'link \(name.text) a -- b'")
    let dashes = try need(&words, "'--' and the other end of \(name.text)")
    guard dashes.text == "--" else {
      throw error(dashes, "'--' belongs between the two ends of a link, found \(Quantity.quoted(dashes.text))")
    }
    let right = try need(&words, "the other end of \(name.text)")
    if topology.links.count == Topology.Limits.links { throw error(name, "more than \(Topology.Limits.links) links") }
    var link = Topology.Link(name: name.text, a: 0, b: 0)
    for attribute in try attributes(&words) { link.apply(attribute) }
    topology.links.append(link)
    links.append((left, right))
  }

  private mutating func event(_ words: inout Words) throws(Topology.ParseError) {
    let at = try need(&words, "'at TIME LINK CHANGE'")
    guard at.text == "at" else { throw error(at, "'at' belongs here, as in 'event at 5s fibre down'") }
    let time = try need(&words, "when it happens, as in 5s")
    let instant = try quantity(time) { (text) throws(QuantityError) in try Interval(parsing: text) }
    let link = try need(&words, "the link that changes")
    if topology.events.count == Topology.Limits.events { throw error(at, "more than \(Topology.Limits.events) events") }
    topology.events.append(Topology.Event(time: instant, link: 0, change: try change(&words)))
    events.append(link)
  }

  func change(_ words: inout Words) throws(Topology.ParseError) -> Topology.Change {
    if words.take("down") { return .down }
    if words.take("up") { return .up }
    guard let first = words.rest.first else { throw missing(words, "what changes: down, up, or rate, loss, delay …") }
    guard TopologyParser.attributeNames.contains(first.text) else {
      throw unknown(first, "change", ["down", "up"] + TopologyParser.attributeNames)
    }
    return .attributes(try attributes(&words))
  }

  // MARK: Attributes

  private static let attributeNames = [
    "rate", "trace", "trace-up", "trace-down", "delay", "jitter", "loss", "duplicate", "corrupt", "queue", "mtu",
  ]

  private func attributes(_ words: inout Words) throws(Topology.ParseError) -> [Topology.Attribute] {
    var found: [Topology.Attribute] = []
    var given: Set<String> = []
    var up: Word?
    var down: Word?
    while let word = words.next() {
      if TopologyParser.attributeNames.contains(word.text), !given.insert(word.text).inserted {
        throw error(word, "'\(word.text)' is given twice; once is enough")
      }
      switch word.text {
      case "rate":
        let rate = try pair(&words, after: word) { (text) throws(QuantityError) in
          Topology.Rate.fixed(try BitRate(parsing: text))
        }
        found.append(.rate(rate))
      case "trace":
        let file = try need(&words, "the trace's file")
        found.append(.rate(Topology.Pair(both: .trace(file.text))))
      case "trace-up", "trace-down":
        let file = try need(&words, "the trace's file")
        if word.text == "trace-up" { up = file } else { down = file }
        if let up, let down { found.append(.rate(Topology.Pair(.trace(up.text), .trace(down.text)))) }
      case "delay": found.append(.delay(try time(&words, after: word)))
      case "jitter": found.append(.jitter(try time(&words, after: word), reorders: words.take("reorder")))
      case "loss":
        let share = try share(&words, after: word)
        var burst: Int?
        if words.take("burst") {
          burst = try number(try need(&words, "the mean length of a burst"), 1...10_000, "packets in a burst")
        }
        found.append(.loss(share, burst: burst))
      case "duplicate": found.append(.duplicate(try share(&words, after: word)))
      case "corrupt": found.append(.corrupt(try share(&words, after: word)))
      case "queue":
        let queue = try pair(&words, after: word) { (text) throws(QuantityError) in
          try Topology.Queue(parsing: text)
        }
        found.append(.queue(queue))
      case "mtu":
        let range = Topology.Limits.mtu.lowerBound.value...Topology.Limits.mtu.upperBound.value
        found.append(.mtu(ByteCount(try number(try need(&words, "the MTU in bytes"), range, "bytes of MTU"))))
      default: throw unknown(word, "attribute", TopologyParser.attributeNames)
      }
      let rates = ["rate", "trace", "trace-up"].filter(given.contains)
      if rates.count > 1 { throw error(word, "'\(rates[0])' and '\(rates[1])' on one link; it has a rate or a trace") }
    }
    switch (up, down) {
    case (let only?, nil): throw error(only, "'trace-up' alone; add 'trace-down FILE', or use 'trace FILE' for both")
    case (nil, let only?): throw error(only, "'trace-down' alone; add 'trace-up FILE', or use 'trace FILE' for both")
    default: break
    }
    return found
  }

  private func time(_ words: inout Words, after word: Word) throws(Topology.ParseError) -> Topology.Pair<Interval> {
    try pair(&words, after: word) { (text) throws(QuantityError) in try Interval(parsing: text, atMost: .seconds(60)) }
  }

  private func share(_ words: inout Words, after word: Word) throws(Topology.ParseError) -> Topology.Pair<Probability> {
    try pair(&words, after: word) { (text) throws(QuantityError) in try Probability(parsing: text) }
  }

  private func pair<Value: Equatable & Sendable>(
    _ words: inout Words, after attribute: Word, _ read: (String) throws(QuantityError) -> Value
  ) throws(Topology.ParseError) -> Topology.Pair<Value> {
    let word = try need(&words, "a value after '\(attribute.text)'")
    guard let slash = word.text.firstIndex(of: "/") else { return Topology.Pair(both: try quantity(word, read)) }
    let left = String(word.text[..<slash])
    let right = String(word.text[word.text.index(after: slash)...])
    let behind = Word(text: right, line: word.line, column: word.column + left.utf8.count + 1)
    if left.isEmpty || right.isEmpty {
      throw error(word, "\(Quantity.quoted(word.text)) lacks a side; 'a/b' gives left-to-right/right-to-left")
    }
    return Topology.Pair(
      try quantity(Word(text: left, line: word.line, column: word.column), read), try quantity(behind, read))
  }

  private func quantity<Value>(
    _ word: Word, _ read: (String) throws(QuantityError) -> Value
  ) throws(Topology.ParseError) -> Value {
    do { return try read(word.text) } catch { throw self.error(word, error.description) }
  }

  private func number(_ word: Word, _ range: ClosedRange<Int>, _ what: String) throws(Topology.ParseError) -> Int {
    guard let value = Int(word.text), range.contains(value), word.text.first != "+" else {
      let right = "a whole number from \(range.lowerBound) to \(range.upperBound)"
      throw error(word, "\(Quantity.quoted(word.text)) does not count \(what); write \(right)")
    }
    return value
  }

  // MARK: Names

  private func name(_ words: inout Words, of what: String) throws(Topology.ParseError) -> Word {
    let word = try need(&words, "the name of \(what)")
    let isAllowed = { (byte: UInt8) in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "-")
    }
    if let index = word.text.utf8.firstIndex(where: { !isAllowed($0) }) {
      let column = word.column + word.text.utf8.distance(from: word.text.utf8.startIndex, to: index)
      throw error(word.line, column, "\(Quantity.quoted(word.text)) is no name; names are made of a-z, 0-9 and '-'")
    }
    if word.text.first == "-" { throw error(word, "'\(word.text)' begins with '-'; begin with a letter or a digit") }
    if word.text.utf8.count > Topology.Limits.nameLength {
      throw error(word, "a name of \(word.text.utf8.count) letters; at most \(Topology.Limits.nameLength)")
    }
    return word
  }

  /// A name that no node and no link has yet.
  private mutating func newName(_ words: inout Words, of what: String) throws(Topology.ParseError) -> Word {
    let word = try name(&words, of: what)
    if let first = names[word.text] {
      throw error(word, "'\(word.text)' is already a name in line \(first.line); names of nodes and links are unique")
    }
    if word.text == "lo" || word.text == "eth0" {
      throw error(word, "'\(word.text)' is an interface that nodes have anyway; choose another name")
    }
    names[word.text] = word
    return word
  }

  private mutating func resolve() throws(Topology.ParseError) {
    for (host, word) in hosts { topology.nodes[host].behind = try site(word, of: host) }
    for (index, ends) in links.enumerated() {
      topology.links[index].a = try end(ends.a)
      topology.links[index].b = try end(ends.b)
      if topology.links[index].a == topology.links[index].b {
        throw error(ends.b, "this link connects \(ends.b.text) with itself; a link needs two nodes")
      }
    }
    for (index, word) in events.enumerated() {
      guard let link = topology.link(named: word.text) else { throw unknown(word, "link", topology.links.map(\.name)) }
      topology.events[index].link = link
    }
  }

  private func site(_ word: Word, of host: Int) throws(Topology.ParseError) -> Int {
    guard let site = topology.node(named: word.text) else { throw unknown(word, "node", topology.nodes.map(\.name)) }
    switch topology.nodes[site].kind {
    case .gateway, .router, .nat: return site
    case .host, .relay, .oracle:
      let kind = topology.nodes[site].kind.rawValue
      throw error(word, "\(word.text) is of kind \(kind); a host stands behind a gateway, router or nat")
    }
  }

  private func end(_ word: Word) throws(Topology.ParseError) -> Int {
    guard let node = topology.node(named: word.text) else { throw unknown(word, "node", topology.nodes.map(\.name)) }
    if topology.nodes[node].behind != nil {
      throw error(word, "\(word.text) stands behind another node and has no links; drop its 'behind' or this link")
    }
    return node
  }

  // MARK: Messages

  private func need(_ words: inout Words, _ what: String) throws(Topology.ParseError) -> Word {
    guard let word = words.next() else { throw missing(words, what) }
    return word
  }

  private func missing(_ words: Words, _ what: String) -> Topology.ParseError {
    error(words.end, "the line ends too early; here belongs \(what)")
  }

  private func unknown(_ word: Word, _ what: String, _ known: [String]) -> Topology.ParseError {
    let hint: String
    if let nearest = nearestWord(to: word.text, in: known) {
      hint = "did you mean '\(nearest)'?"
    } else if known.isEmpty {
      hint = "there is none in this file"
    } else {
      hint = "known are " + known.prefix(12).joined(separator: ", ") + (known.count > 12 ? " …" : "")
    }
    return error(word, "unknown \(what) \(Quantity.quoted(word.text)); \(hint)")
  }

  private func error(_ word: Word, _ message: String) -> Topology.ParseError { error(word.line, word.column, message) }

  private func error(_ line: Int, _ column: Int, _ message: String) -> Topology.ParseError {
    Topology.ParseError(file: file, line: line, column: column, message: message)
  }
}

extension Topology.Queue {
  /// Reads a time or a size.
  public init(parsing word: String) throws(QuantityError) {
    if word.utf8.last == UInt8(ascii: "b") {
      self = .bytes(try ByteCount(parsing: word))
      return
    }
    if word.utf8.last == UInt8(ascii: "s") {
      self = .time(try Interval(parsing: word, atMost: .seconds(60)))
      return
    }
    let right = "write a time as in 100ms or a size as in 64kb"
    throw QuantityError(description: "\(Quantity.quoted(word)) is no length of a queue; \(right)")
  }

  /// As it is written.
  public var printed: String {
    switch self {
    case .time(let time): time.printed
    case .bytes(let bytes): bytes.printed
    }
  }
}
