//  WireMessages.swift — what may be said to a wire and what it answers: one line of text each, so that a human can read
//  it on the socket.
//
//      start                        the clock of the file's events starts now
//      set LINK down|up|ATTRIBUTE…  applies at once; the words are the topology file's
//      stats                        ok carried 81 late 0 …            how well the wire keeps its promises
//      stats LINK                   ok forward.accepted 81 …          what became of a link's frames, each way
//      reset                        carried, late and their like begin at zero again
//      stop                         the wire ends, and its interfaces with it
//
//  Everything else is answered by `error:` and a sentence. Both ends of the conversation are here, so that they cannot
//  drift apart.

public import Primitives
public import Simulation
import Topology

enum WireRequest: Equatable {
  case start
  case set(link: String, change: Topology.Change)
  case totals
  case statistics(link: String)
  case reset
  case stop

  /// The longest line of a topology fits into a `set`.
  static let mostBytes = Topology.Limits.lineLength + 64

  init(parsing text: String) throws(LabError) {
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    switch (words.first, words.count) {
    case ("start", 1): self = .start
    case ("reset", 1): self = .reset
    case ("stop", 1): self = .stop
    case ("stats", 1): self = .totals
    case ("stats", 2): self = .statistics(link: words[1])
    case ("set", 3...):
      do throws(Topology.ParseError) {
        self = .set(link: words[1], change: try Topology.Change(parsing: words[2...].joined(separator: " ")))
      } catch {
        throw .wrongUsage(error.message)
      }
    default:
      throw .wrongUsage("a wire takes start, set LINK CHANGE, stats [LINK], reset and stop, not \"\(text.prefix(40))\"")
    }
  }

  var text: String {
    switch self {
    case .start: "start"
    case .set(let link, let change): "set \(link) \(change.printed)"
    case .totals: "stats"
    case .statistics(let link): "stats \(link)"
    case .reset: "reset"
    case .stop: "stop"
    }
  }
}

/// How well a wire keeps its promises, since its start or the last `reset`.
public struct WireTotals: Equatable, Sendable {
  /// Frames that came out, copies included.
  public var carried: UInt64 = 0
  /// Those of them that came out more than 1 ms late, or may have waited that long before they were read.
  public var late: UInt64 = 0
  /// Frames that an interface dropped since the wire read it too slowly.
  public var overrun: UInt64 = 0
  /// Frames dropped since all memory of the wire was in use.
  public var noSlot: UInt64 = 0
  /// Frames that are larger than any link of the topology takes.
  public var oversized: UInt64 = 0
  /// Frames that the interface at the far end refused: it was down.
  public var notTaken: UInt64 = 0

  public init() {}

  /// Whether what was measured over this wire is what the topology says: at most one frame in a thousand late or lost
  /// by the wire.
  public var isTrustworthy: Bool { (late + overrun + noSlot) * 1_000 <= carried || late + overrun + noSlot == 0 }

  static let fields: [WireField<WireTotals>] = [
    .init("carried", \.carried), .init("late", \.late), .init("overrun", \.overrun), .init("no-slot", \.noSlot),
    .init("oversized", \.oversized), .init("not-taken", \.notTaken),
  ]
}

/// What happened in one direction of a link, and what is in it now.
public struct LineStatistics: Equatable, Sendable {
  public var counters = Link.Counters()
  /// Bytes that wait for the line or are on it, and bytes that left it and have not arrived.
  public var queued = ByteCount.zero
  public var inFlight = ByteCount.zero

  public init() {}

  static let fields: [WireField<LineStatistics>] = [
    .init("accepted", \.counters.accepted), .init("delivered", \.counters.delivered),
    .init("delivered-bytes", \.counters.deliveredBytes), .init("duplicated", \.counters.duplicated),
    .init("corrupted", \.counters.corrupted), .init("queue-full", \.counters.queueFull),
    .init("too-big", \.counters.tooBig), .init("down", \.counters.down), .init("flooded", \.counters.flooded),
    .init("lost-by-chance", \.counters.lostByChance), .init("cut", \.counters.cut),
    .init("queued-bytes", \.queued.wireValue), .init("in-flight-bytes", \.inFlight.wireValue),
  ]
}

struct WireField<Root>: Sendable {
  let name: String
  nonisolated(unsafe) let path: WritableKeyPath<Root, UInt64>

  init(_ name: String, _ path: WritableKeyPath<Root, UInt64>) {
    self.name = name
    self.path = path
  }
}

extension ByteCount {
  fileprivate var wireValue: UInt64 {
    get { UInt64(value) }
    set { value = Int(clamping: newValue) }
  }
}

/// `name value name value …`
enum WireText {
  static func of<Root>(_ root: Root, _ fields: [WireField<Root>], prefix: String = "") -> String {
    fields.map { "\(prefix)\($0.name) \(root[keyPath: $0.path])" }.joined(separator: " ")
  }

  /// Fields that are missing keep what `root` has; names that we do not know are the business of a newer wire.
  static func read<Root>(_ text: Substring, _ fields: [WireField<Root>], prefix: String = "", into root: inout Root) {
    let words = text.split(separator: " ")
    for pair in stride(from: 0, to: words.count - 1, by: 2) {
      guard let value = UInt64(words[pair + 1]) else { continue }
      guard let field = fields.first(where: { prefix + $0.name == words[pair] }) else { continue }
      root[keyPath: field.path] = value
    }
  }
}
