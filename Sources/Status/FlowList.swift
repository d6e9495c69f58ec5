//  FlowList.swift — the flows of a gateway at one moment, as plain rows, and the ones that somebody wants to see.
//
//  A row has numbers where people want names, since the data path makes 256 of them between two turns; the names come
//  once, beside the rows.

public import Primitives

public struct FlowList: Equatable, Sendable {
  public struct Row: Equatable, Sendable, BitwiseCopyable {
    public var key: FlowKey
    /// Places in the lists of names.
    public var peer: UInt32
    public var classNumber: UInt8
    public var stack: Stack
    /// nil: no rule held.
    public var rule: UInt16?
    public var lane: UInt16
    public var sentBytes: UInt64
    public var sentPackets: UInt64
    /// Of what comes back, a close estimate: see `Returns` of the engine.
    public var receivedBytes: UInt64
    /// Bits a second, over the last second or two.
    public var sentRate: UInt64
    public var receivedRate: UInt64
    public var age: Interval
    /// Since its last packet.
    public var silence: Interval

    public init(
      key: FlowKey, peer: UInt32, classNumber: UInt8, stack: Stack, rule: UInt16?, lane: UInt16, sentBytes: UInt64,
      sentPackets: UInt64, receivedBytes: UInt64, sentRate: UInt64, receivedRate: UInt64, age: Interval,
      silence: Interval
    ) {
      self.key = key
      self.peer = peer
      self.classNumber = classNumber
      self.stack = stack
      self.rule = rule
      self.lane = lane
      self.sentBytes = sentBytes
      self.sentPackets = sentPackets
      self.receivedBytes = receivedBytes
      self.sentRate = sentRate
      self.receivedRate = receivedRate
      self.age = age
      self.silence = silence
    }

    public var rate: UInt64 { sentRate &+ receivedRate }
    public var bytes: UInt64 { sentBytes &+ receivedBytes }
  }

  public enum Stack: UInt8, Equatable, Sendable, BitwiseCopyable {
    case striped, single, raw

    public var word: String {
      switch self {
      case .striped: "striped"
      case .single: "single"
      case .raw: "raw"
      }
    }
  }

  public enum Order: String, CaseIterable, Sendable {
    case rate, bytes, age
  }

  /// Which of them, and in which order.
  public struct Wish: Equatable, Sendable {
    /// A terminal's worth of them twice over.
    public static let usualTop = 100
    /// More than this nobody reads, and a program asks for a flow by its name.
    public static let mostTop = 10_000

    public var order = Order.rate
    public var top = Wish.usualTop
    public var pattern: FlowPattern?

    public init() {}
  }

  public var rows: [Row] = []
  public var peers: [String]
  public var classes: [String]
  public var rules: [String]

  public init(peers: [String], classes: [String], rules: [String]) {
    self.peers = peers
    self.classes = classes
    self.rules = rules
  }

  /// The wanted ones, the greatest first; how many there are in all that fit.
  public func chosen(_ wish: Wish) -> (rows: [Row], fitting: Int) {
    let fitting = wish.pattern.map { pattern in rows.filter { pattern.fits($0.key) } } ?? rows
    let sorted = fitting.sorted { a, b in
      let (first, second) = (FlowList.measure(a, wish.order), FlowList.measure(b, wish.order))
      // What is equal comes in an order that does not jump from one look to the next.
      return first != second ? first > second : a.key.description < b.key.description
    }
    return (Array(sorted.prefix(wish.top)), fitting.count)
  }

  private static func measure(_ row: Row, _ order: Order) -> UInt64 {
    switch order {
    case .rate: row.rate
    case .bytes: row.bytes
    case .age: UInt64(max(0, row.age.nanoseconds))
    }
  }

  func peerName(_ row: Row) -> String { peers.indices.contains(Int(row.peer)) ? peers[Int(row.peer)] : "-" }
  func className(_ row: Row) -> String {
    classes.indices.contains(Int(row.classNumber)) ? classes[Int(row.classNumber)] : "-"
  }
  func ruleName(_ row: Row) -> String? {
    guard let rule = row.rule, rules.indices.contains(Int(rule)) else { return nil }
    return rules[Int(rule)]
  }
}

extension FlowList {
  /// `/v1/flows`
  public func json(_ wish: Wish = Wish(), _ layout: JSONText.Layout = .line) -> String {
    let (chosen, fitting) = chosen(wish)
    return JSONText.object(layout) {
      $0.member("count", rows.count)
      $0.member("fitting", fitting)
      $0.member("sort", wish.order.rawValue)
      $0.array("flows") { for row in chosen { $0.object { write(row, to: &$0) } } }
    }
  }

  func write(_ row: Row, to object: inout JSONText.Object) {
    object.member("source", "\(row.key.source)")
    object.member("source_port", row.key.sourcePort)
    object.member("destination", "\(row.key.destination)")
    object.member("destination_port", row.key.destinationPort)
    object.member("protocol", row.key.transportText)
    object.member("peer", peerName(row))
    object.member("class", className(row))
    object.member("stack", row.stack.word)
    object.member("rule", ruleName(row))
    object.member("lane", row.lane)
    object.member("sent_bytes", row.sentBytes)
    object.member("sent_packets", row.sentPackets)
    object.member("received_bytes", row.receivedBytes)
    object.member("sent_rate_bps", row.sentRate)
    object.member("received_rate_bps", row.receivedRate)
    object.member("age_ms", row.age.nanoseconds / 1_000_000)
    object.member("silent_ms", row.silence.nanoseconds / 1_000_000)
  }

  /// What `hawser flows` prints.
  public func text(_ wish: Wish = Wish()) -> String {
    let (chosen, fitting) = chosen(wish)
    if fitting == 0 { return rows.isEmpty ? "no flows\n" : "none of \(rows.count) flows is so\n" }
    let head = [
      "FROM", "TO", "PROTO", "PEER", "CLASS", "STACK", "RULE", "LANE", "OUT", "IN", "SENT", "RECEIVED", "AGE",
    ]
    let table = chosen.map { row in
      [
        row.key.sourceText, row.key.destinationText, row.key.transportText, peerName(row), className(row),
        row.stack.word, ruleName(row) ?? "-", "\(row.lane)", writtenRate(row.sentRate), writtenRate(row.receivedRate),
        amount(row.sentBytes), amount(row.receivedBytes), age(row.age),
      ]
    }
    let rest = fitting - chosen.count
    return alignedColumns([head] + table, right: [7, 8, 9, 10, 11, 12])
      + (rest > 0 ? "and \(rest) more; --top shows so many\n" : "")
  }
}
