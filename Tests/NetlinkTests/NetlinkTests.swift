import CLinux
import Glibc
import Netlink
import Primitives
import Testing

//  What we set through netlink is looked up with `ip`, a program that shares no code with ours.

@Suite(.enabled(if: getuid() == 0, "needs root: it makes network namespaces"))
struct `Changing the network of a namespace` {
  @Test func `a veth pair joins two namespaces, each end with its name, address and limits`() throws {
    let (one, other) = (try Scratch(), try Scratch())
    var socket = try NetlinkSocket.open(in: one.namespace)
    try socket.perform(
      .createVeth(
        VethEnd(name: "fibre", in: one.namespace, hardware: hardware(1), mtu: 1400, queueLength: 77),
        VethEnd(name: "lte", in: other.namespace, hardware: hardware(2), mtu: 1380, queueLength: 55)))

    let left = try one.output("ip", "-d", "link", "show", "fibre")
    #expect(left.contains("mtu 1400") && left.contains("qlen 77") && left.contains("02:48:00:00:00:01"))
    let right = try other.output("ip", "-d", "link", "show", "lte")
    #expect(right.contains("mtu 1380") && right.contains("qlen 55") && right.contains("02:48:00:00:00:02"))
    #expect(try #require(try socket.link(named: "fibre")).isUp == false)
    #expect(try socket.link(named: "lte") == nil)
  }

  @Test func `a route through an interface is there or not, whatever the kernel would do without one`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    try socket.perform([
      .addAddress(InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)),
      .addAddress(InterfaceAddress(IPPrefix("fd48::1/64")!, on: index)),
    ])
    let near = try ["172.16.0.9", "fd48::9"].map { try #require(IPAddress($0)) }
    let far = try ["192.0.2.1", "2001:db8::1"].map { try #require(IPAddress($0)) }
    for address in near { #expect(try socket.hasRoute(to: address, through: index), "\(address)") }
    for address in far { #expect(try !socket.hasRoute(to: address, through: index), "\(address)") }
    try socket.perform([
      .addRoute(Route(to: .everything(.ipv4), through: index, via: near[0])),
      .addRoute(Route(to: .everything(.ipv6), through: index, via: near[1])),
    ])
    for address in far { #expect(try socket.hasRoute(to: address, through: index), "\(address)") }
    let all = try socket.addresses().filter { $0.interface == index }.map(\.address.description)
    #expect(all.contains("172.16.0.1") && all.contains("fd48::1"))
  }

  @Test func `who was asked for and did not answer is told, and can be forgotten`() throws {
    let (scratch, other) = (try Scratch(), try Scratch())
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    try socket.perform(
      .createVeth(VethEnd(name: "left", in: scratch.namespace), VethEnd(name: "right", in: other.namespace)))
    let index = try #require(try socket.link(named: "left")).index
    try socket.perform([
      .addAddress(InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)), .configure(index, LinkSettings(isUp: true)),
    ])
    _ = try scratch.output("sh", "-c", "ping -c 1 -w 1 172.16.0.9 || true")
    let silent = try socket.unansweredNeighbours(on: index)
    #expect(silent == [IPAddress("172.16.0.9")])
    #expect(try socket.unansweredNeighbours(on: InterfaceIndex(index.value + 100)) == [])
    for address in silent {
      try socket.perform(.removeNeighbour(Neighbour(address, at: hardware(9), on: index)))
    }
    #expect(try socket.unansweredNeighbours(on: index) == [])
    #expect(try !scratch.output("ip", "neighbour").contains("172.16.0.9"))
  }

  @Test func `addresses, routes, rules and neighbours are there as ip shows them`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    try socket.perform([
      .addAddress(InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)),
      .addAddress(InterfaceAddress(IPPrefix("fd48::1/64")!, on: index, makesRoute: false)),
      .setNeighbour(Neighbour(IPAddress("172.16.0.2")!, at: hardware(9), on: index)),
      .setNeighbour(Neighbour(IPAddress("fd48::2")!, at: hardware(9), on: index)),
      .addRoute(Route(to: IPPrefix("10.1.0.0/16")!, via: IPAddress("172.16.0.2")!, metric: 7)),
      .addRoute(Route(to: IPPrefix("10.1.0.0/16")!, kind: .unreachable, metric: 9)),
      .addRoute(
        Route(
          to: .everything(.ipv4), through: index, via: IPAddress("192.0.2.1")!, table: RoutingTable(1000),
          source: IPAddress("172.16.0.1")!, isOnLink: true)),
      .addRoute(Route(to: IPPrefix("fd48::/64")!, through: index, metric: 5)),
      .addRoute(Route(to: IPPrefix("fd49::/32")!, via: IPAddress("fd48::2")!, table: RoutingTable(1000))),
      .addRoute(Route(to: IPPrefix("10.2.0.0/16")!, kind: .notHere, table: RoutingTable(1000))),
      .addRoute(Route(to: IPPrefix("fd4a::/32")!, kind: .blackhole, table: RoutingTable(1000))),
      .addRule(
        RoutingRule(
          .ipv4, priority: 100, table: RoutingTable(1000), source: IPPrefix("172.16.0.1/32")!)),
      .addRule(RoutingRule(.ipv6, priority: 101, table: RoutingTable(1000), boundTo: "left")),
    ])

    #expect(try scratch.output("ip", "-4", "addr", "show", "left").contains("inet 172.16.0.1/24"))
    let six = try scratch.output("ip", "-6", "addr", "show", "left")
    let line = try #require(six.split(separator: "\n").first { $0.contains("fd48::1/64") })
    #expect(line.contains("nodad") && line.contains("noprefixroute") && !line.contains("tentative"))
    let neighbours = try scratch.output("ip", "neigh", "show")
    #expect(neighbours.contains("172.16.0.2 dev left lladdr 02:48:00:00:00:09 PERMANENT"))
    #expect(neighbours.contains("fd48::2 dev left lladdr 02:48:00:00:00:09 PERMANENT"))
    let main = try scratch.output("ip", "route", "show")
    #expect(main.contains("10.1.0.0/16 via 172.16.0.2 dev left proto static metric 7"))
    #expect(main.contains("unreachable 10.1.0.0/16 proto static metric 9"))
    let own = try scratch.output("ip", "route", "show", "table", "1000")
    #expect(own.contains("default via 192.0.2.1 dev left proto static src 172.16.0.1 onlink"))
    #expect(own.contains("throw 10.2.0.0/16"))
    let ownSix = try scratch.output("ip", "-6", "route", "show", "table", "1000")
    #expect(ownSix.contains("fd49::/32 via fd48::2 dev left") && ownSix.contains("blackhole fd4a::/32"))
    #expect(try scratch.output("ip", "rule").contains("100:\tfrom 172.16.0.1 lookup 1000"))
    #expect(try scratch.output("ip", "-6", "rule").contains("101:\tfrom all oif left lookup 1000"))
  }

  @Test func `what was added can be replaced and taken away again`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    let address = InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)
    let neighbour = Neighbour(IPAddress("172.16.0.2")!, at: hardware(9), on: index)
    let rule = RoutingRule(.ipv4, priority: 100, table: RoutingTable(1000), source: IPPrefix("172.16.0.1")!)
    var route = Route(to: IPPrefix("10.1.0.0/16")!, via: IPAddress("172.16.0.2")!)
    try socket.perform([.addAddress(address), .setNeighbour(neighbour), .addRule(rule), .addRoute(route)])
    route.gateway = IPAddress("172.16.0.3")!
    try socket.perform(.replaceRoute(route))
    let replaced = try scratch.output("ip", "route", "show")
    #expect(replaced.contains("via 172.16.0.3") && !replaced.contains("via 172.16.0.2"))

    try socket.perform([.removeRoute(route), .removeRule(rule), .removeNeighbour(neighbour), .removeAddress(address)])
    #expect(try scratch.output("ip", "-4", "route", "show").isEmpty)
    #expect(try scratch.output("ip", "-4", "addr", "show", "left").contains("inet") == false)
    #expect(try scratch.output("ip", "neigh", "show").contains("172.16.0.2") == false)
    #expect(try scratch.output("ip", "rule").contains("1000") == false)
    try socket.perform(.deleteLink(index))
    #expect(try socket.links().map(\.name) == ["lo"])
  }

  @Test func `a link can be renamed, resized and switched on and off`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    try socket.perform(.configure(index, LinkSettings(isUp: false)))
    #expect(try #require(try socket.link(index)).isUp == false)
    try socket.perform(
      .configure(
        index, LinkSettings(name: "fibre", hardware: hardware(5), mtu: 9000, queueLength: 3, isUp: true)))
    let link = try #require(try socket.link(named: "fibre"))
    #expect(link.index == index && link.hardware == hardware(5) && link.mtu == 9000 && link.queueLength == 3)
    #expect(link.isUp && link.hasCarrier)
  }

  @Test func `the counters of a link count what passed`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (left, right) = try scratch.makePair(&socket)
    try socket.perform([
      .addAddress(InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: left)),
      .setNeighbour(Neighbour(IPAddress("172.16.0.2")!, at: hardware(2), on: left)),
    ])
    // Listeners of IPv6 announce themselves at any time; this counts ours alone.
    try scratch.set("ipv6/conf/all/disable_ipv6", "1")
    let before = try #require(try socket.link(right)).received
    let udp = hawser_socket_in_namespace(scratch.namespace, AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(udp) }
    let datagram = [UInt8](repeating: 0, count: 500)
    for _ in 0..<10 { #expect(sendTo(udp, datagram, "172.16.0.2", 9) == 500) }
    let after = try #require(try socket.link(right)).received
    // 14 bytes of Ethernet, 20 of IP and 8 of UDP are carried with each.
    #expect(after.packets - before.packets == 10 && after.bytes - before.bytes == 5_420)
    #expect(try #require(try socket.link(left)).sent.bytes >= 5_420)
  }

  @Test func `the way to an address is told as the kernel would go it`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    let (own, hop) = (IPAddress("172.16.0.1")!, IPAddress("172.16.0.2")!)
    try socket.perform([
      .addAddress(InterfaceAddress(IPPrefix(own, length: 24), on: index)),
      .addRoute(Route(to: IPPrefix("10.1.0.0/16")!, via: hop)),
      .addRoute(Route(to: IPPrefix("10.2.0.0/16")!, kind: .unreachable)),
    ])
    let far = try #require(try socket.route(to: IPAddress("10.1.2.3")!))
    #expect(!far.isLocal && far.interface == index && far.gateway == hop && far.source == own)
    #expect(try #require(try socket.route(to: hop)).gateway == nil)
    #expect(try #require(try socket.route(to: own)).isLocal)
    #expect(try socket.route(to: IPAddress("10.2.2.3")!) == nil)
    #expect(try socket.route(to: IPAddress("10.3.2.3")!) == nil)
    #expect(try socket.route(to: IPAddress("2001:db8::1")!) == nil)
  }

  @Test func `thousands of changes go in a few batches, and each is done`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    try socket.perform(.addAddress(InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)))
    let routes = (0..<5_000).map { number in
      let bytes: [UInt8] = [10, UInt8(number >> 8), UInt8(number & 255), 0]
      return NetlinkChange.addRoute(
        Route(to: IPPrefix(IPAddress(bytes: bytes), length: 24), via: IPAddress("172.16.0.2")!))
    }
    try socket.perform(routes)
    let lines = try scratch.output("ip", "-4", "route", "show").split(separator: "\n")
    #expect(lines.count == 5_001)
  }
}

@Suite(.enabled(if: getuid() == 0, "needs root: it makes network namespaces"))
struct `When the kernel refuses` {
  @Test func `the error quotes the change that failed, not its neighbours in the batch`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let (index, _) = try scratch.makePair(&socket)
    let address = InterfaceAddress(IPPrefix("172.16.0.1/24")!, on: index)
    let unreachable = Route(to: IPPrefix("10.1.0.0/16")!, via: IPAddress("192.0.2.1")!)
    let error = #expect(throws: NetlinkError.self) {
      try socket.perform([
        .addAddress(address), .addRoute(unreachable),
        .addRoute(Route(to: IPPrefix("10.2.0.0/16")!, via: IPAddress("172.16.0.2")!)),
      ])
    }
    #expect(error?.operation == "add the route 10.1.0.0/16 via 192.0.2.1")
    #expect(error?.errno == ENETUNREACH)
    #expect(error?.explanation?.contains("gateway") == true)
    #expect(error?.description.hasPrefix("cannot add the route 10.1.0.0/16 via 192.0.2.1: ") == true)
    // The one behind it was done all the same, and the socket is good for more.
    #expect(try scratch.output("ip", "route", "show").contains("10.2.0.0/16"))
    #expect(try socket.links().count == 3)
  }

  @Test func `hundreds of failures in one batch still name the first`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    let rules = (0..<400).map {
      NetlinkChange.deleteLink(InterfaceIndex(5_000 + Int32($0)))
    }
    let error = #expect(throws: NetlinkError.self) { try socket.perform(rules) }
    #expect(error?.operation == "delete interface #5000" && error?.errno == ENODEV)
    #expect(try socket.links().map(\.name) == ["lo"])
  }

  @Test func `a name that exists already is refused with a remedy`() throws {
    let scratch = try Scratch()
    var socket = try NetlinkSocket.open(in: scratch.namespace)
    _ = try scratch.makePair(&socket)
    let error = #expect(throws: NetlinkError.self) {
      try socket.perform(.createVeth(VethEnd(name: "left"), VethEnd(name: "other")))
    }
    #expect(error?.errno == EEXIST && error?.remedy != nil)
  }

  @Test func `packet filter rules are loaded all or none, and nftables' complaint is quoted`() throws {
    let scratch = try Scratch()
    let chain = "chain c { type filter hook forward priority 0; ct state established accept; };"
    try PacketFilter.run("table inet t { \(chain) }", in: scratch.namespace)
    let error = #expect(throws: NetlinkError.self) {
      try PacketFilter.run("table inet u { };\ntable inet v { frain c { } }", in: scratch.namespace)
    }
    #expect(error?.explanation?.contains("syntax error") == true)
    // The first is there and the second is not.
    try PacketFilter.run("delete table inet t", in: scratch.namespace)
    #expect(throws: NetlinkError.self) { try PacketFilter.run("delete table inet u", in: scratch.namespace) }
  }

  @Test func `a descriptor that is no namespace is refused when the socket is opened`() throws {
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { close(null) }
    var code: Int32 = 0
    do throws(NetlinkError) { _ = try NetlinkSocket.open(in: null) } catch { code = error.errno }
    #expect(code == EINVAL)
  }
}

@Suite struct `Addresses in text` {
  @Test(arguments: [
    "10.3.0.1/16", "0.0.0.0/0", "255.255.255.255/32", "fd48:6177::1/64", "::/0", "2001:db8::ff00:42:8329/128",
  ])
  func `are read and printed the same`(text: String) {
    #expect(IPPrefix(text)?.description == text)
  }

  @Test(arguments: ["", "/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/+8", "10.0.0/8", "fd48::/129", "a", "1.2.3.4/"])
  func `are refused when they are none`(text: String) {
    #expect(IPPrefix(text) == nil)
  }

  @Test func `have a network with nothing behind the prefix`() {
    #expect(IPPrefix("10.3.77.1/16")!.network == IPPrefix("10.3.0.0/16"))
    #expect(IPPrefix("10.3.77.255/31")!.network == IPPrefix("10.3.77.254/31"))
    #expect(IPPrefix("fd48:6177:0:3:8000::1/65")!.network == IPPrefix("fd48:6177:0:3:8000::/65"))
    #expect(IPPrefix("10.3.77.1")!.network == IPPrefix("10.3.77.1/32"))
  }

  @Test func `keep their bytes`() {
    let bytes: [UInt8] = (1...16).map { $0 * 3 }
    #expect(IPAddress(bytes: bytes).bytes == bytes)
    #expect(IPAddress(bytes: bytes[4..<8]).bytes == Array(bytes[4..<8]))
  }
}

// MARK: Helpers

private func hardware(_ last: UInt8) -> HardwareAddress { HardwareAddress(bytes: [2, 0x48, 0, 0, 0, last]) }

/// A namespace without a name: it goes when the last descriptor of it is closed.
private final class Scratch {
  let namespace: Int32

  init() throws {
    var fd: Int32 = -1
    let error = hawser_run_in_namespace(
      hawser_new_namespace,
      { $0!.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) }, &fd)
    try #require(error == 0 && fd >= 0)
    namespace = fd
  }

  deinit { close(namespace) }

  func makePair(_ socket: inout NetlinkSocket) throws -> (left: InterfaceIndex, right: InterfaceIndex) {
    try socket.perform(
      .createVeth(
        VethEnd(name: "left", hardware: hardware(1)), VethEnd(name: "right", hardware: hardware(2))))
    let links = try socket.links()
    let left = try #require(links.first { $0.name == "left" }).index
    let right = try #require(links.first { $0.name == "right" }).index
    try socket.perform([left, right].map { .configure($0, LinkSettings(isUp: true)) })
    for _ in 0..<5_000 where try [left, right].contains(where: { try socket.link($0)?.canSend != true }) {
      poll(nil, 0, 1)
    }
    try #require(try socket.link(left)?.canSend == true && socket.link(right)?.canSend == true)
    return (left, right)
  }

  func set(_ path: String, _ value: String) throws {
    _ = try output("sh", "-c", "echo \(value) > /proc/sys/net/\(path)")
  }

  /// What a command says inside the namespace.
  func output(_ words: String...) throws -> String {
    var ends: [Int32] = [0, 0]
    try #require(pipe2(&ends, O_CLOEXEC) == 0)
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var order = hawser_spawn_order()
    order.file = UnsafePointer(arguments[0])
    order.environment = UnsafePointer(environ)
    order.namespace_fd = namespace
    order.input = -1
    order.output = ends[1]
    order.error_output = ends[1]
    let failed = arguments.withUnsafeMutableBufferPointer {
      order.arguments = UnsafePointer($0.baseAddress)
      return hawser_spawn(&order)
    }
    close(ends[1])
    defer { close(ends[0]) }
    try #require(failed == 0, "cannot run \(words[0]): \(String(cString: strerror(order.error)))")
    var text: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(ends[0], &piece, piece.count), count > 0 { text += piece[..<count] }
    var status: Int32 = 0
    waitpid(order.pid, &status, 0)
    try #require(status == 0, "\(words.joined(separator: " ")): \(String(decoding: text, as: UTF8.self))")
    return String(decoding: text, as: UTF8.self)
  }
}

private func sendTo(_ fd: Int32, _ bytes: [UInt8], _ address: String, _ port: UInt16) -> Int {
  var to = sockaddr_in()
  to.sin_family = sa_family_t(AF_INET)
  to.sin_port = port.bigEndian
  inet_pton(AF_INET, address, &to.sin_addr)
  return withUnsafePointer(to: &to) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      sendto(
        fd, bytes, bytes.count, 0, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
}
