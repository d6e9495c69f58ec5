//  Words.swift — everything that pipe-bench can be told.

import Commands
import Lab

enum Words {
  static let file = Argument("FILE", .file(ending: ".topo"), "the topology: topologies/speed-1.topo or speed-3.topo")
  static let contenders = Option(
    "contenders", value: "LIST", .list(of: Contender.self), default: [.floor, .floorBare, .gateway],
    "who takes part; all are compared to the first")
  static let only = Option(
    "only", value: "LIST", .list(of: Question.self), default: Question.allCases, "what is asked of them")
  static let rounds = Option("rounds", value: "N", .number(in: 1...100), default: 5, "how often each is measured")
  static let seconds = Option(
    "seconds", value: "S", .number(in: 1...600), default: 4, "how long a flow runs, after a second to warm up")
  static let rate = Option(
    "rate", value: "N", .number(in: 0...100_000_000), default: 0,
    "UDP packets a second; 0 is as many as the sender can")
  static let idle = Option("idle", value: "S", .number(in: 1...600), default: 10, "how long idle gateways are watched")
  static let quiet = Option(
    "quiet", value: "P", .number(in: 0...100), default: 100,
    "measure again, at most four times, when others used more than P % of the machine")
  static let json = Flag("json", "print one JSON value; the tables go to standard error")

  // send, receive
  static let target = Argument("ADDRESS", .text("an IPv4 address"), "whom to send to")
  static let port = Option("port", value: "N", .number(in: 1...65_000), default: 20_000, "the first port")
  static let ports = Option("ports", value: "N", .number(in: 1...1_000), default: 1, "how many ports")
  static let sockets = Option("sockets", value: "N", .number(in: 1...1_000), default: 1, "how many sockets send")
  static let size = Option("size", value: "BYTES", .number(in: 16...65_507), default: 1_400, "the length of a packet")
  static let pieces = Option("pieces", value: "N", .number(in: 1...64), default: 1, "packets handed over at once")
  static let burst = Option("burst", value: "N", .number(in: 1...64), default: 64, "sends before the next flow")
  static let joined = Flag("joined", "take packets that the kernel joined (UDP_GRO)")

  static let run = Command("run", "measures", [file, contenders, only, rounds, seconds, rate, idle, quiet, json])
  static let send = Command(
    "send", "sends UDP packets", [target, port, ports, sockets, size, pieces, burst, seconds, rate], isHidden: true)
  static let receive = Command("receive", "counts UDP packets", [port, ports, size, joined], isHidden: true)

  static let program = Program(
    "pipe-bench", "compares tunnels between two sites, in turns, in the same minutes", commands: [run, send, receive],
    exitCodes: [
      0: "done", 1: "a measurement failed", 2: "refused: rights, packages, not built",
      64: "wrong usage, or a mistake in a file",
    ])
}

extension ValueKind {
  /// Words of an enumeration, with commas between them.
  static func list<Word: CaseIterable & RawRepresentable & Equatable & Sendable>(
    of type: Word.Type
  ) -> ValueKind where Value == [Word], Word.RawValue == String {
    let words = Word.allCases.map(\.rawValue)
    return ValueKind(
      "words of \(words.joined(separator: ", ")), with commas between them", placeholder: "LIST",
      candidates: .words(words)
    ) { text in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Word(rawValue: String($0)) }
      let found = parts.compactMap { $0 }
      return found.count == parts.count ? found : nil
    } write: { words in
      words.map(\.rawValue).joined(separator: ",")
    }
  }
}
