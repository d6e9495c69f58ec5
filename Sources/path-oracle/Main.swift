//  Main.swift — the program `path-oracle`: which paths serve a connection, and what that costs.

import Commands
import Glibc

@main struct PathOracleProgram {
  static let declaration = Program(
    "path-oracle", "tells which paths serve a connection, and what that costs",
    commands: [
      ServeCommand.declaration, QueryCommand.declaration, MapCommand.declaration, WatchCommand.declaration,
      PredictCommand.declaration,
    ],
    exitCodes: [
      0: "done", 2: "refused: a file, a store or an address cannot be used", 64: "wrong usage, or a mistake in a file",
    ])

  static func main() {
    let answer = answer(to: Array(CommandLine.arguments.dropFirst()))
    if !answer.output.isEmpty { print(answer.output, terminator: answer.output.hasSuffix("\n") ? "" : "\n") }
    if let complaint = answer.complaint { TextFile.complain("path-oracle: \(complaint)") }
    exit(answer.code)
  }

  /// All that the program does, but for the printing.
  static func answer(to arguments: [String]) -> Answer {
    switch declaration.action(for: arguments) {
    case .print(let text): return Answer(output: text)
    case .fail(let sentence, let code): return Answer(complaint: sentence, code: code)
    case .run(let invocation):
      switch invocation.command {
      case ServeCommand.declaration.name: return ServeCommand.run(invocation)
      case QueryCommand.declaration.name: return QueryCommand.run(invocation)
      case MapCommand.declaration.name: return MapCommand.run(invocation)
      case WatchCommand.declaration.name: return WatchCommand.run(invocation)
      default: return PredictCommand.run(invocation)
      }
    }
  }
}

/// What goes to standard output, to standard error, and to the shell.
struct Answer {
  var output = ""
  var complaint: String?
  var code: Int32 = 0
}

/// A reason to do nothing: one sentence, and what the shell gets.
struct Refused: Error {
  var sentence: String
  var code: Int32

  static func usage(_ sentence: String) -> Refused { Refused(sentence: sentence, code: Program.wrongUsage) }
  static func system(_ sentence: String) -> Refused { Refused(sentence: sentence, code: 2) }
}
