//  RunGateway.swift — hands a plan to the driver.

import Configuration

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runGateway(_ plan: GatewayPlan) throws(Refusal) -> Int32 {
    let peers = plan.configuration.peers.count
    throw Refusal(
      "hawser: the configuration is fine (\(peers) peers), but this build has no data path", exitCode: 2)
  }
}
