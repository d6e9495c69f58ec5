//  Memory.swift — what two gateways hold while a path is down for half a minute and a TCP flow goes on at full rate.
//
//  Resident memory is read from outside, four times a second; what `hawser status` says of segments that wait is asked
//  once a second: `held` is what the receiving half keeps to put it in order. The table has the end of each phase and
//  the most of it; JSON has all samples besides.

import Commands
import FoundationEssentials
import Lab
import Primitives
import Topology

struct Memory {
  private static let pause = 0.25

  private struct Sample {
    var time: Double
    var resident: [Double]
    var held: [Double?]
  }

  /// What of a gateway's state matters here.
  private struct Status: Decodable {
    struct Resequencer: Decodable {
      var held_bytes: Double?
    }
    var resequencer: Resequencer?
  }

  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func measure() throws(LabError) -> Answer {
    let path = invocation[Words.file]
    let topology = try TopologyFile.read(path)
    return try TestStand.with(topology, source: path) { (stand) throws(LabError) in
      let paths = try stand.paths()
      let fastest = paths.max { ($0.up?.bitsPerSecond ?? .max) < ($1.up?.bitsPerSecond ?? .max) }?.name ?? ""
      let broken = invocation[Words.path].isEmpty ? fastest : invocation[Words.path]
      return try stand.honestly(invocation) { (joined) throws(LabError) in try once(joined, stand, broken) }
    }
  }

  private func once(_ joined: JoinedSites, _ stand: TestStand, _ broken: String) throws(LabError) -> Answer {
    var phases: [(name: String, samples: [Sample])] = []
    func watch(_ name: String, _ seconds: Double, _ stream: Stream?) throws(LabError) {
      var samples: [Sample] = []
      let end = Moment.now + seconds
      tell("memory: \(name)")
      repeat {
        let pause = Interval.milliseconds(Int64(Memory.pause * 1_000))
        if let stream { try stream.run(for: pause) } else { try stand.wait(pause) }
        samples.append(try sample(joined, asks: samples.count % 4 == 0))
      } while Moment.now < end
      phases.append((name, samples))
    }
    try watch("idle", 2, nil)
    let stream = try Stream(joined, stand, invocation[Words.congestionControl])
    try watch("full rate", try stand.warmUp(invocation).inSeconds, stream)
    let wound = try stand.cut(broken, .down)
    try watch("\(broken) down", Double(invocation[Words.stall]), stream)
    try wound.mend()
    try watch("mended", Double(invocation[Words.after]), stream)
    try stream.end()
    try watch("idle again", 3, nil)

    var answer = Answer(
      heads: ["phase"],
      columns: joined.gateways.flatMap { gateway in
        [
          Column("\(gateway.name)_resident_bytes", "\(gateway.name) MiB", per: 1_048_576, 1),
          Column("\(gateway.name)_most_resident_bytes", "most", per: 1_048_576, 1),
          Column("\(gateway.name)_most_held_bytes", "held MiB", per: 1_048_576, 1),
        ]
      })
    for phase in phases + [("all", phases.flatMap(\.samples))] {
      let values = joined.gateways.indices.flatMap { gateway -> [Double?] in
        [
          phase.samples.last?.resident[gateway], phase.samples.map { $0.resident[gateway] }.max(),
          phase.samples.compactMap { $0.held[gateway] }.max(),
        ]
      }
      answer.rows.append(Answer.Row(names: [phase.name], values: values))
    }
    let start = phases.first?.samples.first?.time ?? 0
    answer.samples = phases.flatMap(\.samples).map { sample in
      [("time_s", sample.time - start)]
        + joined.gateways.enumerated().flatMap { index, gateway in
          [
            ("\(gateway.name)_resident_bytes", sample.resident[index]),
            ("\(gateway.name)_held_bytes", sample.held[index]),
          ]
        }
    }
    return answer
  }

  private func sample(_ joined: JoinedSites, asks: Bool) throws(LabError) -> Sample {
    var sample = Sample(time: Moment.now, resident: [], held: [])
    for gateway in joined.gateways {
      sample.resident.append(Double(try gateway.read()?.usage.residentMemory.value ?? 0))
      let text = asks ? try gateway.status() : nil
      let status = text.flatMap { try? JSONDecoder().decode(Status.self, from: Data($0.utf8)) }
      sample.held.append(status?.resequencer?.held_bytes)
    }
    return sample
  }
}
