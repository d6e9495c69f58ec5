//  RunGateway.swift — hands a plan to the driver, and reads it again when somebody asks for a reload.

import Commands
import Driver
import Primitives
import Service

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ path: String) throws(Refusal) -> Int32 {
    let log = Log.standard(of: "hawser")
    defer { log.end() }
    let setup = setup(try GatewayPlan(configuredBy: path), from: path, log)
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }

  private static func setup(_ plan: GatewayPlan, from path: String, _ log: Log) -> Gateway.Setup {
    let names = plan.unresolved.compactMap { peer, text -> Gateway.EndpointName? in
      guard case .name(let host, let port) = text else { return nil }
      return Gateway.EndpointName(peer: peer, host: host, port: port)
    }
    var setup = Gateway.Setup(
      plan.configuration, endpoints: plan.endpoints, unresolved: names, version: Version.current,
      reread: { reread(path, log) }, log: log)
    setup.remoteControl = plan.remoteControl
    return setup
  }

  private static func reread(_ path: String, _ log: Log) -> Gateway.Reading {
    do throws(Refusal) {
      return .plan(setup(try GatewayPlan(configuredBy: path), from: path, log))
    } catch {
      return .mistakes(error.text.split(separator: "\n").map { String($0) })
    }
  }
}
