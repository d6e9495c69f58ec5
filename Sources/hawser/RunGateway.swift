//  RunGateway.swift — hands a plan to the driver, and reads it again when somebody asks for a reload.

import Commands
import Configuration
import Driver
import Primitives
import Service

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ path: String) throws(Refusal) -> Int32 {
    let log = Log.standard(of: "hawser")
    defer { log.end() }
    let material = ReadMaterial()
    let setup = setup(try GatewayPlan(configuredBy: path, from: material), from: path, material, log)
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }

  private static func setup(
    _ plan: GatewayPlan, from path: String, _ material: ReadMaterial, _ log: Log
  ) -> Gateway.Setup {
    let names = plan.unresolved.compactMap { peer, text -> Gateway.EndpointName? in
      guard case .name(let host, let port) = text else { return nil }
      return Gateway.EndpointName(peer: peer, host: host, port: port)
    }
    var setup = Gateway.Setup(
      plan.configuration, endpoints: plan.endpoints, unresolved: names, version: Version.current,
      origin: Gateway.Origin(
        reread: { read(path, ReadMaterial(), Overlay(), log) },
        overlaid: { read(path, material, $0, log) },
        dropIn: DropIns.folder(of: path) + "/" + DropIns.ofWhatWasSet),
      log: log)
    setup.remoteControl = plan.remoteControl
    return setup
  }

  private static func read(
    _ path: String, _ material: ReadMaterial, _ overlay: Overlay, _ log: Log
  ) -> Gateway.Reading {
    do throws(Refusal) {
      let plan = try GatewayPlan(configuredBy: path, from: material, under: overlay)
      return .plan(setup(plan, from: path, material, log))
    } catch {
      return .mistakes(error.text.split(separator: "\n").map { String($0) })
    }
  }
}
