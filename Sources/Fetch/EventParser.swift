//  EventParser.swift — the events in a stream of `text/event-stream`, from pieces of any size.
//
//  A line is a field and its value; an empty line ends an event. Fields of the same name add up to lines of `data`.
//  Lines that begin with a colon are comments, which servers send so that nobody takes them for dead. Lines end with
//  CR, LF or both. An event without data is none, and what follows the last empty line is half an event.
//
//  Always true.  At most `most` bytes of an event are held; one that is longer ends the stream.

public struct ServerSentEvent: Equatable, Sendable {
  /// "message" when the server does not say.
  public var name: String
  public var data: String
  /// The last one that the server gave, with this event or an earlier one.
  public var id: String

  public init(name: String = "message", data: String, id: String = "") {
    (self.name, self.data, self.id) = (name, data, id)
  }
}

struct EventParser {
  enum Verdict: Equatable {
    case fine
    /// The reader has enough.
    case stopped
    case tooLong
  }

  private static let carriageReturn: UInt8 = 13
  private static let lineFeed: UInt8 = 10

  private let most: Int
  private var line: [UInt8] = []
  private var data: [UInt8] = []
  private var hasData = false
  private var name = ""
  private var id = ""
  private var isAfterReturn = false
  private var isFirstLine = true

  init(most: Int) { self.most = most }

  mutating func receive(_ bytes: some Sequence<UInt8>, _ each: (ServerSentEvent) -> Bool) -> Verdict {
    for byte in bytes {
      let isPair = isAfterReturn && byte == EventParser.lineFeed
      isAfterReturn = byte == EventParser.carriageReturn
      if isPair { continue }
      if byte != EventParser.carriageReturn && byte != EventParser.lineFeed {
        if line.count + data.count >= most { return .tooLong }
        line.append(byte)
        continue
      }
      if isFirstLine && line.starts(with: [0xef, 0xbb, 0xbf]) { line.removeFirst(3) }
      isFirstLine = false
      if line.isEmpty {
        if let event = take(), !each(event) { return .stopped }
      } else {
        read()
        line.removeAll(keepingCapacity: true)
      }
    }
    return .fine
  }

  private mutating func take() -> ServerSentEvent? {
    defer { (data, hasData, name) = ([], false, "") }
    if !hasData { return nil }
    return ServerSentEvent(
      name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self), id: id)
  }

  private mutating func read() {
    let colon = line.firstIndex(of: UInt8(ascii: ":"))
    var value = colon.map { line[($0 + 1)...] } ?? []
    if value.first == UInt8(ascii: " ") { value.removeFirst() }
    switch String(decoding: line[..<(colon ?? line.endIndex)], as: UTF8.self) {
    case "data":
      if hasData { data.append(EventParser.lineFeed) }
      data += value
      hasData = true
    case "event": name = String(decoding: value, as: UTF8.self)
    case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
    default: break
    }
  }
}
