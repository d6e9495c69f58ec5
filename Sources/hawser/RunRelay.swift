//  RunRelay.swift — hands a relay's configuration to the driver.

import Commands
import Driver

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runRelay(_ path: String) throws(Refusal) -> Int32 {
    let loaded: LoadedRelay
    do throws(LoadedConfiguration.Objections) {
      loaded = try LoadedRelay(path)
    } catch {
      throw Refusal(error.text, exitCode: error.exitCode)
    }
    do throws(GatewayFailure) {
      try RelayHost.run(
        RelayHost.Setup(loaded.relay, version: Version.current, log: { Output.complain($0) }))
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }
}
