//  StoredNode.swift — a node as the store keeps it, in three rows: facts, token, and how to reach it.
//
//  The store has a table of nodes and one of sources; where a node takes datagrams and which key it has is a setting of
//  the node's name, as JSON. That also names the oracle whose file states the node: when it is taken out of that file,
//  that oracle takes it out of the store, and no other.

import JSON
import Oracle
import PathOracle
import Primitives
import Sealing
import Store

struct StoredNode: Equatable {
  var node: OracleNode
  /// Whose file it is in.
  var oracle: String

  var row: NodeRow {
    let facts = node.facts
    var row = NodeRow(name: facts.name, role: facts.kind.rawValue)
    row.provider = facts.provider
    row.region = facts.region
    row.price = facts.price.microsPerGigabyte
    row.capacity = facts.capacity
    row.addresses = facts.prefixes
    return row
  }

  var source: SourceRow? { node.token.map { SourceRow(name: node.facts.name, token: $0) } }

  var setting: SettingRow {
    let text = JSONText.object {
      $0.member("oracle", oracle)
      $0.array("endpoints") { list in
        for endpoint in node.endpoints { list.element(endpoint) }
      }
      $0.member("public_key", node.publicKey)
    }
    return SettingRow(name: node.facts.name, value: Array(text.utf8))
  }

  init(_ node: OracleNode, of oracle: String) {
    self.node = node
    self.oracle = oracle
  }

  /// nil when the row is none that we understand: a later release may know other roles.
  init?(_ row: NodeRow, token: TokenHash?, setting: [UInt8]?) {
    guard let kind = NodeFacts.Kind(rawValue: row.role) else { return nil }
    let contact = setting.flatMap { try? JSONValue(reading: $0) }
    let endpoints = (contact?["endpoints"]?.array ?? []).compactMap(\.string)
    let price = Price(microsPerGigabyte: min(row.price ?? 0, Price.most.microsPerGigabyte))
    let facts = NodeFacts(
      name: row.name, kind: kind, provider: row.provider, region: row.region, price: price, capacity: row.capacity,
      prefixes: row.addresses, endpoints: endpoints.compactMap { Endpoint($0) })
    node = OracleNode(facts: facts, endpoints: endpoints, publicKey: contact?["public_key"]?.string, token: token)
    oracle = contact?["oracle"]?.string ?? ""
  }
}

extension MeasurementRow {
  init(_ row: OracleDesk.Row) {
    let measurement = row.measurement
    self.init(
      source: measurement.source, origin: measurement.from, target: measurement.to, time: row.made,
      leastDelay: measurement.oneWay, loss: measurement.loss, rate: measurement.rate,
      price: measurement.price?.microsPerGigabyte, histogram: KeptMeasurement.bytes(of: measurement))
  }

  /// As old as it is now; nil for what we do not understand.
  func measurement(at wall: Instant) -> Measurement? {
    // A clock that is some seconds ahead of ours is no reason to forget what it stamped.
    let age = time > wall ? Interval.zero : wall - time
    var measurement = Measurement(
      source: source, from: origin, to: target, age: age, oneWay: leastDelay, loss: loss, rate: rate,
      price: price.map { Price(microsPerGigabyte: $0) })
    return KeptMeasurement.read(histogram, into: &measurement) ? measurement : nil
  }
}
