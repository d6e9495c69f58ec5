//  BenchCommand.swift — `hawser bench`: how fast the pieces of a gateway are here, and which rate follows from them.

import Commands
import Primitives
import Speed

extension Hawser {
  static func bench(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let report = SpeedReport.measure(try Keys.library(), for: .seconds(Int64(invocation[Words.seconds])))
    Output.write(invocation[Words.json] ? report.json : report.text)
    return 0
  }
}
