//  Words.swift — everything that paths-bench can be told.

import Commands
import Lab

enum Words {
  enum Congestion: String, CaseIterable, Sendable { case cubic, bbr }

  static let file = Argument("FILE", .file(ending: ".topo"), "a topology with two gateways")
  static let files = Argument(
    repeated: "FILE", .file(ending: ".topo"), isRequired: true, "topologies with two gateways")
  static let rounds = Option("rounds", value: "N", .number(in: 1...100), default: 3, "how often each is measured")
  static let seconds = Option("seconds", value: "S", .number(in: 1...3_600), default: 10, "how long it is measured")
  static let warmUp = Option(
    "warmup", value: "S", .number(in: 0...600), default: 0,
    "how long a flow runs before it counts; 0: 32 of the slowest round trips, 2 s at least")
  static let congestionControl = Option(
    "cc", .choice(of: Congestion.self), default: .cubic, "TCP's congestion control")
  static let late = Option(
    "most-late", value: "N", .number(in: 0...1_000), default: 1,
    "packets of a thousand that the wire may deliver late; with more there is no figure")
  static let json = Flag("json", "print one JSON value; tables go to standard error")

  // failover
  static let cases = Option(
    "case", value: "LIST", .list(of: PathFault.self), default: PathFault.allCases, "what happens to the path")
  static let path = Option("path", value: "NAME", .text("the name of a path"), default: "", "which; else the fastest")
  static let outage = Option("outage", value: "S", .number(in: 1...600), default: 8, "how long it lasts")
  static let after = Option(
    "after", value: "S", .number(in: 1...600), default: 8, "how long we look after it was mended")

  // redundancy
  static let loss = Option("loss", value: "PERCENT", .number(in: 0...50), default: 10, "the loss of each path")
  static let pace = Option("pace", value: "N", .number(in: 1...10_000), default: 50, "datagrams a second")
  static let size = Option("size", value: "BYTES", .number(in: 16...1_400), default: 200, "the length of a datagram")
  static let minute = Option("seconds", value: "S", .number(in: 1...3_600), default: 60, "how long datagrams are sent")

  // memory
  static let stall = Option("stall", value: "S", .number(in: 1...600), default: 30, "how long the path is down")

  // occupancy
  static let parts = Option("parts", value: "N", .number(in: 10...20_000), default: 1_000, "parts a second, all lines")
  static let partSize = Option("part-size", value: "BYTES", .number(in: 24...1_400), default: 1_000, "of a part")
  static let length = Option("seconds", value: "S", .number(in: 2...36_000), default: 240, "how long parts are sent")

  // document
  static let ours = Argument(
    repeated: "REPORT", .file(ending: ".json"), isRequired: true, "what `netlab matrix --report` wrote, each a run")
  static let other = Option(
    "mptcp", value: "REPORTS", .files, default: [], "the same with `--against mptcp`, with commas between them")
  static let document = Option(
    "out", value: "FILE", .file, default: "docs/benchmarks/many-paths.md", "the document; its chart goes beside it")

  // What runs inside.
  static let target = Argument("ADDRESS", .text("an IPv4 address"), "whom to send to")
  static let port = Option("port", value: "N", .number(in: 1...65_000), default: 9_000, "the port")

  static let ramp = Command(
    "ramp", "how long a new TCP flow takes to 80 % of its steady rate",
    [file, rounds, seconds, congestionControl, late, json])
  static let latency = Command(
    "latency", "round trips through the bond, idle and beside a TCP flow",
    [files, rounds, seconds, warmUp, congestionControl, late, json])
  static let failover = Command(
    "failover", "what pings and a TCP flow feel when a path dies and comes back",
    [file, cases, path, outage, after, warmUp, congestionControl, late, json])
  static let redundancy = Command(
    "redundancy", "what is lost of a steady UDP flow with copies, with parity and with nothing",
    [loss, pace, size, minute, late, json])
  static let memory = Command(
    "memory", "what both gateways hold while a path is down and a TCP flow goes on",
    [file, path, stall, after, warmUp, congestionControl, late, json])
  static let paper = Command(
    "document", "writes the document about many paths from the reports of two matrices", [ours, other, document])

  static let occupancy = Command(
    "occupancy", "what waits in a resequencing buffer, against what the model predicts from the lines' delays",
    [files, parts, partSize, length, late, json])

  static let source = Command("source", "sends over TCP", [target, port, congestionControl], isHidden: true)
  static let sink = Command("sink", "counts what comes over TCP", [port], isHidden: true)
  static let send = Command("send", "sends datagrams", [target, port, size, pace, minute], isHidden: true)
  static let targets = Argument("ADDRESSES", .text("IPv4 addresses with commas"), "whom to send to, in turn")
  static let stripe = Command("stripe", "sends parts", [targets, port, size, pace, minute], isHidden: true)
  static let resequence = Command("resequence", "puts parts in order", [port], isHidden: true)
  static let receive = Command("receive", "counts datagrams", [port], isHidden: true)

  static let program = Program(
    "paths-bench", "measures what a bond promises: quick to start, quick under load, and unmoved when a path dies",
    commands: [
      ramp, latency, failover, redundancy, memory, occupancy, paper, source, sink, send, receive, stripe,
      resequence,
    ],
    exitCodes: [
      0: "done", 1: "a measurement failed, or the machine was too busy for figures",
      2: "refused: rights, packages, not built", 64: "wrong usage, or a mistake in a file",
    ])
}

extension ValueKind where Value == [String] {
  static var files: ValueKind {
    ValueKind("files, with commas between them", placeholder: "FILES", candidates: .files(ending: ".json")) {
      $0.isEmpty ? [] : $0.split(separator: ",").map(String.init)
    } write: {
      $0.joined(separator: ",")
    }
  }
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
