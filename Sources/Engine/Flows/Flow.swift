//  Flow.swift — what is remembered of one flow: packets of this gateway's network with the same addresses and ports.

import Packets
import Primitives

/// One direction: what comes back is a flow of the other gateway.
struct Flow {
  let key: FiveTuple
  var lastSeen: Instant
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  /// Who gets it; nobody until it is decided.
  var peer = UInt32.max
  /// Packets in its queue; `FlowQueues` keeps it.
  var waiting: UInt32 = 0
  var plan = Plan(.striped, path: nil, rule: nil, revision: 0)
  var rhythm = Rhythm()
  /// Its class now: the plan's, or what it is and does.
  var classNumber: UInt8 = 0
  /// The path that a single flow stays on while it can, as its place with the peer; nil: none is chosen.
  var pin: UInt8?
  var rest: FlowTable.Rest
  /// Of its bytes.
  var pace: Pace

  init(key: FiveTuple, rest: FlowTable.Rest, at now: Instant) {
    pace = Pace(at: now)
    self.key = key
    self.rest = rest
    lastSeen = now
  }

  /// A packet that was counted. True when the flow's class may have changed.
  @inline(__always)
  mutating func noteRhythm(_ length: Int, at now: Instant) -> Bool {
    let window = Pace.number(now)
    if !rhythm.isIn(window) { pace.turn(bytes &- UInt64(length), window: window) }
    return rhythm.note(length, in: window)
  }

  /// Written out, since it is asked for every packet: five words instead of seven comparisons.
  @inline(__always)
  func hasKey(_ other: FiveTuple) -> Bool {
    let ports = (key.sourcePort ^ other.sourcePort) | (key.destinationPort ^ other.destinationPort)
    let small = (key.transport ^ other.transport) | (key.source.family.rawValue ^ other.source.family.rawValue)
    let source = (key.source.high ^ other.source.high) | (key.source.low ^ other.source.low)
    let destination =
      (key.destination.high ^ other.destination.high) | (key.destination.low ^ other.destination.low)
    return source | destination | UInt64(ports) | UInt64(small) == 0
  }

  /// Protocols of questions and answers.
  static func isShort(_ transport: UInt8) -> Bool {
    transport == PacketView.Transport.udp || transport == PacketView.Transport.icmp
      || transport == PacketView.Transport.icmpv6
  }
}
