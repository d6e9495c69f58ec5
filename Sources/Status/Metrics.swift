//  Metrics.swift — a snapshot in Prometheus' text format (0.0.4): what `/metrics` says.
//
//  Names begin with `hawser_`, end with their unit, and counters with `_total`. All that was refused, dropped or lost
//  is one family, `hawser_dropped_total`, with who counts and why as labels; work and repairs are others.
//
//  Labels.  Each line costs a monitoring system memory for as long as it keeps anything. So there are labels for peers,
//  paths and reasons, which the configuration bounds, and none for flows, addresses or ports. Of a hub with very many
//  branches the paths of the first `mostPeers` are told, and the sum of all always.
//
//  Always true.  A family stands in one piece, with its HELP and TYPE before it; a label's value may be anything.

import Primitives

extension StatusSnapshot {
  /// With four paths each, 64,000 lines; more takes a second to write.
  static let mostMeteredPeers = 1_000

  public func metrics() -> String {
    var page = MetricsPage()
    let told = peers.prefix(StatusSnapshot.mostMeteredPeers)
    page.family("hawser_info", .gauge, "Which program this is; always 1.") {
      $0.line([("version", version), ("interface", interface), ("suite", "\(suite)")], 1)
    }
    page.family("hawser_uptime_seconds", .gauge, "How long this gateway has been running.") {
      $0.line([], uptime.inSeconds)
    }
    page.family("hawser_up", .gauge, "1: a peer can be reached; 0: nothing can flow.") {
      $0.line([], verdict == .down ? 0 : 1)
    }
    page.family("hawser_degraded", .gauge, "1: not everything that is configured works.") {
      $0.line([], verdict == .fine ? 0 : 1)
    }
    page.family("hawser_flows", .gauge, "Flows that live.") { $0.line([], flows) }
    page.family("hawser_peers", .gauge, "Peers by their state.") {
      for state in Peer.State.allCases {
        $0.line([("state", state.rawValue)], peers.count { $0.state == state })
      }
    }
    page.family("hawser_resequencer_held_bytes", .gauge, "What waits for what is missing.") {
      $0.line([], resequencer.heldBytes)
    }
    page.family("hawser_resequencer_limit_bytes", .gauge, "The most that may wait.") {
      $0.line([], resequencer.mostBytes)
    }
    page.histogram(
      "hawser_resequencing_seconds", "From a segment's first byte to its release, of those that had to wait.",
      [([], resequencer.waits)])
    metrics(ofPeers: Array(told), &page)
    metrics(ofPaths: told.flatMap { peer in peer.paths.map { (peer, $0) } }, &page)
    metrics(ofCounters: &page)
    return page.text
  }

  private func metrics(ofPeers told: [Peer], _ page: inout MetricsPage) {
    func labels(_ peer: Peer) -> [(String, String)] { [("peer", peer.name)] }
    page.family("hawser_peer_connected", .gauge, "1: there is a session.") {
      for peer in told { $0.line(labels(peer), peer.state == .connected ? 1 : 0) }
    }
    page.family("hawser_peer_handshake_age_seconds", .gauge, "Since the last handshake was completed.") {
      for peer in told { if let age = peer.lastHandshake { $0.line(labels(peer), age.inSeconds) } }
    }
    let directions: [(String, KeyPath<Traffic, UInt64>, KeyPath<Traffic, UInt64>)] = [
      ("sent", \.sentBytes, \.sentPackets), ("received", \.receivedBytes, \.receivedPackets),
    ]
    for (way, bytes, packets) in directions {
      page.family("hawser_peer_\(way)_bytes_total", .counter, "Of inner packets.") {
        for peer in told { $0.line(labels(peer), peer.traffic[keyPath: bytes]) }
      }
      page.family("hawser_peer_\(way)_packets_total", .counter, "Inner packets, as they were \(way).") {
        for peer in told { $0.line(labels(peer), peer.traffic[keyPath: packets]) }
      }
    }
  }

  private func metrics(ofPaths told: [(peer: Peer, path: Path)], _ page: inout MetricsPage) {
    // Two ways over one pair of interfaces differ by where they lead.
    func labels(_ peer: Peer, _ path: Path) -> [(String, String)] {
      [("peer", peer.name), ("path", path.title), ("remote", path.remote ?? "")]
    }
    func gauge(_ name: String, _ help: String, _ value: (Path) -> Double?) {
      page.family(name, .gauge, help) {
        for (peer, path) in told { if let value = value(path) { $0.line(labels(peer, path), value) } }
      }
    }
    func counter(_ name: String, _ help: String, _ value: (Path) -> UInt64) {
      page.family(name, .counter, help) {
        for (peer, path) in told { $0.line(labels(peer, path), value(path)) }
      }
    }
    page.family("hawser_path_state", .gauge, "1 for the state that the path is in.") {
      for (peer, path) in told {
        let word = path.condition.word
        for state in Path.Word.allCases {
          $0.line(labels(peer, path) + [("state", state.rawValue)], state == word ? 1 : 0)
        }
      }
    }
    gauge("hawser_path_up", "1: it answers.") { $0.state == .up ? 1 : 0 }
    gauge("hawser_path_carrying", "1: it carries bulk.") { $0.use == .carrying ? 1 : 0 }
    gauge("hawser_path_round_trip_seconds", "Smoothed.") { $0.roundTrip?.inSeconds }
    gauge("hawser_path_least_round_trip_seconds", "When nothing waits on it.") { $0.leastRoundTrip?.inSeconds }
    gauge("hawser_path_loss_ratio", "Of what was sent lately.") { $0.loss }
    gauge("hawser_path_believed_rate_bytes_per_second", "What it is believed to carry from here.") {
      $0.rate.map { Double($0) / 8 }
    }
    gauge("hawser_path_mtu_bytes", "The largest packet that it is sent.") { Double($0.mtu.value) }
    gauge("hawser_path_budget_bytes", "What it may carry in its period.") { $0.budget.map { Double($0.bytes) } }
    gauge("hawser_path_budget_used_bytes", "What it has carried in its period.") { $0.budget.map { Double($0.used) } }
    counter("hawser_path_sent_bytes_total", "Datagrams, with all that is ours in them.") { $0.traffic.sentBytes }
    counter("hawser_path_received_bytes_total", "Datagrams, with all that is ours in them.") {
      $0.traffic.receivedBytes
    }
    counter("hawser_path_sent_datagrams_total", "Datagrams.") { $0.traffic.sentPackets }
    counter("hawser_path_received_datagrams_total", "Datagrams.") { $0.traffic.receivedPackets }
    page.histogram(
      "hawser_path_queue_delay_seconds",
      "Above the least forward delay, of what was reported: what waits on the way, and jitter.",
      told.map { (labels($0.peer, $0.path), $0.path.delays) })
  }

  private func metrics(ofCounters page: inout MetricsPage) {
    let families: [(String, Counter.Kind, String)] = [
      ("hawser_dropped_total", .refusal, "What was refused, dropped, lost or odd, by who noticed and why."),
      ("hawser_repaired_total", .repair, "What was done against loss, by kind."),
      ("hawser_work_total", .work, "What was done."),
    ]
    for (name, kind, help) in families {
      page.family(name, .counter, help) {
        for counter in counters where counter.kind == kind {
          $0.line([("by", counter.group), ("reason", counter.verdict)], counter.count)
        }
      }
    }
  }
}

/// Text of the format, a family after the other.
struct MetricsPage {
  enum Kind: String { case gauge, counter, histogram }

  private(set) var text = ""
  private var name = ""

  mutating func family(_ name: String, _ kind: Kind, _ help: String, _ fill: (inout MetricsPage) -> Void) {
    self.name = name
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    fill(&self)
  }

  mutating func line(_ labels: [(String, String)], _ value: Double) { add("", labels, plainDecimal(value)) }
  mutating func line(_ labels: [(String, String)], _ value: Int) { add("", labels, "\(value)") }
  mutating func line(_ labels: [(String, String)], _ value: UInt64) { add("", labels, "\(value)") }

  mutating func histogram(_ name: String, _ help: String, _ tallies: [(labels: [(String, String)], tally: SpanTally)]) {
    family(name, .histogram, help) {
      for (labels, tally) in tallies {
        var sum: UInt64 = 0
        for bucket in 0..<SpanTally.buckets {
          sum &+= tally[bucket]
          let end = SpanTally.end(of: bucket).map { plainDecimal($0.inSeconds) } ?? "+Inf"
          $0.add("_bucket", labels + [("le", end)], "\(sum)")
        }
        $0.add("_sum", labels, plainDecimal(Double(tally.sum) / 1e9))
        $0.add("_count", labels, "\(sum)")
      }
    }
  }

  private mutating func add(_ suffix: String, _ labels: [(String, String)], _ value: String) {
    text += name + suffix
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0.0)=\"\(MetricsPage.escaped($0.1))\"" }.joined(separator: ",") + "}"
    }
    text += " " + value + "\n"
  }

  private static func escaped(_ value: String) -> String {
    var text = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n": text += "\\n"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }
}
