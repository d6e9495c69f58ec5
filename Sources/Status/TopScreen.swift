//  TopScreen.swift — what `hawser top` shows: looks at a gateway, one after the other, as a screen of any size.
//
//  How.  A look is what the API said at one moment. The screen keeps the last ones and draws, from the top, as much as
//  there are lines for:
//
//      hawser0  fine  up for 2 h 5 min                                        q quits
//      in   312 Mbit/s  ▁▂▅▇█▇█      out  12 Mbit/s  ▁▁▂▁▁▂▁      37 flows
//      held 1.2 MB of 67 MB
//
//      PEER  PATH   STATE  …  SHARE  LAST MINUTE
//      hq    fibre  up     …   76 %  ▂▄▆█▇██
//
//      FROM  TO  …                                                     the fastest flows, as many as fit
//
//  A sparkline's top is the greatest of what it shows: it says how something moves, and the number beside it how much
//  it is. Where the terminal is narrow, lines are cut, and the sparklines go first. Every character is one column wide.
//
//  Not here.  The terminal, the clock and the socket.

public import Primitives

public struct TopScreen: Sendable {
  /// Of one path.
  public struct PathLook: Equatable, Sendable {
    public var peer = ""
    public var title = ""
    public var state = ""
    public var reason = ""
    public var received: UInt64 = 0
    public var sent: UInt64 = 0
    /// In milliseconds.
    public var roundTrip: Double?
    public var lossPercent = 0.0
    public var share: Double?

    public init() {}
  }

  public struct Look: Equatable, Sendable {
    public var interface = ""
    public var verdict = ""
    public var uptime = Interval.zero
    public var received: UInt64 = 0
    public var sent: UInt64 = 0
    public var flows = 0
    public var heldBytes: UInt64 = 0
    public var mostHeldBytes: UInt64 = 0
    public var paths: [PathLook] = []
    /// As `hawser flows` prints them.
    public var flowLines: [String] = []

    public init() {}
  }

  /// A minute, a look a second.
  public static let mostLooks = 60
  static let sparkWidth = 30

  private var looks: [Look] = []
  /// Instead of numbers that are not true any more.
  public var trouble: String?

  public init() {}

  public mutating func add(_ look: Look) {
    if looks.count == TopScreen.mostLooks { looks.removeFirst() }
    looks.append(look)
    trouble = nil
  }

  /// Lines that fit, without anything behind the last one. `isPlain`: without colours and with ASCII only.
  public func lines(width: Int, height: Int, isPlain: Bool = false) -> [String] {
    var lines: [String] = []
    if let look = looks.last {
      lines = head(look, width, isPlain) + [""] + pathLines(look, width, isPlain) + [""] + look.flowLines
    } else {
      lines = ["waiting for the gateway"]
    }
    if let trouble { lines.insert(trouble, at: 0) }
    let cut = lines.prefix(max(0, height)).map { TopScreen.cut($0, width) }
    return isPlain ? cut : cut.map { Palette.painted($0) }
  }

  private func head(_ look: Look, _ width: Int, _ isPlain: Bool) -> [String] {
    let title = "\(look.interface)  \(look.verdict)  up for \(age(look.uptime))"
    let hint = "q quits"
    let gap = width - title.count - hint.count
    let spark = min(TopScreen.sparkWidth, max(0, (width - 60) / 2))
    func course(_ of: (Look) -> UInt64) -> String {
      spark < 4 ? "" : "  " + TopScreen.sparkline(looks.map(of), width: spark, isPlain: isPlain)
    }
    let rates =
      "in \(writtenRate(look.received).padded(to: 11, right: true))\(course { $0.received })  "
      + "out \(writtenRate(look.sent).padded(to: 11, right: true))\(course { $0.sent })  \(look.flows) flows"
    return [
      gap > 1 ? title + String(repeating: " ", count: gap) + hint : title, rates,
      "held \(amount(look.heldBytes)) of \(amount(look.mostHeldBytes))",
    ]
  }

  private func pathLines(_ look: Look, _ width: Int, _ isPlain: Bool) -> [String] {
    let head = ["PEER", "PATH", "STATE", "IN", "OUT", "RTT", "LOSS", "SHARE"]
    let rows = look.paths.map { path in
      [
        path.peer, path.title, path.state, writtenRate(path.received), writtenRate(path.sent),
        path.roundTrip.map { plainDecimal($0, decimals: 1) + " ms" } ?? "-",
        plainDecimal(path.lossPercent, decimals: 1) + " %", path.share.map { "\(Int(($0 * 100).rounded())) %" } ?? "-",
      ]
    }
    let table = alignedColumns([head] + rows, right: [3, 4, 5, 6, 7]).split(separator: "\n").map(String.init)
    let widest = table.reduce(0) { max($0, $1.count) }
    let spark = min(TopScreen.sparkWidth, width - widest - 2)
    if spark < 4 { return table }
    return table.enumerated().map { index, line in
      let base = line.padded(to: widest) + "  "
      if index == 0 { return base + "LAST MINUTE" }
      let path = look.paths[index - 1]
      let values = looks.map { look in
        look.paths.first { $0.peer == path.peer && $0.title == path.title }.map { $0.received &+ $0.sent } ?? 0
      }
      return base + TopScreen.sparkline(values, width: spark, isPlain: isPlain)
    }
  }

  // MARK: Drawing

  /// The last `width` values, the newest to the right; the greatest of them is the full height, and nothing is nothing.
  static func sparkline(_ values: [UInt64], width: Int, isPlain: Bool) -> String {
    let blocks: [Character] = isPlain ? Array(" .:-=+*#") : Array("▁▂▃▄▅▆▇█")
    let shown = values.suffix(max(0, width))
    let most = shown.max() ?? 0
    let drawn = shown.map { value -> Character in
      if value == 0 || most == 0 { return " " }
      return blocks[min(blocks.count - 1, Int(Double(value) / Double(most) * Double(blocks.count)))]
    }
    return String(repeating: " ", count: max(0, width - shown.count)) + String(drawn)
  }

  private static func cut(_ line: String, _ width: Int) -> String {
    let cut = line.count > width ? String(line.prefix(max(0, width))) : line
    return String(cut.reversed().drop { $0 == " " }.reversed())
  }
}
