//  pipe-bench — what does a gateway cost beside the least that it could cost?
//
//  Question.  Seconds on a shared machine say little: the same program is twice as fast a minute later. So every figure
//  is one of several contenders, measured in turns within the same minutes, and what counts is the ratio to the first,
//  which is the floor (benchmarks/floor). Its prediction, method and figures are in docs/benchmarks/pipe.md.
//
//  Method.  A topology of plain links is brought up. For each question, so many rounds; in each round every contender
//  is started, asked, and taken down again. Costs are read from outside: the processor time of the gateway's processes,
//  over the bytes that went through its interface. Printed are median, least and most, and the median of the rounds'
//  ratios.
//
//      .build/release/pipe-bench run topologies/speed-1.topo --contenders floor,floor-bare --only tcp-cubic,ping
//
//  `pipe-bench send` and `receive` are its own sender and receiver of UDP, started inside the topology.

import Commands
import Glibc
import Lab
import Primitives
import Topology

@main struct PipeBench {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .print(let text): print(text)
    case .fail(let sentence, let code): end(sentence, code)
    case .run(let invocation):
      switch invocation.command {
      case Words.send.name: exit(Sender(invocation).run())
      case Words.receive.name: exit(Receiver(invocation).run())
      default: run(invocation)
      }
    }
  }

  private static func run(_ invocation: Invocation) {
    let path = invocation[Words.file]
    let contenders = invocation[Words.contenders]
    let isJSON = invocation[Words.json]
    let topology: Topology
    do throws(Topology.ParseError) {
      topology = try Topology(parsing: try read(path), file: path)
    } catch {
      end("pipe-bench: \(error)", Program.wrongUsage)
    }
    do throws(LabError) {
      try TestStand.require(contenders)
      let results = try TestStand.with(topology, source: path) { (stand) throws(LabError) in
        var results: [Result] = []
        for question in invocation[Words.only] {
          let rounds = question == .idle ? 1 : invocation[Words.rounds]
          var result = Result(question, contenders, rounds: rounds)
          for round in 1...rounds {
            for contender in contenders {
              tell("\(question.rawValue), round \(round) of \(rounds): \(contender.rawValue)")
              result.add(try ask(question, contender, on: stand, invocation), of: contender)
            }
          }
          tell("")
          put(result.table(), to: isJSON ? STDERR_FILENO : STDOUT_FILENO)
          results.append(result)
        }
        return results
      }
      if isJSON { print(Result.json(results, topology: topology.name, invocation)) }
    } catch {
      end("pipe-bench: \(error)", error.exitCode)
    }
  }

  /// Asked again, a few times, when others used too much of the machine meanwhile.
  private static func ask(
    _ question: Question, _ contender: Contender, on stand: TestStand, _ invocation: Invocation
  ) throws(LabError) -> [Double?] {
    let most = Double(invocation[Words.quiet]) / 100
    var attempts = 5
    while true {
      let start = Others()
      let answer = try answer(question, contender, on: stand, invocation)
      let share = Others().share(since: start)
      attempts -= 1
      if share <= most || attempts == 0 { return answer + [share] }
    }
  }

  private static func answer(
    _ question: Question, _ contender: Contender, on stand: TestStand, _ invocation: Invocation
  ) throws(LabError) -> [Double?] {
    let joined = try stand.join(contender)
    defer { joined.takeDown() }
    return try question.ask(joined, on: stand, invocation)
  }

  private static func read(_ path: String) throws(Topology.ParseError) -> [UInt8] {
    guard let file = fopen(path, "r") else {
      end("pipe-bench: cannot read \(path): \(String(cString: strerror(errno)))", Program.wrongUsage)
    }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: Topology.Limits.fileSize.value + 1)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
  }

  /// What happens now, on a line that the next replaces; only where somebody watches.
  private static func tell(_ text: String) {
    if isatty(STDERR_FILENO) == 1 { put("\r\u{1b}[K\(text)", to: STDERR_FILENO) }
  }

  private static func end(_ sentence: String, _ code: Int32) -> Never {
    put("\(sentence)\n", to: STDERR_FILENO)
    exit(code)
  }
}

/// Straight to the descriptor: whoever reads us waits for the line.
func put(_ text: String, to descriptor: Int32) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count <= 0 { return }
    rest = rest.dropFirst(count)
  }
}
