//  FoundNames.swift — addresses that a running gateway knows for names which the plan before it has none for.
//
//  A plan asks for names when it is made, and what is set asks for none at all. A name that has no address there may
//  have had one before, or been found since by an `Inquiry`: it keeps it, so that no way to a peer goes for a name
//  server that is silent.

import Configuration
import Primitives
import Sealing

struct FoundNames {
  private struct Name: Hashable {
    let host: String
    let port: UInt16

    init(_ name: Gateway.EndpointName) { (host, port) = (name.host, name.port) }
  }
  /// By an inquiry.
  private var found: [Name: [Endpoint]] = [:]

  /// The place of the answer in `setup` has its addresses now.
  mutating func note(_ answer: Inquiry.Answer, in setup: inout Gateway.Setup) {
    found[Name(answer.name)] = answer.endpoints
    setup.unresolved.removeAll { $0 == answer.name }
    let peer = answer.name.peer
    setup.endpoints[peer] += answer.endpoints.filter { !setup.endpoints[peer].contains($0) }
  }

  /// Names without an address get the one that they had. Only those that never had one are left to be asked for.
  func fill(_ plan: inout Gateway.Setup, before setup: Gateway.Setup) {
    let before = setup.configuration.endpointsByKey(setup.endpoints)
    let keys = plan.configuration.peers.map(\.publicKey) + plan.configuration.relays.map(\.publicKey)
    for name in plan.unresolved {
      if let known = found[Name(name)] {
        plan.endpoints[name.peer] += known.filter { !plan.endpoints[name.peer].contains($0) }
      } else if plan.endpoints[name.peer].isEmpty {
        plan.endpoints[name.peer] = before[keys[name.peer]] ?? []
      }
    }
    plan.unresolved.removeAll { found[Name($0)] != nil }
  }

  /// Only these are still without an address where plans are made.
  mutating func keep(only names: [Gateway.EndpointName]) {
    let wanted = Set(names.map { Name($0) })
    found = found.filter { wanted.contains($0.key) }
  }
}

extension GatewayConfiguration {
  func endpointsByKey(_ endpoints: [[Endpoint]]) -> [PublicKey: [Endpoint]] {
    let keys = peers.map(\.publicKey) + relays.map(\.publicKey)
    return Dictionary(zip(keys, endpoints), uniquingKeysWith: { first, _ in first })
  }
}
