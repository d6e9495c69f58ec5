//  Wishes.swift — whom a node is asked to probe, so that the map has no holes where somebody will look.
//
//  Why.  A gateway measures what it uses. Of a relay that nobody uses nobody reports, and so nobody would ever use it.
//
//  How.  Each report is answered with a list: for a gateway relays, for a relay gateways, of which nobody said anything
//  lately in this direction. Those of which nothing is known come first, then the oldest; among equals whoever comes
//  next in a round that begins anywhere, or relays that never answer would be asked for again and again.
//
//      relays    r1 ✓   r2 ✗   r3 ½   r4 ✗   r5 ✓          asked: r2 and r4, then r3
//
//  A source is asked for its own edges only: what it says of others weighs little.

import PathOracle
import Primitives

struct Wish {
  var to: String
  var node: OracleNode
}

extension Oracle {
  /// Below it a figure is a half-life old, and about to be doubted.
  private static var stale: Double { 0.5 }

  mutating func wishes(of source: String, at now: Instant) -> [Wish] {
    guard let kind = nodes[source]?.facts.kind else { return [] }
    let names = kind == .gateway ? relayNames : gatewayNames
    if names.isEmpty { return [] }
    var missing: [(confidence: Double, turn: Int, name: String)] = []
    let start = Int(random.below(UInt64(names.count)))
    for step in names.indices {
      let name = names[(start + step) % names.count]
      if name == source || nodes[name]?.endpoints.isEmpty != false { continue }
      let confidence = map.confidence(from: source, to: name, at: now)
      if confidence < Oracle.stale { missing.append((confidence, step, name)) }
    }
    missing.sort { ($0.confidence, $0.turn) < ($1.confidence, $1.turn) }
    return missing.prefix(Limits.wishes).compactMap { wish in nodes[wish.name].map { Wish(to: wish.name, node: $0) } }
  }
}
