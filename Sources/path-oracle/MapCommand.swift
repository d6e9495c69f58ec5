//  MapCommand.swift — `path-oracle map`: all that an oracle believes of its nodes, as a table or a picture.

import Commands
import Consulting

enum MapCommand {
  private typealias Common = OracleOptions
  private static let svg = Option("svg", value: "FILE", .file(ending: ".svg"), "draw the map into this file")

  static let declaration = Command(
    "map", "shows delay and loss between all nodes", [svg, Common.oracle, Common.tokenFile, Common.trust, Common.json],
    details: """
      The table has a row for each node that sends and a column for each that receives. A star marks pairs whose \
      packets would be there sooner over a relay.
      """, exitCodes: [0: "done", 2: "the oracle refuses or does not answer, or the file cannot be written"])

  static func run(_ invocation: Invocation) -> Answer {
    do throws(Refused) {
      let oracle = invocation[Common.oracle]
      let reply = try OracleClient(invocation, to: oracle).ask(OracleMap.request(to: oracle))
      let map: OracleMap
      do throws(ConsultingFailure) {
        map = try OracleMap(reply, from: oracle)
      } catch {
        throw Refused(error)
      }
      if let file = invocation[svg] { try TextFile.write(MapPicture(map).text, to: file) }
      let report = MapReport(map)
      if invocation[Common.json] { return Answer(output: report.json) }
      return Answer(output: invocation[svg] == nil ? report.text : "")
    } catch {
      return Answer(complaint: error.sentence, code: error.code)
    }
  }
}
