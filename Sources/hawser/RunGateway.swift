//  RunGateway.swift — hands a plan to the driver.

import Commands
import Configuration
import Driver
import Primitives

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ plan: GatewayPlan) throws(Refusal) -> Int32 {
    let endpoints = plan.endpoints.map { $0.map { Endpoint($0.address, port: $0.port) } }
    let names = plan.unresolved.compactMap { peer, endpoint -> Gateway.EndpointName? in
      guard case .name(let host) = endpoint.host else { return nil }
      return Gateway.EndpointName(peer: peer, host: host, port: endpoint.port)
    }
    let setup = Gateway.Setup(
      plan.configuration, endpoints: endpoints, unresolved: names, version: Version.current,
      log: { Output.complain($0) })
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }
}
