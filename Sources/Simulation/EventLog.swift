//  EventLog.swift — what happened to every packet on every link, one line an event, the same bytes for the same seed.
//
//           1.001234567 fibre     >         12  1514 sent
//           1.009355687 fibre     >         12  1514 delivered
//           5.000000000 fibre     -                  event down
//
//  Columns: seconds, link, direction (`>` from the link's left end to its right, `<` back), packet number, bytes of the
//  frame, and what happened. A packet keeps its number over all links of its path; a duplicate has that of its
//  original. The words:
//
//      sent                           taken by the link
//      dropped:queue  …:mtu  …:down  …:flood      not taken by it, and why
//      delivered                      came out at the other end, perhaps  :duplicate  :corrupted  :duplicate-corrupted
//      lost:chance    lost:cut        came never out: bad luck, or the link went down
//      dropped:memory                 the simulation's own bound on packets, no link's fault
//      event …                        the link changed, as the topology file says it
//
//  The widths depend on the topology alone. Lines come in the order of time.

import Primitives
import Topology

struct EventLog {
  private var writer: ByteWriter
  /// The links' names, filled with blanks to the width of the longest.
  private let names: [[UInt8]]

  init(_ topology: Topology, seed: UInt64, sink: (any ByteSink)?) {
    writer = ByteWriter(sink)
    let width = max(4, topology.links.map(\.name.utf8.count).max() ?? 0)
    names = topology.links.map { link in
      Array(link.name.utf8) + Array(repeating: UInt8(ascii: " "), count: width - link.name.utf8.count)
    }
    if writer.isOn { writer.append("# topology \(topology.name), seed \(seed)\n") }
  }

  var isOn: Bool { writer.isOn }

  /// `line` is the link's number twice, plus one for its way back.
  mutating func note(_ what: StaticString, line: Int, packet: UInt64, frame: Int, at now: Instant) {
    begin(line / 2, at: now)
    writer.append(UInt8(ascii: line % 2 == 0 ? ">" : "<"))
    writer.append(packet, width: 11)
    writer.append(UInt64(frame), width: 6)
    writer.append(UInt8(ascii: " "))
    for at in 0..<what.utf8CodeUnitCount { writer.append(unsafe what.utf8Start[at]) }
    end()
  }

  mutating func note(_ change: Topology.Change, link: Int, at now: Instant) {
    begin(link, at: now)
    writer.append(UInt8(ascii: "-"))
    writer.append("                  event \(change.printed)")
    end()
  }

  mutating func flush() { writer.flush() }

  private mutating func begin(_ link: Int, at now: Instant) {
    let (seconds, nanoseconds) = now.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    writer.append(seconds, width: 6)
    writer.append(UInt8(ascii: "."))
    writer.append(nanoseconds, width: 9, fill: UInt8(ascii: "0"))
    writer.append(UInt8(ascii: " "))
    writer.append(names[link])
    writer.append(UInt8(ascii: " "))
  }

  private mutating func end() {
    writer.append(UInt8(ascii: "\n"))
    writer.endRecord()
  }

  static func word(for verdict: Link.Verdict) -> StaticString {
    switch verdict {
    case .queued: "sent"
    case .queueFull: "dropped:queue"
    case .tooBig: "dropped:mtu"
    case .down: "dropped:down"
    case .flooded: "dropped:flood"
    }
  }

  static func word(for loss: Link.Loss) -> StaticString {
    switch loss {
    case .chance: "lost:chance"
    case .cut: "lost:cut"
    }
  }

  static func word(isLast: Bool, isCorrupt: Bool) -> StaticString {
    switch (isLast, isCorrupt) {
    case (true, false): "delivered"
    case (true, true): "delivered:corrupted"
    case (false, false): "delivered:duplicate"
    case (false, true): "delivered:duplicate-corrupted"
    }
  }
}
