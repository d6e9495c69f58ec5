//  RunRelay.swift — hands a relay's configuration to the driver.

import Commands
import Driver
import Service

extension Hawser {
  /// Runs until it is told to end; the exit code.
  static func runRelay(_ path: String) throws(Refusal) -> Int32 {
    let loaded: LoadedRelay
    do throws(LoadedConfiguration.Objections) {
      loaded = try LoadedRelay(path)
    } catch {
      throw Refusal(error.text, exitCode: error.exitCode)
    }
    let log = Log.standard(of: "hawser")
    defer { log.end() }
    do throws(GatewayFailure) {
      try RelayHost.run(
        RelayHost.Setup(loaded.relay, version: Version.current, log: log))
      return 0
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }
}
