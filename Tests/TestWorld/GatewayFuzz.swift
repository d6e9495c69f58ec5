//  GatewayFuzz.swift — two connected gateways, and a stranger who does what the bytes of a fuzzer say.
//
//  The input is a list of acts, each a byte that says what and a byte for the rest:
//
//      0  bytes      the next `rest` bytes arrive at a gateway as one datagram
//      1  several    the same, as datagrams of (first byte) bytes each
//      2  echo       a datagram that was overheard; `rest` bytes follow in pairs (place, XOR)
//      3  packet     the next `rest` bytes come from the virtual NIC, offload header and all
//      4  user       a host sends a packet of some kind
//      5  time       `rest` × 2 ms go by
//
//  Whatever comes: nothing traps, no nonce is used twice, no buffer comes back twice, and in the end everything is at
//  rest and a ping passes in both directions.

public import Engine
import Primitives

public enum GatewayFuzz {
  /// A sentence for each thing that did not hold.
  public static func stranger(_ bytes: [UInt8]) throws -> [String] {
    let world = try GatewayWorld.pair(seed: 1) { plans in
      for index in plans.indices {
        plans[index].segmentBytes = 3 << 20
        plans[index].buffers = 8
      }
    }
    world.mostOverheard = 16
    world.lingering = 0
    world.joins = false
    try world.start(0)
    try world.start(1)
    world.run(for: .milliseconds(100))
    // A packet that a stranger makes is nobody's flow.
    world.checksTraffic = false
    let kinds: [UserFlow.Kind] = [
      .tcp(size: 1_384, most: 9_000), .bursts(size: 300, count: 9), .datagrams(least: 20, most: 300), .pings,
      .fragments,
    ]
    var acts = bytes[...]
    var most = 64
    while let act = acts.popFirst(), let rest = acts.popFirst(), most > 0, world.failures.isEmpty {
      most -= 1
      let gateway = Int(act >> 4) & 1
      let target = Place(gateway, Int(act >> 5) & 1)
      let source = act & 0x80 == 0 ? world.address(of: Place(1 - gateway, target.socket)) : stranger
      switch act % 6 {
      case 0, 1:
        let message = Array(acts.prefix(Int(rest)))
        acts = acts.dropFirst(Int(rest))
        world.inject(message, to: target, from: source, pieceLength: act % 6 == 1 ? message.first.map { Int($0) } : nil)
      case 2:
        var message = world.overheard.isEmpty ? [] : world.overheard[Int(rest) % world.overheard.count]
        for _ in 0..<rest / 16 {
          guard let place = acts.popFirst(), let change = acts.popFirst(), !message.isEmpty else { break }
          message[Int(place) % message.count] ^= change
        }
        world.inject(message, to: target, from: source)
      case 3:
        _ = world.inject(frame: Array(acts.prefix(Int(rest))), into: gateway)
        acts = acts.dropFirst(Int(rest))
      case 4:
        world.add(
          kinds[Int(rest) % kinds.count], from: gateway, to: 1 - gateway, family: rest & 0x80 == 0 ? .ipv4 : .ipv6,
          pause: .microseconds(100), packets: 1 + Int(rest >> 4 & 7))
      default: world.run(for: .milliseconds(2 * Int64(rest)))
      }
      world.run(for: .microseconds(50))
    }
    for index in world.flows.indices { world.flows[index].next = nil }
    // Datagrams from other addresses may have moved paths; who knows the other's address asks after 20 s.
    world.run(for: .seconds(45))
    world.checkRest()
    world.checksTraffic = true
    let last = [0, 1].map { world.add(.pings, from: $0, to: 1 - $0, pause: .milliseconds(10), packets: 3) }
    world.run(for: .seconds(1))
    for flow in last where world.flows[flow].missing != 0 {
      world.fail("a ping from gateway \(world.flows[flow].from) was lost")
    }
    return world.failures
  }

  /// Gateway 1 has true keys and means no good: the first bytes say what its hosts send, the others what becomes of it
  /// (Tampering.swift). In the end it is replaced, and all is as it should be. `protection`: of all flows.
  public static func crook(_ bytes: [UInt8], _ protection: Protection = .none) throws -> [String] {
    let tampering = Tampering()
    let world = try GatewayWorld.pair(seed: 1, tampering: tampering) { plans in
      for index in plans.indices {
        plans[index].segmentBytes = 3 << 20
        if protection != .none { plans[index].protect(protection) }
      }
    }
    world.lingering = 0
    world.joins = false
    try world.start(0)
    try world.start(1)
    world.run(for: .milliseconds(100))
    world.checksTraffic = false
    let kinds: [UserFlow.Kind] = [
      .tcp(size: 1_384, most: 9_000), .bursts(size: 300, count: 9), .datagrams(least: 20, most: 300), .pings,
      .fragments,
      .tcp(size: 1_384, most: 60_000), .tcp(size: 500, most: 500),
    ]
    var script = bytes[...]
    for _ in 0..<(script.popFirst() ?? 0) % 4 + 1 {
      let choice = Int(script.popFirst() ?? 0)
      world.add(
        kinds[choice % kinds.count], from: 1, to: 0, family: choice & 0x80 == 0 ? .ipv4 : .ipv6,
        pause: .microseconds(200), packets: 1 + choice >> 4 & 7)
    }
    tampering.script = script
    world.run(for: .milliseconds(600))
    tampering.script = []
    for index in world.flows.indices { world.flows[index].next = nil }
    try world.start(1)
    world.run(for: .seconds(45))
    world.checkRest()
    world.checksTraffic = true
    let last = [0, 1].map { world.add(.pings, from: $0, to: 1 - $0, pause: .milliseconds(10), packets: 3) }
    world.run(for: .seconds(1))
    for flow in last where world.flows[flow].missing != 0 {
      world.fail("a ping from gateway \(world.flows[flow].from) was lost")
    }
    return world.failures
  }

  private static let stranger = Endpoint(IPAddress(ipv4: 0xcb00_7107), port: 4711)
}
