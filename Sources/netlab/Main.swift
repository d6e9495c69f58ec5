//  Main.swift — from the words of the command line to the command that they name.

import Commands
import Glibc
import Lab

@main struct Netlab {
  static func main() {
    // A reader that goes away (`netlab draw … | head -1`) ends us quietly through the failed write, not through a
    // signal.
    signal(SIGPIPE, SIG_IGN)
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .run(let invocation): exit(Netlab.run(invocation))
    case .print(let text): exit(Output.write(text) ? 0 : 1)
    case .fail(let sentence, let code):
      Output.complain(sentence)
      exit(code)
    }
  }

  private static func run(_ invocation: Invocation) -> Int32 {
    do throws(Refusal) {
      switch invocation.command {
      case Words.up.name: return try up(invocation)
      case Words.down.name: return try down(invocation)
      case Words.list.name: return try list(invocation)
      case Words.exec.name: return try exec(invocation)
      case Words.set.name: return try set(invocation)
      case Words.draw.name: return try draw(invocation)
      case Words.bench.name: return try bench(invocation)
      case Words.matrix.name: return try matrix(invocation)
      case Words.simulate.name: return try simulate(invocation)
      case Words.demo.name: return try demo(invocation)
      case Words.wire.name: return Wire.run(directory: invocation[Words.directory])
      default: preconditionFailure("a command that is declared and not run: \(invocation.command)")
      }
    } catch {
      Output.complain(error.sentence)
      return error.exitCode
    }
  }
}

/// Why a command ends here: what to print, and the exit code.
struct Refusal: Error {
  let sentence: String
  let exitCode: Int32

  init(_ sentence: String, exitCode: Int32) {
    self.sentence = sentence
    self.exitCode = exitCode
  }

  init(_ error: LabError) { self.init("netlab: \(error)", exitCode: error.exitCode) }
}
