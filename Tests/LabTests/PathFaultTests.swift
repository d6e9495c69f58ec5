//  PathFaultTests.swift — what happens to a path, and that nothing of it stays.

import Primitives
import Testing
import Topology

@testable import Lab

@Suite struct `What can happen to a line` {
  private let link: Topology.Link = {
    var link = Topology.Link(name: "lte", a: 0, b: 1)
    link.apply(.loss(Topology.Pair(Probability(partsPerBillion: 5), Probability(partsPerBillion: 7)), burst: 3))
    return link
  }()

  @Test(arguments: [PathFault.oneWay, .oneWayBack, .largeOnly], [true, false])
  func `is taken back as it was`(fault: PathFault, isForward: Bool) {
    let (broken, whole) = fault.changes(of: link, isForward: isForward)
    let wounded = applied(broken, to: link)
    #expect(wounded != link)
    var mended = applied(whole, to: wounded)
    // A line that says nothing of its MTU has the usual one.
    if mended.mtu == ByteCount(Topology.Link.usualMTU) { mended.mtu = nil }
    #expect(mended == link)
  }

  @Test func `one way is one way, whichever end of the link is first`() {
    let all = Probability(partsPerBillion: 1_000_000_000)
    let up = applied(PathFault.oneWay.changes(of: link, isForward: true).broken, to: link)
    let back = applied(PathFault.oneWayBack.changes(of: link, isForward: true).broken, to: link)
    let turned = applied(PathFault.oneWay.changes(of: link, isForward: false).broken, to: link)
    #expect(up.forward.loss == all && up.backward.loss == link.backward.loss)
    #expect(back.backward.loss == all && back.forward.loss == link.forward.loss)
    #expect(turned == back)
  }

  private func applied(_ change: Topology.Change, to link: Topology.Link) -> Topology.Link {
    var link = link
    if case .attributes(let attributes) = change { for attribute in attributes { link.apply(attribute) } }
    return link
  }
}

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `What can happen to a gateway's interface` {
  private static let text = """
    node a gateway
    node b gateway
    node alice host behind a
    node bob host behind b
    link one a -- b
    link two a -- b

    """

  @Test func `is seen in its namespace, and everything is there again afterwards`() throws {
    let topology = try Lab.topology(Self.text)
    try TestStand.with(topology, source: "test.topo") { (stand) throws(LabError) in
      func isAnswered(from source: String) -> Bool {
        let ping = ["ping", "-n", "-c", "1", "-W", "1", "-I", source, "172.16.0.2"]
        return (try? stand.testbed.run(ping, at: 0)) != nil
      }
      #expect(isAnswered(from: "172.16.0.1") && isAnswered(from: "one"))

      let gone = try stand.cut("one", .delete)
      let other = try stand.testbed.link("two", at: 0)
      #expect(try stand.testbed.link("one", at: 0) == nil)
      #expect(other != nil)
      try gone.mend()
      #expect(isAnswered(from: "172.16.0.1") && isAnswered(from: "one"))

      let moved = try stand.cut("one", .address)
      #expect(isAnswered(from: "172.16.0.101") && isAnswered(from: "one"))
      #expect(!isAnswered(from: "172.16.0.1"))
      try moved.mend()
      #expect(isAnswered(from: "172.16.0.1") && isAnswered(from: "one"))
      #expect(!isAnswered(from: "172.16.0.101"))
      // Nothing happens twice.
      try moved.mend()
    }
    #expect(traces(of: topology.name) == [])
  }

  @Test func `needs a path of that name, and a line that the lab can change`() throws {
    let topology = try Lab.topology(Self.text)
    try TestStand.with(topology, source: "test.topo") { (stand) throws(LabError) in
      #expect(throws: LabError.self) { _ = try stand.cut("three", .down) }
      // Plain links have no wire.
      #expect(throws: LabError.self) { _ = try stand.cut("one", .down) }
    }
  }
}
