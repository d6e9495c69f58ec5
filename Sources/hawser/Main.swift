//  Main.swift — from the words of the command line to the command that they name.

import Commands
import Configuration
import Glibc
import Status

@main struct Hawser {
  static func main() {
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .run(let invocation): exit(run(invocation))
    case .print(let text): exit(Output.write(text) ? 0 : 1)
    case .fail(let sentence, let code):
      Output.complain(sentence)
      exit(code)
    }
  }

  private static func run(_ invocation: Invocation) -> Int32 {
    do throws(Refusal) {
      switch invocation.command {
      case Words.gateway.name: return try runGateway(invocation[Words.config])
      case Words.relay.name: return try runRelay(invocation[Words.config])
      case Words.checkConfig.name: return checkConfig(invocation[Words.file], asJSON: invocation[Words.json])
      case Words.sampleConfig.name:
        Output.write(invocation[Words.kind].text)
        return 0
      case Words.begin.name:
        return try Init.run(folder: invocation[Words.folder], answers: invocation[Words.answerFile])
      case Words.genkey.name: return try Keys.generate(for: .exchange)
      case Words.genpsk.name: return try Keys.generate(for: .sharing)
      case Words.pubkey.name: return try Keys.printPublic()
      case Words.status.name: return try ask("/v1/status", invocation)
      case Words.peers.name: return try ask("/v1/peers", invocation)
      case Words.paths.name: return try ask("/v1/paths", invocation)
      case Words.flows.name:
        return try ask(
          "/v1/flows", invocation, [("sort", invocation[Words.sort].rawValue), ("top", "\(invocation[Words.top])")])
      case Words.rules.name: return try ask("/v1/rules", invocation)
      case Words.why.name: return try why(invocation)
      case Words.set.name: return try set(invocation)
      case Words.reload.name: return try reload(invocation)
      case Words.topCommand.name: return try top(invocation)
      case Words.doctor.name: return try doctor(invocation)
      case Words.bench.name: return try bench(invocation)
      default: preconditionFailure("'\(invocation.command)' is declared, but nothing runs it")
      }
    } catch {
      Output.complain(error.text)
      return error.exitCode
    }
  }

  /// On a terminal, unless its owner says no (no-color.org).
  static var wantsColour: Bool {
    isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil && getenv("TERM").map { String(cString: $0) } != "dumb"
  }
}

/// Why a command ends here: a sentence, or several lines of a file's mistakes, and the exit code.
struct Refusal: Error {
  let text: String
  let exitCode: Int32

  init(_ text: String, exitCode: Int32) {
    self.text = text
    self.exitCode = exitCode
  }
}
