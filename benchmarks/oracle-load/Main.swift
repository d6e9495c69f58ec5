//  oracle-load — how long do queries wait while a whole fleet reports, and what survives when the oracle is killed?
//
//  Prediction.  A query looks at a hundred relays and chooses three of a hundred and one paths: a few hundred
//  microseconds. A report of 250 edges is 50 KB of JSON, which takes milliseconds, and whoever asks meanwhile waits for
//  it. So the median is below a millisecond, and the tail is the reports'.
//
//  Method.  `load`: path-oracle serve on core 0, this program on core 1. A thousand gateways report a hundred relays
//  each, a hundred relays the thousand gateways in four pieces, all every ten seconds over connections that stay open;
//  200 queries a second come over 32 others at times planned before, and a wait counts from the planned time. CPU and
//  memory are the kernel's figures.
//  `kill`: the same with a store in SQLite. At a random moment the oracle is killed with SIGKILL; then its store must
//  be sound, hold every node, and hold every measurement of a report that was answered a second before the kill.
//
//      oracle-load load --store        oracle-load kill --rounds 20

import Commands
import FoundationEssentials
import Glibc

@main struct OracleLoad {
  static func main() {
    switch Words.words.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .print(let text): print(text)
    case .fail(let sentence, let code): end(sentence, code)
    case .run(let invocation):
      do { exit(try run(invocation) ? 0 : 1) } catch { end("oracle-load: \(error)", 1) }
    }
  }

  private static func run(_ invocation: Invocation) throws -> Bool {
    let own = CommandLine.arguments[0]
    let beside = String(own[..<(own.lastIndex(of: "/").map { own.index(after: $0) } ?? own.startIndex)]) + "path-oracle"
    let program = invocation[Words.program] ?? beside
    var template = Array("/tmp/hawser-load.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("no folder in /tmp") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let load = Load(invocation, folder: folder)
    if invocation.command == Words.kill.name {
      var test = KillTest(load, seed: invocation[Words.seed])
      return try test.run(program, rounds: invocation[Words.rounds])
    }
    return try load.run(
      program, warmUp: invocation[Words.warmUp], seconds: invocation[Words.seconds],
      watchers: invocation[Words.watchers], hasStore: invocation[Words.store])
  }

  private static func end(_ sentence: String, _ code: Int32) -> Never {
    write(2, sentence + "\n", sentence.utf8.count + 1)
    exit(code)
  }
}

/// At once, also into a file or a pipe.
func tell(_ text: String) {
  print(text)
  fflush(nil)
}
