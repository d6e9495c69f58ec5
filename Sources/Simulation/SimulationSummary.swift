//  SimulationSummary.swift — what a simulation found, as a value, as a table and as JSON.

public import Primitives
public import Topology

public struct SimulationSummary: Equatable, Sendable {
  public var topology: String
  public var seed: UInt64
  public var duration: Interval
  /// How long there were only pings.
  public var idle: Interval
  public var from: String
  public var to: String
  public var paths: [PathReport]
  public var lines: [LineReport]
  public var events: [EventReport]
  public var counters: World.Counters
  /// Packets that were still on their way at the end.
  public var packetsInside: Int

  public struct PathReport: Equatable, Sendable {
    public var name: String
    public var relay: String?
    /// Of its narrowest line when the simulation starts; nil when no line has a rate.
    public var rate: BitRate?
    /// The share of a full frame that is payload.
    public var payloadShare: Double
    /// Payload bits a second, in order, from the flow's start to the end.
    public var goodput: Double
    /// Payload bits in each second of the simulation.
    public var eachSecond: [UInt64]
    public var flow: FlowSender.Counters
    public var idle: RoundTrips
    public var loaded: RoundTrips
    public var pings: Int
    public var pingsAnswered: Int
    /// Its links that another path uses too.
    public var shared: [String]
  }

  /// Round-trip times in milliseconds; nil when there was not a single one.
  public struct RoundTrips: Equatable, Sendable {
    public var count: Int
    public var least: Double?
    public var median: Double?
    public var p99: Double?

    public init(_ samples: [Interval]) {
      let sorted = samples.sorted()
      count = sorted.count
      func at(_ share: Double) -> Double? {
        if sorted.isEmpty { return nil }
        let rank = Int((share * Double(sorted.count)).rounded(.up))
        return sorted[min(sorted.count, max(1, rank)) - 1].inMilliseconds
      }
      least = at(0)
      median = at(0.5)
      p99 = at(0.99)
    }
  }

  /// One direction of a link.
  public struct LineReport: Equatable, Sendable {
    public var link: String
    public var from: String
    public var to: String
    public var direction: Topology.Direction
    /// At the end; nil when it has none.
    public var rate: BitRate?
    /// What left the line, as a share of what could have while it was up.
    public var utilisation: Double?
    public var counters: Link.Counters
  }

  public struct EventReport: Equatable, Sendable {
    public var time: Interval
    public var link: String
    public var change: String
  }
}

// MARK: For people

extension SimulationSummary {
  /// Several lines, the last one ended.
  public func table() -> String {
    var text = "\(topology), \(from) to \(to): \(decimal(duration.inSeconds, 3)) s simulated, seed \(seed)\n\n"
    var rows = [["path", "Mbit/s", "of line", "idle ms", "median", "p99", "loaded ms", "p99", "resent", "each second"]]
    for path in paths {
      let share = path.rate.map { path.goodput / (Double($0.bitsPerSecond) * path.payloadShare) }
      rows.append([
        path.name, decimal(path.goodput / 1e6, 1), share.map { percent($0) } ?? "no limit", shown(path.idle.least),
        shown(path.idle.median), shown(path.idle.p99), shown(path.loaded.median), shown(path.loaded.p99),
        String(path.flow.retransmissions), curve(path),
      ])
    }
    text += alignedColumns(rows, right: Set(1...8))
    let sharing = paths.filter { !$0.shared.isEmpty }
    if !sharing.isEmpty {
      text += "\n"
      for path in sharing { text += "\(path.name) shares \(path.shared.joined(separator: ", ")) with another path\n" }
    }

    text += "\n"
    rows = [["link", "direction", "used", "packets", "delivered", "queue full", "lost", "cut", "down", "other"]]
    for line in lines where line.counters != Link.Counters() {
      let counters = line.counters
      rows.append([
        line.link, "\(line.from) > \(line.to)", line.utilisation.map { percent($0) } ?? "no limit",
        String(counters.accepted), String(counters.delivered), String(counters.queueFull),
        String(counters.lostByChance), String(counters.cut), String(counters.down),
        String(counters.tooBig + counters.flooded),
      ])
    }
    text += alignedColumns(rows, right: Set(2...9))
    if counters.outOfMemory > 0 {
      text += "\n\(counters.outOfMemory) packets were dropped because a simulation holds at most \(World.mostPackets)\n"
    }
    if !events.isEmpty {
      text += "\n"
      for event in events { text += "at \(event.time.printed) \(event.link) \(event.change)\n" }
    }
    return text
  }

  private func shown(_ milliseconds: Double?) -> String { milliseconds.map { decimal($0, 1) } ?? "-" }

  private func percent(_ share: Double) -> String { decimal(share * 100, 1) + " %" }

  /// With exactly so many decimals, so that points stand below each other.
  private func decimal(_ value: Double, _ decimals: Int) -> String {
    let text = plainDecimal(value, decimals: decimals)
    if decimals == 3 { return text }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count > 1 ? String(parts[1]) : ""
    return parts[0] + "." + fraction + String(repeating: "0", count: max(0, decimals - fraction.count))
  }

  /// The goodput over time, at most `mostBars` bars high as the best of them; an empty second is a blank.
  private func curve(_ path: PathReport) -> String {
    let bars = Array("▁▂▃▄▅▆▇█")
    let mostBars = 60
    let seconds = max(1, Int((duration.nanoseconds + 999_999_999) / 1_000_000_000))
    let together = (seconds + mostBars - 1) / mostBars
    var sums: [UInt64] = []
    for start in stride(from: 0, to: seconds, by: together) {
      var sum: UInt64 = 0
      for second in start..<min(start + together, path.eachSecond.count) where second < path.eachSecond.count {
        sum += path.eachSecond[second]
      }
      sums.append(sum)
    }
    let highest = sums.max() ?? 0
    return String(
      sums.map { sum in
        sum == 0 ? " " : bars[min(bars.count - 1, Int(Double(sum) / Double(highest) * Double(bars.count)))]
      })
  }
}

// MARK: For programs

extension SimulationSummary {
  public func json() -> String {
    JSONText.object(.indented) { root in
      root.member("topology", topology)
      root.member("seed", seed)
      root.member("seconds", duration.inSeconds)
      root.member("from", from)
      root.member("to", to)
      root.array("paths") { for path in paths { $0.object { path.write(into: &$0) } } }
      root.array("links") { for line in lines { $0.object { line.write(into: &$0) } } }
      root.array("events") {
        for event in events {
          $0.object {
            $0.member("at_s", event.time.inSeconds)
            $0.member("link", event.link)
            $0.member("change", event.change)
          }
        }
      }
      root.object("packets") {
        $0.member("sent", counters.sent)
        $0.member("duplicated", counters.duplicated)
        $0.member("delivered", counters.delivered)
        $0.member("dropped", counters.dropped)
        $0.member("lost", counters.lost)
        $0.member("out_of_memory", counters.outOfMemory)
        $0.member("inside", packetsInside)
      }
    }
  }
}

extension SimulationSummary.PathReport {
  fileprivate func write(into object: inout JSONText.Object) {
    object.member("name", name)
    object.member("relay", relay)
    object.member("rate_bps", rate?.bitsPerSecond)
    object.member("goodput_bps", goodput, decimals: 0)
    object.array("goodput_each_second_bps") { for bits in eachSecond { $0.element(bits) } }
    object.member("retransmits", flow.retransmissions)
    object.member("timeouts", flow.timeouts)
    object.member("rtt_idle_min_ms", idle.least, decimals: 3)
    object.member("rtt_idle_ms", idle.median, decimals: 3)
    object.member("rtt_idle_p99_ms", idle.p99, decimals: 3)
    object.member("rtt_loaded_min_ms", loaded.least, decimals: 3)
    object.member("rtt_loaded_p50_ms", loaded.median, decimals: 3)
    object.member("rtt_loaded_p99_ms", loaded.p99, decimals: 3)
    object.member("pings", pings)
    object.member("pings_answered", pingsAnswered)
    object.array("shared_links") { for link in shared { $0.element(link) } }
  }
}

extension SimulationSummary.LineReport {
  fileprivate func write(into object: inout JSONText.Object) {
    object.member("name", link)
    object.member("from", from)
    object.member("to", to)
    object.member("rate_bps", rate?.bitsPerSecond)
    object.member("utilisation", utilisation, decimals: 4)
    object.member("accepted", counters.accepted)
    object.member("carried_bytes", counters.carriedBytes)
    object.member("delivered", counters.delivered)
    object.member("delivered_bytes", counters.deliveredBytes)
    object.member("duplicated", counters.duplicated)
    object.member("corrupted", counters.corrupted)
    object.member("dropped_queue", counters.queueFull)
    object.member("dropped_mtu", counters.tooBig)
    object.member("dropped_down", counters.down)
    object.member("dropped_flood", counters.flooded)
    object.member("lost_chance", counters.lostByChance)
    object.member("lost_cut", counters.cut)
  }
}
