//  Question.swift — what is asked of every contender, and what an answer consists of.

import Commands
import Lab
import Primitives

enum Question: String, CaseIterable, Sendable {
  /// One TCP flow between the users.
  case tcpCubic = "tcp-cubic"
  case tcpBBR = "tcp-bbr"
  /// Packets of 1,400 bytes, each sent by itself: one flow, ten, very many.
  case udp
  case udpTen = "udp-10"
  case udpMany = "udp-100000"
  /// Packets of 1,400 bytes from a sender that hands over 40 at once to a receiver that takes them so, as QUIC does.
  case udpSegments = "udp-gso"
  case ping
  case idle

  /// For a table's head.
  var words: String {
    switch self {
    case .tcpCubic: "one TCP flow, cubic"
    case .tcpBBR: "one TCP flow, bbr"
    case .udp: "UDP, 1,400 bytes, packet by packet, one flow"
    case .udpTen: "UDP, 1,400 bytes, packet by packet, 10 flows in bursts of 4"
    case .udpMany: "UDP, 1,400 bytes, packet by packet, 100,000 flows in bursts of 4"
    case .udpSegments: "UDP, 1,400 bytes, 40 at once (UDP_SEGMENT, UDP_GRO), one flow"
    case .ping: "1,000 pings, nothing else"
    case .idle: "nothing to do"
    }
  }

  var metrics: [Metric] { own + [Metric("others_share", "others %", per: 0.01, decimals: 0, isCompared: false)] }

  /// What a gateway that carries all that it can should need no more of.
  private static let underLoad = [
    Metric("sender_page_faults", "sender faults", decimals: 0, isCompared: false),
    Metric("receiver_page_faults", "receiver faults", decimals: 0, isCompared: false),
    Metric("sender_resident_bytes", "sender MiB", per: 1_048_576, decimals: 1, isCompared: false),
    Metric("receiver_resident_bytes", "receiver MiB", per: 1_048_576, decimals: 1, isCompared: false),
  ]

  private var own: [Metric] {
    switch self {
    case .tcpCubic, .tcpBBR:
      [
        Metric("goodput_bps", "Gbit/s", per: 1e9, decimals: 2),
        Metric("sender_us_per_64KiB", "sender µs/64KiB", decimals: 1),
        Metric("receiver_us_per_64KiB", "receiver µs/64KiB", decimals: 1),
      ] + Question.underLoad
    case .udp, .udpTen, .udpMany, .udpSegments:
      [
        Metric("sent_pps", "sent kpps", per: 1e3, decimals: 0),
        Metric("received_pps", "received kpps", per: 1e3, decimals: 0),
        Metric("loss_share", "lost %", per: 0.01, decimals: 1),
        Metric("sender_ns_per_packet", "sender ns/packet", decimals: 0),
        Metric("receiver_ns_per_packet", "receiver ns/packet", decimals: 0),
      ] + Question.underLoad
    case .ping:
      [Metric("rtt_p50_us", "median µs", decimals: 0), Metric("rtt_p99_us", "p99 µs", decimals: 0)]
    case .idle:
      [
        Metric("sender_wakeups_per_second", "first wake-ups/s", decimals: 2),
        Metric("receiver_wakeups_per_second", "second wake-ups/s", decimals: 2),
        Metric("sender_cpu_share", "first CPU %", per: 0.01, decimals: 3),
        Metric("receiver_cpu_share", "second CPU %", per: 0.01, decimals: 3),
        Metric("sender_resident_bytes", "first MiB", per: 1_048_576, decimals: 1),
        Metric("receiver_resident_bytes", "second MiB", per: 1_048_576, decimals: 1),
      ]
    }
  }

  /// A value for each metric; nil where the contender has none.
  func ask(_ joined: JoinedSites, on stand: TestStand, _ invocation: Invocation) throws(LabError) -> [Double?] {
    let seconds = invocation[Words.seconds]
    func flood(_ flood: Flood) throws(LabError) -> [Double?] { try flood.measure(joined, on: stand) }
    let rate = invocation[Words.rate]
    switch self {
    case .tcpCubic: return try Bulk(congestionControl: "cubic", seconds: seconds).measure(joined, on: stand)
    case .tcpBBR: return try Bulk(congestionControl: "bbr", seconds: seconds).measure(joined, on: stand)
    case .udp: return try flood(Flood(seconds: seconds, rate: rate))
    case .udpTen: return try flood(Flood(seconds: seconds, rate: rate, sockets: 10, burst: 4))
    case .udpMany: return try flood(Flood(seconds: seconds, rate: rate, sockets: 1_000, ports: 100, burst: 4))
    case .udpSegments: return try flood(Flood(seconds: seconds, rate: rate, pieces: 40, burst: 1))
    case .ping: return try RoundTrips().measure(joined, on: stand)
    case .idle: return try Idleness(seconds: invocation[Words.idle]).measure(joined, on: stand)
    }
  }
}

struct Metric {
  /// In JSON, with its unit.
  let key: String
  let title: String
  /// What the table counts in.
  let unit: Double
  let decimals: Int
  /// Whether its ratio to the first contender's says anything.
  let isCompared: Bool

  init(_ key: String, _ title: String, per unit: Double = 1, decimals: Int, isCompared: Bool = true) {
    self.key = key
    self.title = title
    self.unit = unit
    self.decimals = decimals
    self.isCompared = isCompared
  }
}
