//  Occupancy.swift — does the resequencing buffer hold what the model says?
//
//  Why.  The oracle chooses paths by what the model predicts (ResequencingPrediction), and operators size by it. Golden
//  values show that it is computed right, not that real lines are as it assumes.
//
//  Method.  Numbered parts leave at a steady pace, over each line in turn, straight from gateway to gateway without a
//  tunnel: a pattern that repeats is what the model is about, and a gateway's striper would follow the lines' delays.
//  At the other end the product's own resequencer puts them in order, while it is written down how long each part was
//  under way and for how long how many waited:
//
//      branch ── 1, 3, 5 … ── a ──┐
//             ── 2, 4, 6 … ── b ──┴── resequencer: waiting parts over time ─▶ histogram ◀─ compare ─▶ prediction
//                                     delays of each line ──────────────────────────────────────────────┘
//
//  What is compared are whole distributions: the total variation is half the sum of all differences, the largest error
//  that any probability read off the prediction can have. Beside it stand those of the two other ideas of how
//  delays hang together (DelayBehaviour): on these lines one of the three is right, and the others show how wrong a
//  wrong one is.
//
//  How near a right model can come is a matter of time: a line whose delay changes over 10 of its deviations has seen
//  only so many different delays. Four minutes are 4,800 of them at 5 ms, and 1,200 at 20 ms.

import Commands
import Glibc
import Lab
import Primitives
import Resequencer
import Topology

struct Occupancy {
  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func measure() throws(LabError) -> Answer {
    var answer = Answer(
      heads: ["topology"],
      columns: [
        Column("parts", "parts"), Column("lost", "lost"), Column("measured_mean_parts", "mean", 2),
        Column("predicted_mean_parts", "predicted", 2), Column("measured_p99_parts", "p99"),
        Column("predicted_p99_parts", "predicted"), Column("total_variation", "variation", 3),
        Column("total_variation_ordered", "if ordered", 3),
        Column("total_variation_independent", "if independent", 3),
      ])
    for path in invocation[Words.files] {
      let topology = try TopologyFile.read(path)
      tell("\(topology.name): \(invocation[Words.length]) s of parts")
      let found = try TestStand.with(topology, source: path) { (stand) throws(LabError) in
        try stand.honest(invocation) { () throws(LabError) in try once(stand) }
      }
      answer.rows.append(Answer.Row(names: [topology.name], values: try compare(found)))
    }
    return answer
  }

  /// What the receiver saw.
  private struct Found {
    var parts = 0
    var lost = 0
    /// Of each line.
    var delays: [[DelayLaw.Sample]]
    /// The share of time in which so many parts waited.
    var waiting: [Double] = []
  }

  private func once(_ stand: TestStand) throws(LabError) -> Found {
    let lines = try stand.lines()
    guard lines.count > 1, let first = lines.first else {
      throw LabError("parts overtake each other only on two lines and more", exitCode: 64)
    }
    let group = stand.newGroup()
    let receiver = try group.start(["/proc/self/exe", "resequence"], in: first.to.namespace)
    guard try group.wait(atMost: .seconds(5), until: { !$0.output(of: receiver).isEmpty }) else {
      throw LabError("the receiver did not start; \(group.complaint(of: receiver))", exitCode: 1)
    }
    let sender = try group.start(
      [
        "/proc/self/exe", "stripe", "--size", "\(invocation[Words.partSize])", "--pace", "\(invocation[Words.parts])",
        "--seconds", "\(invocation[Words.length])", lines.map(\.to.address).joined(separator: ","),
      ], in: first.from.namespace)
    let patience = Interval.seconds(Int64(invocation[Words.length]) + 20)
    guard try group.wait(atMost: patience, until: { $0.status(of: sender) != nil }),
      group.status(of: sender)?.isSuccess == true
    else { throw LabError("the sender did not end well; \(group.complaint(of: sender))", exitCode: 1) }
    try stand.wait(.seconds(1))
    group.send(signal: SIGTERM, to: receiver)
    guard try group.wait(atMost: .seconds(5), until: { $0.status(of: receiver) != nil }) else {
      throw LabError("the receiver did not end", exitCode: 1)
    }
    return try found(String(decoding: group.output(of: receiver), as: UTF8.self), lines: lines.count)
  }

  /// Lines of `parts N LOST`, `delay LINE MICROSECONDS COUNT` and `waiting PARTS NANOSECONDS`.
  private func found(_ text: String, lines: Int) throws(LabError) -> Found {
    var found = Found(delays: Array(repeating: [], count: lines))
    var time: [Int] = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      let numbers = words.dropFirst().compactMap { Int($0) }
      switch words.first {
      case "parts" where numbers.count == 2: (found.parts, found.lost) = (numbers[0], numbers[1])
      case "delay" where numbers.count == 3 && numbers[0] < lines:
        found.delays[numbers[0]].append(
          DelayLaw.Sample(delay: .microseconds(Int64(numbers[1])), count: numbers[2]))
      case "waiting" where numbers.count == 2:
        while time.count <= numbers[0] { time.append(0) }
        time[numbers[0]] += numbers[1]
      default: break
      }
    }
    let whole = Double(time.reduce(0, +))
    guard found.parts > 0, whole > 0 else { throw LabError("nothing arrived", exitCode: 1) }
    found.waiting = time.map { Double($0) / whole }
    return found
  }

  private func compare(_ found: Found) throws(LabError) -> [Double?] {
    // Of so many parts a second each line carries its turn.
    let rate = BitRate(
      bitsPerSecond: UInt64(invocation[Words.parts] * invocation[Words.partSize] * 8 / found.delays.count))
    let paths = found.delays.map { StripedPath(rate: rate, delay: .measured($0)) }
    var predictions: [DelayBehaviour: ResequencingPrediction] = [:]
    for behaviour in DelayBehaviour.allCases {
      do throws(ResequencingPrediction.Refusal) {
        predictions[behaviour] = try ResequencingPrediction(
          paths: paths, partSize: ByteCount(invocation[Words.partSize]), behaviour: behaviour)
      } catch {
        if behaviour == .wandering { throw LabError("the model refuses what was measured: \(error)", exitCode: 1) }
      }
    }
    func variation(_ behaviour: DelayBehaviour) -> Double? {
      predictions[behaviour].map { totalVariation(found.waiting, $0.occupancy) }
    }
    let predicted = predictions[.wandering]?.occupancy
    let mean = found.waiting.indices.reduce(0.0) { $0 + Double($1) * found.waiting[$1] }
    var sum = 0.0
    let p99 = found.waiting.firstIndex { share in
      sum += share
      return sum >= 0.99
    }
    return [
      Double(found.parts), Double(found.lost), mean, predicted?.mean, p99.map { Double($0) },
      predicted.map { Double($0.quantile(0.99)) }, variation(.wandering), variation(.ordered), variation(.independent),
    ]
  }

  private func totalVariation(_ measured: [Double], _ predicted: DiscreteDistribution) -> Double {
    var sum = 0.0
    for count in 0...max(measured.count, predicted.largest) {
      sum += abs((measured.indices.contains(count) ? measured[count] : 0) - predicted[count])
    }
    return sum / 2
  }
}
