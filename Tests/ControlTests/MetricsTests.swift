//  MetricsTests.swift — /metrics, as Prometheus reads it.

import Foundation
import Primitives
import Status
import Testing

private let hasPromtool = shell("command -v promtool").status == 0

@Suite struct `The metrics` {
  /// The value of a line by its beginning; nil: there is none, or there are several.
  private func value(_ beginning: String, in text: String) -> Double? {
    let lines = text.split(separator: "\n").filter { $0.hasPrefix(beginning + " ") }
    return lines.count == 1 ? Double(lines[0].dropFirst(beginning.count + 1)) : nil
  }

  @Test func `say what the snapshot says, in seconds, bytes and words`() {
    let text = sample.metrics()
    #expect(value("hawser_uptime_seconds", in: text) == 3_725)
    #expect(value("hawser_flows", in: text) == 3)
    let fibre = #"peer="hq",path="fibre",remote="192.0.2.1:51820""#
    #expect(value("hawser_path_round_trip_seconds{\(fibre)}", in: text) == 0.008125)
    #expect(value(#"hawser_path_state{\#(fibre),state="lossy"}"#, in: text) == 1)
    #expect(value(#"hawser_path_state{\#(fibre),state="up"}"#, in: text) == 0)
    #expect(value(#"hawser_peer_received_bytes_total{peer="hq"}"#, in: text) == 1_499_600_000)
    #expect(value(#"hawser_dropped_total{by="handshake",reason="badMAC"}"#, in: text) == 3)
    #expect(value("hawser_degraded", in: text) == 1)
    #expect(value("hawser_up", in: text) == 1)
    // What is not known has no line: a zero would be a measurement.
    #expect(!text.contains(#"hawser_path_round_trip_seconds{peer="hq",path="lte""#))
  }

  @Test func `have buckets that only grow, up to the count`() {
    var snapshot = sample
    for span in [Interval.microseconds(10), .milliseconds(3), .milliseconds(3), .seconds(60)] {
      snapshot.resequencer.waits.note(span)
    }
    let text = snapshot.metrics()
    let buckets = text.split(separator: "\n").filter { $0.hasPrefix("hawser_resequencing_seconds_bucket") }
    let counts = buckets.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
    #expect(counts.count == SpanTally.buckets && counts == counts.sorted())
    #expect(counts.first == 1 && counts.last == 4)
    #expect(buckets.last?.contains(#"le="+Inf""#) == true)
    #expect(value("hawser_resequencing_seconds_count", in: text) == 4)
    #expect(value("hawser_resequencing_seconds_sum", in: text) == 60.00601)
  }

  @Test func `stay bounded, however many peers there are, and take any name`() {
    var snapshot = sample
    snapshot.peers[0].name = "a \"b\\ \n c"
    #expect(snapshot.metrics().contains(#"{peer="a \"b\\ \n c"}"#))
    snapshot.peers = Array(repeating: snapshot.peers[1], count: 3_000)
    for index in snapshot.peers.indices { snapshot.peers[index].name = "branch-\(index)" }
    let lines = snapshot.metrics().split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("hawser_peer_connected{") } == 1_000)
    #expect(lines.contains(#"hawser_peers{state="connecting"} 3000"#))
  }

  @Test func `each family stands in one piece, with its help and its type before it`() {
    var seen: Set<Substring> = []
    var family: Substring = ""
    for line in sample.metrics().split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("# HELP ") {
        family = words[2]
        #expect(seen.insert(family).inserted, "\(family)")
      } else if line.hasPrefix("# TYPE ") {
        #expect(words[2] == family)
      } else {
        let name = line.prefix { $0 != "{" && $0 != " " }
        let known: [Substring] = [family, family + "_bucket", family + "_sum", family + "_count"]
        #expect(known.contains(name), "\(line)")
      }
    }
  }

  @Test(.enabled(if: hasPromtool, "needs promtool, of Debian's prometheus")) func `promtool accepts them`() throws {
    let gateway = try Standing(metrics: [Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)])
    let answer = shell("curl -s http://\(gateway.metrics[0])/metrics | promtool check metrics")
    #expect(answer.status == 0 && answer.output.isEmpty, "\(answer.output)")
  }
}
