//  RunGateway.swift — hands a plan to the driver, and reads it again when somebody asks for a reload.

import Commands
import Driver
import Primitives

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ path: String) throws(Refusal) -> Int32 {
    let setup = setup(try GatewayPlan(configuredBy: path), from: path)
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }

  private static func setup(_ plan: GatewayPlan, from path: String) -> Gateway.Setup {
    let names = plan.unresolved.compactMap { peer, text -> Gateway.EndpointName? in
      guard case .name(let host, let port) = text else { return nil }
      return Gateway.EndpointName(peer: peer, host: host, port: port)
    }
    return Gateway.Setup(
      plan.configuration, endpoints: plan.endpoints, unresolved: names, version: Version.current,
      reread: { reread(path) }, log: { Output.complain($0) })
  }

  private static func reread(_ path: String) -> Gateway.Reading {
    do throws(Refusal) {
      return .plan(setup(try GatewayPlan(configuredBy: path), from: path))
    } catch {
      return .mistakes(error.text.split(separator: "\n").map { String($0) })
    }
  }
}
