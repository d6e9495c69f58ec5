//  ServeCommand.swift — `path-oracle serve`: an oracle, until it is told to end.

import Commands
import OracleHost
import Service

enum ServeCommand {
  private static let config = Option(
    required: "config", .file(ending: ".conf"), "the oracle's file; hawser.conf(5) explains it")
  private static let check = Flag("check", "only say what is wrong with the file")

  static let declaration = Command(
    "serve", "answers gateways and relays until it is told to end", [config, check],
    details: """
      Takes measurements from gateways and relays, and answers which paths serve a connection, over HTTP or HTTPS; \
      speaks ALTO under /alto/. Events go to standard error, a line each; when it is ready one says so. SIGTERM and \
      SIGINT end it.
      """)

  static func run(_ invocation: Invocation) -> Answer {
    let path = invocation[config]
    let loaded: LoadedOracle
    do throws(LoadedOracle.Objections) {
      loaded = try LoadedOracle(path)
    } catch {
      // Lines that an editor jumps to, without our name before them.
      TextFile.complain(error.text)
      return Answer(code: error.exitCode)
    }
    if invocation[check] { return Answer(output: "\(path): fine") }
    do throws(OracleFailure) {
      let log = Log.standard(of: "path-oracle")
      var setup = OracleServer.Setup(loaded.oracle) { log("path-oracle: \($0)") }
      setup.identity = loaded.identity
      defer { log.end() }
      try OracleHost.run(setup)
      return Answer()
    } catch {
      return Answer(complaint: "\(error)", code: 2)
    }
  }
}
