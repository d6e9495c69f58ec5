//  RunGateway.swift — hands a plan to the driver.

import Commands
import Driver
import Primitives
import Service

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ plan: GatewayPlan) throws(Refusal) -> Int32 {
    let names = plan.unresolved.compactMap { peer, text -> Gateway.EndpointName? in
      guard case .name(let host, let port) = text else { return nil }
      return Gateway.EndpointName(peer: peer, host: host, port: port)
    }
    let log = Log.standard(of: "hawser")
    defer { log.end() }
    var setup = Gateway.Setup(
      plan.configuration, endpoints: plan.endpoints, unresolved: names, version: Version.current,
      log: log)
    setup.remoteControl = plan.remoteControl
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }
}
