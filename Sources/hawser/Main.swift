//  Main.swift — the program `hawser`: its commands, and nothing that a module below could do.

import Commands
import Doctor
import Glibc

@main struct Hawser {
  static let json = Flag("json", "print one JSON object")
  static let doctor = Command(
    "doctor", "tells whether this machine can carry a gateway", [json],
    details: """
      Tries what a gateway will do, changes nothing, and prints a line for each check: ok, warn or FAIL, \
      what was found, and what to do about it.
      """,
    exitCodes: [0: "fine", 1: "degraded: a gateway runs, but see the warnings", 2: "a gateway cannot run here"])

  static let program = Program(
    "hawser", "lays many network paths into one", commands: [doctor],
    exitCodes: [0: "fine", 1: "degraded", 2: "down or refused"])

  static func main() {
    switch program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .run(let invocation): exit(run(invocation))
    case .print(let text): print(text)
    case .fail(let sentence, let code):
      let line = Array((sentence + "\n").utf8)
      _ = write(STDERR_FILENO, line, line.count)
      exit(code)
    }
  }

  private static func run(_ invocation: Invocation) -> Int32 {
    switch invocation.command {
    case "doctor":
      let report = Report(examine())
      print(invocation[json] ? report.json : report.text(colour: wantsColour))
      return report.exitCode
    default: preconditionFailure("'\(invocation.command)' is declared, but nothing runs it")
    }
  }

  /// On a terminal, unless its owner says no (no-color.org).
  private static var wantsColour: Bool {
    isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil && getenv("TERM").map { String(cString: $0) } != "dumb"
  }
}
