//  CheckConfig.swift — `hawser check-config`: everything that is wrong, in lines that an editor jumps to, or as JSON.

import Configuration
import Primitives

extension Hawser {
  static func checkConfig(_ path: String, asJSON: Bool) -> Int32 {
    var objections = LoadedConfiguration.Objections()
    do throws(LoadedConfiguration.Objections) {
      let text = try ConfigurationFiles(path).main
      if LoadedRelay.isRelay(text) {
        _ = try LoadedRelay(path)
      } else if OracleFile.isOracle(text) {
        try LoadedOracleFile.check(path)
      } else {
        _ = try LoadedConfiguration(path)
      }
    } catch {
      objections = error
    }
    if asJSON {
      Output.write(json(objections, path))
    } else if objections.isEmpty {
      Output.write("\(path): fine")
    } else {
      Output.complain(objections.text)
    }
    return objections.exitCode
  }

  private static func json(_ objections: LoadedConfiguration.Objections, _ path: String) -> String {
    JSONText.object(.indented) {
      $0.member("file", path)
      $0.member("verdict", !objections.wrong.isEmpty ? "wrong" : objections.refused.isEmpty ? "fine" : "refused")
      $0.member("exit_code", objections.exitCode)
      $0.array("mistakes") {
        for mistake in objections.wrong + objections.refused {
          $0.object {
            $0.member("file", mistake.file)
            $0.member("line", mistake.place.line)
            $0.member("column", mistake.place.column)
            $0.member("message", mistake.message)
          }
        }
      }
      $0.member("unlisted", objections.unlisted)
    }
  }
}
