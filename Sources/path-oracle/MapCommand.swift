//  MapCommand.swift — `path-oracle map`: all that an oracle believes of its nodes, as a table or a picture.

import Commands
import Consulting

enum MapCommand {
  private typealias Common = OracleOptions
  private static let nodes = Option(
    repeated: "node", value: "NAME", Common.name, "a node to show; all when absent")
  private static let svg = Option("svg", value: "FILE", .file(ending: ".svg"), "draw the map into this file")

  static let declaration = Command(
    "map", "shows delay and loss between all nodes",
    [nodes, svg, Common.oracle, Common.tokenFile, Common.trust, Common.json],
    details: """
      The table has a row for each node that sends and a column for each that receives. A star marks pairs whose \
      packets would be there sooner over a relay. --json has all that the oracle says, of all nodes.
      """, exitCodes: [0: "done", 2: "the oracle refuses or does not answer, or the file cannot be written"])

  static func run(_ invocation: Invocation) -> Answer {
    do throws(Refused) {
      let oracle = invocation[Common.oracle]
      let reply = try OracleClient(invocation, to: oracle).ask(OracleMap.request(to: oracle))
      let map: OracleMap
      var places: [Int] = []
      let (file, isJSON) = (invocation[svg], invocation[Common.json])
      do throws(ConsultingFailure) {
        map = try OracleMap(reply, from: oracle)
        if file != nil || !isJSON { places = try map.places(of: invocation[nodes]) }
      } catch {
        throw Refused(error)
      }
      if let file { try TextFile.write(MapPicture(map, showing: places).text, to: file) }
      if isJSON { return Answer(output: MapReport(map).json) }
      return Answer(output: file == nil ? MapReport(map, showing: places).text : "")
    } catch {
      return Answer(complaint: error.sentence, code: error.code)
    }
  }
}
