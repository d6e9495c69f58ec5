//  Holding.swift — a topology that stays as it is for as long as somebody measures in it.
//
//  One that is up is used as it is and stays; else it is brought up for this and taken down at the end, also after an
//  error or a signal. While we measure, nobody takes it down (the lock of its directory is held together with others),
//  and nobody else measures in it (a lock of its own).
//
//  Gateways of an `up` have no place in the measurement of something else, and what is measured may need their routes.
//  They are ended for this and started anew afterwards.

import Glibc
import Primitives
import Topology

extension Laboratory {
  static func hold<Result>(
    _ topology: Topology, source: String, executable: String?, _ body: () throws(LabError) -> Result
  ) throws(LabError) -> Result {
    var up = Laboratory.UpOptions()
    up.startEvents = false
    up.startGateways = false
    up.executable = executable
    let isOurs: Bool
    switch try Laboratory.up(topology, source: source, options: up) {
    case .built: isOurs = true
    case .wasUp(isSame: true): isOurs = false
    case .wasUp(isSame: false):
      throw .refused(
        "\(topology.name) is up, but not as \(source) has it now: "
          + "`netlab down \(topology.name)` makes room for it")
    }
    do throws(LabError) {
      let result = try locked(topology.name) { () throws(LabError) in
        isOurs ? try body() : try withoutGateways(topology, source: source, executable: executable, body)
      }
      if isOurs { try Laboratory.down(topology.name) }
      return result
    } catch {
      if isOurs { _ = try? Laboratory.down(topology.name) }
      throw error
    }
  }

  private static func withoutGateways<Result>(
    _ topology: Topology, source: String, executable: String?, _ body: () throws(LabError) -> Result
  ) throws(LabError) -> Result {
    let state = LabState(topology.name)
    func namespace(_ node: Int) throws(LabError) -> Namespace {
      try Namespace.open(state.namespaceName(of: topology.nodes[node]))
    }
    let running = Gateways.running(topology, state)
    if running.isEmpty { return try body() }
    func restart() throws(LabError) {
      let plan = BondPlan(topology, traces: try Testbed.traceRates(of: topology, source: source))
      let gateways = try Gateways(plan, state, beside: executable)
      try gateways.waitUntilConnected(try gateways.start(outliveUs: true, namespace: namespace))
    }
    try Gateways.stop(running, namespace: namespace)
    let result: Result
    do throws(LabError) { result = try body() } catch {
      try? restart()
      throw error
    }
    try restart()
    return result
  }

  private static func locked<Result>(
    _ name: String, _ body: () throws(LabError) -> Result
  ) throws(LabError) -> Result {
    let directory = LabState(name).directory
    guard let here = try DirectoryLock.acquire(directory, .shared) else {
      throw .refused("\(name) was taken down by somebody else")
    }
    let own = directory + "/bench"
    let alone = try DirectoryLock.acquire(own, .exclusive, making: [own], patience: .seconds(1))
    defer { rmdir(own) }
    let result = try body()
    _ = consume alone
    _ = consume here
    return result
  }
}
