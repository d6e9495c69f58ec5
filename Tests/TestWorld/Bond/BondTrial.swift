//  BondTrial.swift — a random bond under random traffic, and everything that must hold whatever happens.
//
//  TCP in both directions, a steady UDP flow and pings run while links change; then nobody sends anything new, and the
//  world runs until the last byte was acknowledged.
//
//  Always asked.  What BondWorld asks of each delivery; every stream arrives whole; no ping and no datagram comes out
//  twice; no datagram comes after a later one unless a gateway counted a gap that it gave up; what is held never
//  exceeds what was given; in the end no buffer, no batch and no byte is held.

public import Engine
public import Primitives
public import Topology

public struct BondTrial {
  public struct Outcome {
    public let failures: [String]
    public let topology: Topology
    /// Bytes that applications were given.
    public let received: Int
    public let notes: [String]
  }

  /// A stream whose path failed for long waits for its timer, and doubles that.
  private static let mostRest = Interval.seconds(240)

  public static func run(
    seed: UInt64, _ weather: RandomBond.Weather = .stormy, time: Interval = .seconds(4),
    prepare: (inout GatewaySettings) -> Void = { _ in }
  ) throws -> Outcome {
    let topology = RandomBond.topology(seed: seed, weather, time: time)
    return try run(topology, seed: seed, time: time, prepare: prepare)
  }

  public static func run(
    _ topology: Topology, seed: UInt64, time: Interval, prepare: (inout GatewaySettings) -> Void = { _ in }
  ) throws -> Outcome {
    var random = SeededRandom(seed: seed).stream(named: "trial")
    let world = try BondWorld(topology, seed: seed, adjust: { _, settings in prepare(&settings) })
    var streams: [TCPFlow] = []
    let start = Interval.milliseconds(300)
    for number in 0..<Int(1 + random.below(3)) {
      let isFirst = number == 0
      streams.append(
        world.addTCP(
          from: isFirst ? 0 : Int(random.below(2)),
          starting: start + .milliseconds(isFirst ? 0 : Int64(random.below(1_000)))))
    }
    let pings = world.addPings(from: 0, starting: start)
    let rate = BitRate(bitsPerSecond: 100_000 + random.below(2_000_000))
    let sender = Int(random.below(2))
    let datagrams = world.addUDP(from: sender, starting: start, rate: rate, length: 200)
    let end = world.now + time
    while world.now < end && world.failures.isEmpty {
      world.run(until: min(end, world.now + .milliseconds(37)))
      world.checkBounds()
      for stream in streams { if let sentence = stream.complaint() { world.fail(sentence) } }
    }
    world.finish()
    if !world.run(atMost: mostRest, until: { world.areFlowsDone }) && world.failures.isEmpty {
      world.fail("a stream did not end")
    }
    // What nobody waits for any more comes or is given up: a second after it was first sent no buffer waits for it any
    // longer, and after another nothing at the receiver.
    world.run(for: .seconds(3))
    world.checkRest()
    if pings.duplicates > 0 { world.fail("\(pings.duplicates) pings were answered twice") }
    if datagrams.duplicates > 0 { world.fail("\(datagrams.duplicates) datagrams came out twice") }
    if datagrams.disordered > 0 && world.holes(at: 1 - sender) == 0 {
      world.fail("\(datagrams.disordered) datagrams came out of order, and no gap was counted")
    }
    var notes = [0, 1].map { "gateway \($0): \(world.tally(of: $0))" }
    for stream in streams {
      notes.append(
        "stream: \(stream.received) bytes, \(stream.retransmissions) of \(stream.segments) segments sent again, "
          + "\(stream.timeouts) timeouts, \(stream.undone) of \(stream.recoveries) reductions taken back, "
          + "\(stream.overtaken) overtaken")
    }
    notes.append(
      "pings: \(pings.samples.count) of \(pings.sent) answered; "
        + "datagrams: \(datagrams.lost) of \(datagrams.sent) lost, \(datagrams.disordered) out of order")
    return Outcome(
      failures: world.failures, topology: topology, received: streams.reduce(0) { $0 + $1.received }, notes: notes)
  }
}
