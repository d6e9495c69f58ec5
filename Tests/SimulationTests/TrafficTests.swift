import Primitives
import Simulation
import Testing
import Topology

@Suite struct `A bulk flow` {
  @Test(arguments: 0..<40)
  func `it delivers every byte once and in order through any line, and never stands still`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let faults = ["loss 5%", "loss 3% burst 5", "duplicate 10%", "corrupt 5%", "jitter 5ms reorder", "jitter 5ms", ""]
    let first = faults[Int(random.below(7))]
    let second = faults[Int(random.below(7))]
    let words = first.prefix(4) == second.prefix(4) ? first : "\(first) \(second)"
    let flow = try Flow("rate \(1 + random.below(8))mbit delay \(random.below(60))ms \(words)", seed: seed)
    var before = 0
    for step in 1...3 {
      flow.run(until: ms(Int64(step) * 10_000))
      // A burst of losses can swallow probe after probe, and the pauses between them are long.
      if step < 3 && words.contains("burst") { continue }
      #expect(flow.receiver.received.value > before, "seed \(seed): \(words), step \(step)")
      before = flow.receiver.received.value
    }
    #expect(flow.receiver.received.value % 1_448 == 0)
    let received = UInt64(flow.receiver.received.value / 1_448)
    let counters = flow.sender.counters
    #expect(received <= counters.transmissions - counters.retransmissions, "seed \(seed): more than was ever sent")
    #expect(flow.receiver.receivedInSecond.reduce(0, +) == UInt64(flow.receiver.received.value))
  }

  @Test func `its frames are as long as TCP's, and so are its acknowledgements`() throws {
    let flow = try Flow("rate 10mbit delay 5ms", seed: 1)
    flow.run(until: ms(2_000))
    let there = flow.counters(.forward)
    let back = flow.counters(.backward)
    #expect(there.deliveredBytes == there.delivered * 1_514 && there.delivered > 1_000)
    #expect(back.deliveredBytes == back.delivered * 66)
    // One for each second segment, and one for each that does not fit the order.
    #expect(back.delivered < there.delivered * 7 / 10)
  }

  @Test func `it resends nothing that was not lost, on a line that keeps the order`() throws {
    let flow = try Flow("rate 20mbit delay 20ms jitter 5ms loss 1% duplicate 3%", seed: 4)
    flow.run(until: ms(20_000))
    let there = flow.counters(.forward)
    #expect(flow.sender.counters.timeouts == 0 && there.lostByChance > 50)
    // What is resent was lost, or its acknowledgement was; those are lost as often and half as many.
    #expect(
      flow.sender.counters.retransmissions <= there.lostByChance + there.queueFull
        + flow.counters(.backward).lostByChance)
  }

  @Test func `it learns that a path reorders, instead of taking every overtaking for a loss`() throws {
    let flow = try Flow("rate 20mbit delay 20ms jitter 2ms reorder", seed: 4)
    flow.run(until: ms(5_000))
    let early = flow.sender.counters.retransmissions
    flow.run(until: ms(20_000))
    let late = flow.sender.counters.retransmissions - early
    #expect(Double(late) < 0.01 * Double(flow.sender.counters.transmissions))
    #expect(flow.receiver.received.value * 8 > 15 * 20_000_000 * 9 / 10)
  }

  @Test func `it waits out a line that is cut, and is back to its rate within three seconds`() throws {
    let flow = try Flow("rate 20mbit delay 10ms", seed: 1, events: "event at 3s l down\nevent at 8s l up")
    flow.run(until: ms(20_000))
    let seconds = flow.receiver.receivedInSecond
    #expect(seconds[4...7].allSatisfy { $0 == 0 })
    #expect(seconds[11...19].allSatisfy { $0 * 8 > 18_000_000 })
    #expect(flow.sender.counters.timeouts > 0)
    // It does not shout into the silence: a probe now and then.
    #expect(flow.counters(.forward).down < 10)
  }

  @Test func `its card bounds it where no line does`() throws {
    let flow = try Flow("", seed: 1, card: megabits(200))
    flow.run(until: ms(1_000))
    let rate = Double(flow.receiver.received.value) * 8 / 1e6
    #expect(rate > 190 && rate < 192)  // × 1448/1514
    #expect(flow.sender.counters.retransmissions == 0)
  }

  @Test func `it never has more than its largest window on the way`() {
    let sender = FlowSender(startingAt: .zero, segment: ByteCount(1), card: .maximum)
    let receiver = FlowReceiver(segment: ByteCount(1))
    var mostOnTheWay: UInt64 = 0
    for round in 1...16 {
      let start = ms(Int64(round) * 100)
      sender.expire(at: start)
      var segments = drain(sender)
      while let deadline = sender.deadline, deadline < start + .milliseconds(50) {
        sender.expire(at: deadline)
        segments += drain(sender)
      }
      mostOnTheWay = max(mostOnTheWay, UInt64(segments.count))
      for segment in segments {
        receiver.receive(segment.span, from: 0, at: start + .milliseconds(60))
        // Answers come back while the sender may not send: it is asked again in the next round.
        for answer in drain(receiver) { sender.receive(answer.span, from: 0, at: start + .milliseconds(70)) }
      }
    }
    #expect(mostOnTheWay == 65_536)
  }

  @Test(arguments: 0..<20) func `nonsense from the network does not disturb it`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let sender = FlowSender(startingAt: .zero, segment: ByteCount(1_448), card: megabits(100))
    let receiver = FlowReceiver(segment: ByteCount(1_448))
    let (pinger, ponger) = (Pinger(startingAt: .zero, every: .milliseconds(1)), Ponger())
    let machines: [any Machine] = [sender, receiver, pinger, ponger]
    for step in 0..<3_000 {
      let now = us(Int64(step) * 100)
      let bytes = nonsense(&random)
      for machine in machines {
        machine.receive(bytes.span, from: 0, at: now)
        drain(machine)
        if let deadline = machine.deadline, deadline <= now { machine.expire(at: now) }
        drain(machine)
      }
    }
    #expect(receiver.received.value <= 3_000 * 1_448 * 64, "seed \(seed)")
  }
}

@Suite struct `A series of pings` {
  @Test func `it measures there and back, and counts what was answered`() throws {
    let network = try topology("node a gateway\nnode b gateway\nlink l a -- b rate 1mbit delay 20ms/30ms loss 20%/0%")
    let pinger = Pinger(startingAt: ms(5), every: .milliseconds(10))
    var world = World(network, seed: 2)
    let numbers = (world.attach(pinger, at: 0), world.attach(Ponger(), at: 1))
    _ = world.connect(numbers.0, numbers.1, over: network.paths(from: 0, to: 1)[0])
    world.run(until: ms(20_000))
    #expect(pinger.sent == 2_000)
    // 98 bytes take 784 µs each way.
    #expect(pinger.samples.allSatisfy { $0.roundTrip == .microseconds(51_568) })
    #expect(pinger.samples[0].sent == ms(5))
    let answered = Double(pinger.samples.count)
    #expect(abs(answered - 1_595) < 3.29 * (2_000 * 0.16).squareRoot())
  }

  @Test func `an answer that comes twice counts once, also when answers overtake each other`() throws {
    let network = try topology(
      "node a gateway\nnode b gateway\nlink l a -- b delay 50ms jitter 20ms reorder duplicate 100%")
    let pinger = Pinger(startingAt: .zero, every: .milliseconds(2))
    var world = World(network, seed: 2)
    let numbers = (world.attach(pinger, at: 0), world.attach(Ponger(), at: 1))
    _ = world.connect(numbers.0, numbers.1, over: network.paths(from: 0, to: 1)[0])
    world.run(until: ms(4_000))
    let sent = pinger.samples.map(\.sent)
    #expect(Set(sent).count == sent.count)
    #expect(pinger.samples.count > 1_800 && sent != sent.sorted())
  }
}

/// A flow from a to b over one link.
private final class Flow {
  let sender: FlowSender
  let receiver = FlowReceiver(segment: ByteCount(1_448))
  private var world: World

  init(_ attributes: String, seed: UInt64, card: BitRate = megabits(10_000), events: String = "") throws {
    let network = try topology("node a gateway\nnode b gateway\nlink l a -- b \(attributes)\n\(events)")
    sender = FlowSender(startingAt: .zero, segment: ByteCount(1_448), card: card)
    world = World(network, seed: seed)
    let numbers = (world.attach(sender, at: 0), world.attach(receiver, at: 1))
    _ = world.connect(numbers.0, numbers.1, over: network.paths(from: 0, to: 1)[0])
  }

  func run(until end: Instant) { world.run(until: end) }

  func counters(_ direction: Topology.Direction) -> Link.Counters { world.counters(of: 0, direction) }
}

/// Half of it has the right form and a right checksum, with numbers that make no sense.
private func nonsense(_ random: inout SeededRandom) -> [UInt8] {
  var bytes = (0..<Int(random.below(60))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  if random.below(2) == 0 || bytes.count < 24 { return bytes }
  bytes.replaceSubrange(0..<6, with: Array("SIM".utf8) + [UInt8(1 + random.below(4)), 0, 0])
  if random.below(2) == 0 { bytes.replaceSubrange(8..<14, with: [0, 0, 0, 0, 0, 0]) }
  if random.below(2) == 0 { bytes.replaceSubrange(16..<23, with: [0, 0, 0, 0, 0, 0, 0]) }
  var sum = 0
  for (offset, byte) in bytes.enumerated() { sum += offset % 2 == 0 ? Int(byte) << 8 : Int(byte) }
  while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
  bytes[4] = UInt8(~sum >> 8 & 0xff)
  bytes[5] = UInt8(~sum & 0xff)
  return bytes
}

@discardableResult private func drain(_ machine: any Machine) -> [[UInt8]] {
  var datagrams: [[UInt8]] = []
  while true {
    var isDone = false
    let datagram = [UInt8](capacity: 2_048) { space in isDone = machine.nextTransmission(into: &space) == nil }
    if isDone { return datagrams }
    datagrams.append(datagram)
  }
}
