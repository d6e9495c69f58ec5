//  Fleet.swift — gateways and relays that are not there: their names, tokens, the oracle's file, and what they say.
//
//  Each gateway measures the relays that it sees, and each relay the gateways that see it, in pieces of what one report
//  may hold. Delays are those of places on a plane, so that some ways over a relay are shorter than the direct one.

import Primitives
import Sealing

struct Fleet {
  struct Member {
    let name: String
    let token: String
    let place: (x: Double, y: Double)
    /// Whom it measures.
    var others: [Int] = []
  }

  /// A report has at most 512 edges; a relay that sees a thousand gateways speaks four times.
  static let piece = 250

  private(set) var gateways: [Member]
  private(set) var relays: [Member]
  private var random: SeededRandom

  init(gateways: Int, relays: Int, seen: Int, seed: UInt64) {
    var random = SeededRandom(seed: seed)
    func member(_ name: String) -> Member {
      let secret = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let place = (Double(random.below(5_000)), Double(random.below(2_500)))
      return Member(name: name, token: KeyText.text(secret), place: place)
    }
    self.gateways = (0..<gateways).map { member("site-\($0)") }
    self.relays = (0..<relays).map { member("relay-\($0)") }
    for gateway in self.gateways.indices {
      // As many for each: every relay has its turn.
      for step in 0..<min(seen, relays) {
        let relay = (gateway + step * max(1, relays / max(1, seen))) % relays
        self.gateways[gateway].others.append(relay)
        self.relays[relay].others.append(gateway)
      }
    }
    self.random = random
  }

  /// The oracle's file.
  mutating func configuration(port: UInt16, store: String?) -> String {
    var text = "[Oracle]\nListen = 127.0.0.1:\(port)\n"
    if let store { text += "Store = \(store)\n" }
    for (index, gateway) in gateways.enumerated() {
      text += "\n[Gateway \"\(gateway.name)\"]\nToken = \(gateway.token)\n"
      text += "Address = 10.\(index / 250).\(index % 250).0/24\nEndpoint = 198.51.\(index / 250).\(index % 250):51820\n"
    }
    for (index, relay) in relays.enumerated() {
      let key = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      text += "\n[Relay \"\(relay.name)\"]\nToken = \(relay.token)\nPublicKey = \(KeyText.text(key))\n"
      text += "Endpoint = 203.0.113.\(index % 250):\(51_800 + index / 250)\nProvider = as\(index % 12)\n"
      text += "Region = r\(index % 5)\nPrice = 0.0\(1 + index % 9) per GB\nCapacity = 1Gbit\n"
    }
    return text
  }

  /// What a member says this time: a body for each of its reports.
  mutating func reports(of member: Member, isRelay: Bool) -> [String] {
    let others = isRelay ? gateways : relays
    return stride(from: 0, to: member.others.count, by: Fleet.piece).map { start in
      let part = member.others[start..<min(start + Fleet.piece, member.others.count)]
      let edges = part.map { edge(from: member, to: others[$0]) }
      return "{\"edges\":[" + edges.joined(separator: ",") + "]}"
    }
  }

  private mutating func edge(from a: Member, to b: Member) -> String {
    let (x, y) = (a.place.x - b.place.x, a.place.y - b.place.y)
    let distance = (x * x + y * y).squareRoot()
    // Light in glass, a detour, and what changes from report to report.
    let delay = Int(500 + distance * 5 * 1.4) + Int(random.below(200))
    var text = "{\"from\":\"\(a.name)\",\"to\":\"\(b.name)\",\"age_s\":0.\(random.below(10)),"
    text += "\"one_way_us\":\(delay),\"round_trip_us\":\(2 * delay + Int(random.below(200))),\"excess\":["
    for index in 0..<8 { text += (index > 0 ? "," : "") + "[\(250 * index),\(120 >> UInt64(index))]" }
    text += "],\"loss\":0.00\(random.below(10)),\"rate_bps\":\(20_000_000 + random.below(200) * 1_000_000)}"
    return text
  }

  mutating func query() -> (token: String, body: String) {
    let from = Int(random.below(UInt64(gateways.count)))
    let to = (from + 1 + Int(random.below(UInt64(gateways.count - 1)))) % gateways.count
    let objective = ["throughput", "latency", "resilience", "cost"][Int(random.below(4))]
    let body =
      "{\"from\":\"\(gateways[from].name)\",\"to\":\"\(gateways[to].name)\",\"k\":3,\"objective\":\"\(objective)\"}"
    return (gateways[from].token, body)
  }

  /// At any moment between two instants.
  mutating func moment(within interval: Interval) -> Interval {
    Interval(nanoseconds: Int64(random.below(UInt64(interval.nanoseconds))))
  }
}
