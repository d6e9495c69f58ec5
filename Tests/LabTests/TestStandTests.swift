import Glibc
import Primitives
import Testing
import Topology

@testable import Lab

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A test stand` {
  private static let text = """
    node a gateway
    node b gateway
    node alice host behind a
    node bob host behind b
    link one a -- b
    link two a -- b

    """

  @Test func `contenders take turns, each carries between the users, and nothing of them is left`() throws {
    let topology = try Lab.topology(Self.text)
    let contenders = [Contender.direct, .floor, .floorBare, .gateway].filter { (try? $0.bond.requirePrograms()) != nil }
    try TestStand.with(topology, source: "test.topo") { (stand) throws(LabError) in
      for contender in contenders + contenders {
        let joined = try stand.join(contender)
        let before = try joined.gateways.map { (gateway) throws(LabError) in try gateway.read() }
        let group = stand.newGroup()
        let ping = try group.start(
          ["ping", "-n", "-c", "20", "-i", "0.01", "-s", "1000", joined.listener.address], in: joined.opener.namespace)
        let isDone = try group.wait(atMost: .seconds(10)) { $0.status(of: ping) != nil }
        #expect(isDone && PingReport(parsing: group.output(of: ping)).received == 20)
        for (before, gateway) in zip(before, joined.gateways) {
          let after = try gateway.read()
          if contender == .direct {
            #expect(after == nil)
          } else if let before, let after {
            // Each ping comes through both of them, there and back.
            #expect(after.taken.packets - before.taken.packets >= 20)
            #expect(after.written.bytes - before.written.bytes >= 20_000)
            #expect(after.usage.processorTime > before.usage.processorTime)
            #expect(after.usage.residentMemory > ByteCount(100_000))
          } else {
            Issue.record("\(contender.rawValue) has a gateway without a process")
          }
        }
        joined.takeDown()
      }
    }
    #expect(traces(of: topology.name) == [])
  }

  @Test func `a contender that cannot start says why, and nothing of it is left`() throws {
    guard (try? Floor(isSealed: true).requirePrograms()) != nil else { return }
    let topology = try Lab.topology(Self.text.replacing("link two a -- b", with: "link two a -- b mtu 1400"))
    #expect {
      try TestStand.with(topology, source: "test.topo") { (stand) throws(LabError) in
        stand.discard(try stand.join(.floor))
      }
    } throws: { error in
      "\(error)" == "floor: two carries 1400 bytes, and the floor's datagrams need 1500"
    }
    #expect(traces(of: topology.name) == [])
  }
}

extension TestStand {
  fileprivate func discard(_ joined: JoinedSites) { joined.takeDown() }
}

@Suite struct `What a process has used` {
  @Test func `grows with what it does, and is nil for a process that is not there`() throws {
    let own = getpid()
    let before = try #require(ProcessUsage(of: own))
    var sum: UInt64 = 0
    for number in 0..<3_000_000 { sum = sum &* 31 &+ UInt64(number) }
    let after = try #require(ProcessUsage(of: own))
    #expect(sum != 0)
    #expect(after.processorTime > before.processorTime)
    #expect(after.residentMemory > ByteCount(1 << 20))
    #expect(ProcessUsage(of: Int32.max) == nil)
  }

  @Test func `of several processes is the sum`() {
    var one = ProcessUsage()
    one.processorTime = .milliseconds(3)
    one.sleeps = 5
    one.residentMemory = ByteCount(700)
    let two = one + one
    #expect(two.processorTime == .milliseconds(6) && two.sleeps == 10 && two.residentMemory == ByteCount(1_400))
  }
}
