import Configuration
import Primitives
import Sealing
import Testing

@Suite struct `A printed configuration` {
  @Test(arguments: [small, everything]) func `reads back as itself`(text: String) throws {
    let gateway = try read(text).gateway
    #expect(try ConfigurationFile(reading: gateway.printed(), named: "printed.conf").gateway == gateway)
  }

  @Test(arguments: 0..<300) func `reads back as itself, whatever is in it`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let gateway = randomConfiguration(&random)
    let text = gateway.printed()
    do {
      #expect(try ConfigurationFile(reading: text, named: "printed.conf").gateway == gateway, "seed \(seed)")
    } catch {
      Issue.record("seed \(seed): \(error)\n\(String(decoding: text, as: UTF8.self))")
    }
  }

  @Test func `leaves out what holds anyway`() throws {
    let text = String(decoding: try read(small).gateway.printed(), as: UTF8.self)
    #expect(text == small.replacing("\n[", with: "\n\n[").replacing("\n\n\n", with: "\n\n"))
  }
}

/// A configuration that is right: everything that the schema can say, in random amounts.
func randomConfiguration(_ random: inout SeededRandom) -> GatewayConfiguration {
  func chance(_ random: inout SeededRandom) -> Bool { Bool.random(using: &random) }
  func number(_ range: ClosedRange<Int>, _ random: inout SeededRandom) -> Int { Int.random(in: range, using: &random) }
  func source(_ byte: UInt8, _ random: inout SeededRandom) -> KeySource {
    chance(&random) ? .held(secret(byte)) : .file("keys/\(byte).key")
  }
  /// The networks of different numbers never meet.
  func network(_ number: Int, _ random: inout SeededRandom) -> IPPrefix {
    if chance(&random) {
      return IPPrefix(IPAddress(ipv4: UInt32(10 << 24 | number << 8)), length: Int.random(in: 24...32, using: &random))
    }
    let high = 0xfd00 << 48 | UInt64(number) << 16
    return IPPrefix(IPAddress(.ipv6, high: high, low: 0), length: Int.random(in: 48...128, using: &random))
  }
  func port(_ random: inout SeededRandom) -> UInt16 { UInt16.random(in: 1...65_535, using: &random) }

  var gateway = GatewayConfiguration(privateKey: source(200, &random))
  gateway.addresses = (0..<number(0...3, &random)).map { index in
    IPPrefix(IPAddress(ipv4: UInt32(172 << 24 | 16 << 16 | index + 1)), length: number(8...32, &random))
  }
  gateway.listenPort = port(&random)
  gateway.mtu = ByteCount(number(1_280...9_000, &random))
  if chance(&random) { gateway.interface = "bond\(number(1...9, &random))" }
  gateway.routes = chance(&random) ? .auto : .off
  gateway.rekeyAfter = .seconds(Int64(number(1...120, &random)))
  gateway.controlSocket =
    chance(&random) ? GatewayConfiguration.defaultSocket(of: gateway.interface) : "/run/x\(number(1...9, &random)).sock"
  if chance(&random) {
    let loopback = IPAddress(.ipv6, high: 0, low: 1)
    var remote = GatewayConfiguration.RemoteControl(
      listen: [Endpoint(loopback, port: 1), Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 8_470)],
      token: source(201, &random))
    if chance(&random) {
      remote.listen[1].address = IPAddress(ipv4: 0)
      (remote.certificate, remote.certificateKeyFile) = ("gateway.pem", "/etc/hawser/gateway.key")
    }
    gateway.remoteControl = remote
  }
  if chance(&random) { gateway.metricsListen = [Endpoint(IPAddress(ipv4: 0), port: 9_470)] }
  gateway.paths = (0..<number(1...16, &random)).map { index in
    var path = GatewayConfiguration.Path(name: "path-\(index)", interface: "eth\(index)")
    if chance(&random) { path.port = port(&random) }
    if chance(&random) { path.weight = UInt32.random(in: 1...1_000_000, using: &random) }
    if chance(&random) { path.mtu = ByteCount(number(1_280...9_000, &random)) }
    if chance(&random) { path.bind = IPAddress(.ipv6, high: 0x2001_0db8 << 32, low: UInt64(index + 2)) }
    path.tier = GatewayConfiguration.Tier.allCases[index == 0 ? number(0...2, &random) : number(0...3, &random)]
    if chance(&random) {
      let weekday = GatewayConfiguration.Weekday.allCases[number(0...6, &random)]
      let periods: [GatewayConfiguration.Budget.Period] = [
        .day, .week(from: weekday), .month(from: UInt8(number(1...31, &random))),
      ]
      path.budget = .init(
        bytes: ByteCount(number(1_000_000...1_000_000_000_000_000, &random)), per: periods[number(0...2, &random)])
    }
    if chance(&random) { path.cost = .init(thousandths: UInt32(number(0...1_000_000_000, &random))) }
    if chance(&random) {
      let up = BitRate(bitsPerSecond: UInt64(number(64...1_000_000, &random)) * 1_000)
      let down = BitRate(bitsPerSecond: UInt64(number(64_000...1_000_000_000_000, &random)))
      path.limit = .init(up: up, down: chance(&random) ? up : down)
    }
    return path
  }
  gateway.classes = (0..<number(0...3, &random)).map { index in
    var known = GatewayConfiguration.Class(
      name: index == 0 ? "realtime" : "class\(index)", GatewayConfiguration.Treatment.allCases[number(0...2, &random)])
    known.protection =
      [
        .none, .copies, .adaptive, .parity(data: UInt8(number(1...16, &random)), parity: UInt8(number(1...4, &random))),
      ][number(0...3, &random)]
    return known
  }
  gateway.peers = (0..<number(1...8, &random)).map { index in
    var peer = GatewayConfiguration.Peer(name: "peer_\(index).x", publicKey: publicKey(UInt8(index + 1)))
    if chance(&random) { peer.presharedKey = source(UInt8(100 + index), &random) }
    peer.endpoints = (0..<number(0...5, &random)).map { _ in
      let port = port(&random)
      switch number(0...3, &random) {
      case 0: return .address(Endpoint(IPAddress(ipv4: UInt32.random(in: 1...(.max), using: &random)), port: port))
      case 1: return .address(Endpoint(IPAddress(.ipv6, high: random.next(), low: random.next()), port: port))
      case 2: return .address(Endpoint(IPAddress(.ipv6, high: 0xfe80 << 48, low: random.next()), port: port, scope: 3))
      default: return .name(host: "host-\(number(0...99, &random)).example.com", port: port)
      }
    }
    peer.allowedIPs = (0..<number(1...6, &random)).map { network(index * 10 + $0, &random) }
    if chance(&random) { peer.keepalive = .seconds(Int64(number(1...3_600, &random))) }
    return peer
  }
  gateway.rules = (0..<number(0...5, &random)).map { index in
    let stacks: [GatewayConfiguration.Stack] = [.striped, .raw, .single(path: nil), .single(path: "path-0")]
    var rule = GatewayConfiguration.Rule(name: "rule\(index)", stack: stacks[number(0...3, &random)])
    if chance(&random) {
      let free = gateway.classes.map(\.name)
      rule.className = (["bulk", "interactive"] + free)[number(0...(1 + free.count), &random)]
    }
    // A condition that every rule has, so that none hides those behind it.
    rule.maxSize = ByteCount(number(1...65_535, &random))
    rule.from = (0..<number(0...2, &random)).map { network($0, &random) }
    rule.to = (0..<number(0...2, &random)).map { network($0, &random) }
    rule.dscp = (0..<number(0...3, &random)).map { _ in UInt8(number(0...63, &random)) }
    if chance(&random) {
      rule.protocols = [6, 17]
      rule.ports = (0..<number(0...3, &random)).map { _ in
        let ends = [port(&random), port(&random)].sorted()
        return ends[0]...ends[1]
      }
    } else {
      rule.protocols = (0..<number(0...3, &random)).map { _ in UInt8(number(0...255, &random)) }
    }
    return rule
  }
  return gateway
}
