//  RunGateway.swift — hands a plan to the driver.

import Commands
import Driver

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ plan: GatewayPlan) throws(Refusal) -> Int32 {
    let setup = Gateway.Setup(
      plan.configuration, endpoints: plan.endpoints, version: Version.current, log: { Output.complain($0) })
    do throws(GatewayFailure) {
      try Gateway.run(setup)
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }
}
