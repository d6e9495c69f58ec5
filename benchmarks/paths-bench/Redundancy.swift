//  Redundancy.swift — what is lost of a steady flow of small datagrams, with nothing, with copies and with parity, over
//  paths that lose much.
//
//  Paths of 50 Mbit/s, 20, 25 and 30 ms, lose each frame by itself. Two of them carry copies, three carry parity.
//  Beside each figure stands what theory gives, and how many datagrams that is of so many; chance alone spreads it by
//  the square root of that. Theory knows nothing of what is sent again when a loss was reported: fewer may be lost.
//  That lines lost what they should stands beside it, as the wire counted it.

import Commands
import Glibc
import Lab
import Primitives
import Topology

struct Redundancy {
  private struct Case {
    var name: String
    var paths: Int
    /// As configurations have it.
    var protection: String
    var expected: Double
  }

  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func measure() throws(LabError) -> Answer {
    let loss = Double(invocation[Words.loss]) / 100
    let cases = [
      Case(name: "nothing", paths: 2, protection: "none", expected: loss),
      Case(name: "copies", paths: 2, protection: "copies", expected: LossTheory.copies(loss, loss)),
      Case(
        name: "parity 2+1", paths: 3, protection: "parity 2+1",
        expected: LossTheory.parity(data: 2, parity: 1, loss: loss)),
    ]
    var answer = Answer(
      heads: ["protection"],
      columns: [
        Column("paths", "paths"), Column("sent", "sent"), Column("lost", "lost"),
        Column("lost_share", "lost %", per: 0.01, 2), Column("expected_share", "theory %", per: 0.01, 2),
        Column("of_expected", "of theory", 2), Column("again", "came twice"), Column("disordered", "out of order"),
        Column("delay_p50_ms", "one way p50", 1), Column("delay_p99_ms", "p99", 1), Column("delay_most_ms", "most", 1),
        Column("lost_on_lines_share", "lines lost %", per: 0.01, 2),
      ])
    for one in cases {
      tell("redundancy: \(one.name)")
      let topology = try topology(one.paths)
      let policy =
        "\n[Class \"kept\"]\nTreatment = realtime\nRedundancy = \(one.protection)\n\n"
        + "[Rule \"kept\"]\nProtocol = udp\nClass = kept\n"
      let (sent, counts, onLines) = try TestStand.with(topology, source: topology.name) { (stand) throws(LabError) in
        try stand.honestly(invocation, policy: policy) { (joined) throws(LabError) in try once(joined, stand) }
      }
      let lost = sent - counts[0]
      let share = sent > 0 ? lost / sent : nil
      let ratio = one.expected > 0 ? share.map { $0 / one.expected } : nil
      let rest: [Double?] = counts[1...].map { $0 } + [onLines]
      answer.rows.append(
        Answer.Row(names: [one.name], values: [Double(one.paths), sent, lost, share, one.expected, ratio] + rest))
    }
    return answer
  }

  private func once(_ joined: JoinedSites, _ stand: TestStand) throws(LabError) -> (Double, [Double], Double?) {
    // Paths are known by then.
    try stand.wait(.seconds(2))
    let group = stand.newGroup()
    let receiver = try group.start(["/proc/self/exe", "receive"], in: joined.listener.namespace)
    guard try group.wait(atMost: .seconds(5), until: { !$0.output(of: receiver).isEmpty }) else {
      throw LabError("the receiver did not start; \(group.complaint(of: receiver))", exitCode: 1)
    }
    let sender = try group.start(
      [
        "/proc/self/exe", "send", "--size", "\(invocation[Words.size])", "--pace", "\(invocation[Words.pace])",
        "--seconds", "\(invocation[Words.minute])", joined.listener.address,
      ], in: joined.opener.namespace)
    let patience = Interval.seconds(Int64(invocation[Words.minute]) + 20)
    guard try group.wait(atMost: patience, until: { $0.status(of: sender) != nil }) else {
      throw LabError("the sender did not end in time", exitCode: 1)
    }
    try stand.wait(.seconds(1))
    group.send(signal: SIGTERM, to: receiver)
    _ = try group.wait(atMost: .seconds(5)) { $0.status(of: receiver) != nil }
    func numbers(_ output: [UInt8]) -> [Double] {
      String(decoding: output, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    }
    guard let sent = numbers(group.output(of: sender)).first, numbers(group.output(of: receiver)).count == 6 else {
      throw LabError("no counts; \(group.complaint(of: sender)) \(group.complaint(of: receiver))", exitCode: 1)
    }
    return (sent, numbers(group.output(of: receiver)), try stand.lostByChance())
  }

  private func topology(_ paths: Int) throws(LabError) -> Topology {
    var text = "topology lossy-\(paths)\nnode branch gateway\nnode hq gateway\n"
    text += "node alice host behind branch\nnode bob host behind hq\n"
    for path in 0..<paths {
      text += "link p\(path + 1) branch -- hq rate 50mbit delay \(20 + 5 * path)ms loss \(invocation[Words.loss])%\n"
    }
    do throws(Topology.ParseError) {
      return try Topology(parsing: Array(text.utf8), file: "lossy-\(paths)")
    } catch {
      throw LabError("\(error)", exitCode: 1)
    }
  }
}
