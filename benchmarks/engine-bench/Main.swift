//  Main.swift — what the engine costs, without the kernel and without a cipher: instructions, allocations, nanoseconds.
//
//      engine-bench                     nanoseconds for each case, best of nine
//      engine-bench count CASE ROUNDS   so many rounds in a function of their own, `hawser_counted`, for a counter of
//                                       instructions around it (scripts/instructions)

import Crypto
import Glibc
import Primitives
import Speed

struct Case {
  let name: String
  let paths: Int
  let packets: Int
  let bytes: [[UInt8]]

  static let all = [
    Case(name: "tcp-1", paths: 1, packets: 1, bytes: [UserPackets.stream(65_000)]),
    Case(name: "tcp-3", paths: 3, packets: 3, bytes: [UserPackets.stream(65_000)]),
    Case(name: "udp-1", paths: 1, packets: 128, bytes: [UserPackets.datagram(1_400, port: 4000)]),
    Case(name: "udp-10", paths: 1, packets: 120, bytes: (0..<10).map { UserPackets.datagram(1_400, port: 4000 + $0) }),
    Case(name: "uso-1", paths: 1, packets: 1, bytes: [UserPackets.datagrams(40, of: 1_400)]),
  ]

  func prepare() -> Runner {
    guard let library = try? LibraryCryptography.make() else { preconditionFailure("there is no cryptography here") }
    let runner = Runner(EnginePair(paths: paths, PlainCryptography(library)), packets: packets, length: bytes[0].count)
    runner.pair.fill(with: bytes)
    return runner
  }
}

final class Runner {
  var pair: EnginePair
  let packets: Int
  let length: Int

  init(_ pair: consuming EnginePair, packets: Int, length: Int) {
    self.pair = pair
    self.packets = packets
    self.length = length
  }

  func run(_ rounds: Int) { for _ in 0..<rounds { pair.round(packets: packets, length: length) } }
}

@_cdecl("hawser_counted") @inline(never)
func counted(_ runner: UnsafeMutableRawPointer, _ rounds: Int) {
  Unmanaged<Runner>.fromOpaque(runner).takeUnretainedValue().run(rounds)
}

@main struct EngineBench {
  static let warmUp = 3_000

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.count == 3, arguments[0] == "count", let one = Case.all.first(where: { $0.name == arguments[1] }),
      let rounds = Int(arguments[2]), rounds > 0
    {
      return count(one, rounds)
    }
    guard arguments.isEmpty else {
      let names = Case.all.map(\.name).joined(separator: "|")
      let usage = Array("usage: engine-bench [count \(names) ROUNDS]\n".utf8)
      _ = write(STDERR_FILENO, usage, usage.count)
      exit(64)
    }
    for one in Case.all { time(one) }
  }

  private static func count(_ one: Case, _ rounds: Int) {
    let runner = one.prepare()
    runner.run(warmUp)
    let before = runner.pair.delivered
    counted(Unmanaged.passUnretained(runner).toOpaque(), rounds)
    let delivered = runner.pair.delivered - before
    precondition(delivered == rounds * one.packets, "\(delivered) packets of \(rounds * one.packets) came out")
    print("\(one.name): \(rounds) rounds, \(delivered) packets")
  }

  private static func time(_ one: Case) {
    let runner = one.prepare()
    runner.run(warmUp)
    var best = Double.infinity
    for _ in 0..<9 {
      let start = clock()
      runner.run(1_000)
      best = min(best, Double(clock() - start) * 1e9 / Double(CLOCKS_PER_SEC) / 1_000)
    }
    let bytes = Double(one.packets * runner.length)
    let name = one.name + String(repeating: " ", count: max(1, 8 - one.name.count))
    let (packet, superPacket) = (Int(best / Double(one.packets)), Int(best / bytes * 65_536))
    print("\(name) \(Int(best)) ns a round, \(packet) a packet, \(superPacket) for 64 KiB")
  }
}
