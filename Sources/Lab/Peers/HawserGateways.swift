//  HawserGateways.swift — our own gateways as a bond: the two of the sites, over exactly the ways that were measured.
//
//  What they are told and how they are started is the same as for a user's topology (Gateways), relays included.

import Primitives
import Topology

final class HawserGateways: Bond {
  let name = "hawser"
  let usesAllPaths = true
  let interface: String? = BondPlan.interface
  private let executable: String?
  private let policy: String

  /// `executable` is the program that the gateway lies beside; nil is this one. `policy` stands in both configurations.
  init(beside executable: String? = nil, policy: String = "") {
    self.executable = executable
    self.policy = policy
  }

  func requirePrograms() throws(LabError) { _ = try Gateways.program(beside: executable) }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    let testbed = scaffold.testbed
    let ways = surveyed.ways.map(\.way)
    for way in ways where way.relay == nil {
      try scaffold.lead(over: way, from: way.opener ?? surveyed.sites.first)
      try scaffold.leadBound(over: way)
    }
    let plan = BondPlan(testbed.topology, ways: ways, traces: testbed.traceRates)
    let gateways = try Gateways(plan, testbed.state, beside: executable, policy: policy)
    scaffold.onTakeDown { try? LabState.removeTree(testbed.state.gateways, depth: 2) }
    let running = try gateways.start(outliveUs: false, namespace: testbed.namespace)
    for gateway in running { scaffold.adopt(gateway.process, at: gateway.node) }
    scaffold.onTakeDown { try? Gateways.stop(running, namespace: testbed.namespace) }
    try gateways.waitUntilConnected(running, check: testbed.interruption.check)
    let inside = [surveyed.sites.first, surveyed.sites.second].map { plan.insideAddress(of: $0).description }
    return surveyed.flowOfUsers(name, over: surveyed.best.way, tunnel: (inside[0], inside[1]))
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) -> [String] {
    ["hawser: over \(surveyed.ways.map(\.way.name).joined(separator: ", "))"]
  }
}
