import CLinux
import Glibc
import Netlink
import Primitives
import Testing

@testable import VNIC

//  What is set is looked up with `ip`, which shares no code with ours.

@Suite(.enabled(if: getuid() == 0, "needs root: it makes interfaces in network namespaces"))
struct `The gateway's interface` {
  private let scratch: Scratch
  private var settings: VirtualInterface.Settings

  init() throws {
    scratch = try Scratch()
    settings = VirtualInterface.Settings(
      name: "hawser", addresses: try ["10.8.0.1/24", "fd48::1/64"].map { try #require(IPPrefix($0)) }, mtu: 1_500,
      routes: try ["10.9.7.7/16", "10.8.0.0/24", "fd49::/32"].map { try #require(IPPrefix($0)) }, queueLength: 77)
  }

  @Test func `comes up with its addresses, limits and routes, and is gone when it is closed`() throws {
    do {
      let interface = try bringUp(settings)
      let index = interface.index.value
      let link = try scratch.output("ip", "-d", "link", "show", "hawser")
      #expect(link.hasPrefix("\(index): ") && link.contains(",UP,"))
      for word in ["mtu 1500", "qlen 77", "gso_max_size 65536", "addrgenmode none", "tun type tun"] {
        #expect(link.contains(word), "\(word) in \(link)")
      }
      let addresses = try scratch.output("ip", "address", "show", "hawser")
      #expect(addresses.contains("inet 10.8.0.1/24") && addresses.contains("inet6 fd48::1/64"))
      #expect(!addresses.contains("fe80") && !addresses.contains("tentative"))
      let routes = try scratch.output("ip", "route", "show")
      #expect(routes.contains("10.9.0.0/16 dev hawser") && routes.contains("10.8.0.0/24 dev hawser proto kernel"))
      #expect(try scratch.output("ip", "-6", "route", "show").contains("fd49::/32 dev hawser"))
    }
    #expect(try !scratch.output("ip", "link").contains("hawser"))
  }

  @Test func `takes what this kernel knows of offloads, and says what is missing`() throws {
    let interface = try bringUp(settings)
    let (offloads, limitations) = (interface.offloads, interface.limitations)
    #expect(offloads.isSuperset(of: [.checksum, .tcpSegments]))
    #expect(limitations.isEmpty == offloads.isSuperset(of: .udpSegments))
    let unheardOf = VNIC.Offloads(rawValue: 1 << 30)
    let older = try VNIC.open(
      "older", kind: .tun, offloads: [.checksum, .tcpSegments], ifPossible: unheardOf, in: scratch.namespace)
    let taken = older.offloads
    #expect(taken == [.checksum, .tcpSegments])
  }

  @Test func `changes its routes without touching the others`() throws {
    var interface = try bringUp(settings)
    _ = try scratch.output("ip", "route", "add", "10.99.0.0/16", "dev", "hawser")
    let networks = try ["10.9.0.0/16", "10.10.0.0/16"].map { try #require(IPPrefix($0)) }
    try interface.setRoutes(networks)
    let routes = try scratch.output("ip", "route", "show")
    for network in ["10.8.0.0/24", "10.9.0.0/16", "10.10.0.0/16", "10.99.0.0/16"] {
      #expect(routes.contains("\(network) dev hawser"))
    }
    #expect(try !scratch.output("ip", "-6", "route", "show").contains("fd49::/32"))
    _ = try scratch.output("ip", "route", "del", "10.10.0.0/16")
    try interface.setRoutes([])
    #expect(try !scratch.output("ip", "route", "show").contains("10.9.0.0/16"))
  }

  @Test func `has other addresses, another MTU and other routes without being made anew, or all as it was`() throws {
    var interface = try bringUp(settings)
    let before = try scratch.output("ip", "address", "show", "hawser")
    let number = try #require(before.split(separator: ":").first)
    let addresses = try ["10.8.0.7/24", "10.66.0.1/16"].map { try #require(IPPrefix($0)) }
    let routes = try ["10.9.0.0/16"].map { try #require(IPPrefix($0)) }
    try interface.change(addresses: addresses, mtu: 1_400, routes: routes)
    let after = try scratch.output("ip", "address", "show", "hawser")
    #expect(after.hasPrefix("\(number):") && after.contains("mtu 1400"), "\(after)")
    #expect(after.contains("10.8.0.7/24") && after.contains("10.66.0.1/16") && !after.contains("10.8.0.1/"), "\(after)")
    #expect(try scratch.output("ip", "route", "show").contains("10.9.0.0/16 dev hawser"))

    _ = try scratch.output("ip", "link", "set", "lo", "up")
    _ = try scratch.output("ip", "route", "add", "10.55.0.0/16", "dev", "lo")
    let taken = try #require(IPPrefix("10.55.0.0/16"))
    #expect(throws: InterfaceFailure.self) {
      try interface.change(addresses: settings.addresses, mtu: 1_300, routes: [taken])
    }
    let still = try scratch.output("ip", "address", "show", "hawser")
    #expect(still.contains("mtu 1400") && still.contains("10.8.0.7/24") && !still.contains("10.8.0.1/"), "\(still)")
    #expect(try scratch.output("ip", "route", "show").contains("10.9.0.0/16 dev hawser"))
  }

  @Test func `does not take another interface's route`() throws {
    _ = try scratch.output("ip", "link", "set", "lo", "up")
    _ = try scratch.output("ip", "route", "add", "10.9.0.0/16", "dev", "lo")
    let failure = try failure(settings)
    #expect(
      failure.description
        == "interface hawser: there is a route to 10.9.0.0/16 already, see `ip route show 10.9.0.0/16`; "
        + "remove that, or leave the network out")
    #expect(try scratch.output("ip", "route", "show").contains("10.9.0.0/16 dev lo"))
    #expect(try !scratch.output("ip", "link").contains("hawser"))
  }

  @Test func `waits for a predecessor that is just dying`() throws {
    let predecessor = try VNIC.open("hawser", kind: .tun, offloads: .checksum, in: scratch.namespace)
    let held = dup(predecessor.descriptor)
    _ = consume predecessor
    let death = try onThread {
      poll(nil, 0, 30)
      close(held)
    }
    _ = try bringUp(settings)
    pthread_join(death, nil)
  }

  @Test(arguments: [1, 3])
  func `does not share a name that somebody else holds`(queues: Int) throws {
    let other = try VNIC.open("hawser", kind: .tun, offloads: .checksum, queues: queues, in: scratch.namespace)
    var settings = settings
    settings.queues = queues
    let failure = try failure(settings)
    #expect(
      failure.description
        == "interface hawser: cannot make the interface: Device or resource busy; another program holds it, or it is "
        + "no TUN or TAP interface")
    _ = consume other
  }

  @Test func `has as many queues as it is asked for`() throws {
    var settings = settings
    settings.queues = 3
    let interface = try bringUp(settings)
    let descriptors = interface.descriptors
    #expect(Set(descriptors).count == 3)
    #expect(try scratch.output("ip", "-d", "link", "show", "hawser").contains("numqueues 3"))
  }

  @Test func `does without IPv6 where it is switched off, and says so when it was wanted`() throws {
    _ = try scratch.output("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
    let failure = try failure(settings)
    #expect(
      failure.description
        == "interface hawser: cannot have fd48::1/64: IPv6 is switched off here; leave IPv6 out, or switch it on with "
        + "`sysctl -w net.ipv6.conf.default.disable_ipv6=0`")
    var settings = settings
    settings.addresses.removeAll { $0.family == .ipv6 }
    settings.routes.removeAll { $0.family == .ipv6 }
    _ = try bringUp(settings)
  }

  private func bringUp(_ settings: VirtualInterface.Settings) throws -> VirtualInterface {
    try VirtualInterface.bringUp(settings, in: scratch.namespace)
  }

  private func failure(_ settings: VirtualInterface.Settings) throws -> InterfaceFailure {
    let namespace = scratch.namespace
    return try #require(throws: InterfaceFailure.self) {
      _ = try VirtualInterface.bringUp(settings, in: namespace, patience: .milliseconds(1))
    }
  }

  private func onThread(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { raw in
        if let raw { Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body() }
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
    try #require(error == 0)
    return thread
  }
}

@Suite struct `Settings that no interface can have` {
  @Test(arguments: [
    (67, 62_000, 1, "an MTU of 67 is too small: IPv4 needs 68"),
    (65_536, 62_000, 1, "an MTU of 65536 is too large: a packet has at most 65535 bytes"),
    (1_279, 62_000, 1, "an MTU of 1279 is too small for fd48::1/64: IPv6 needs 1280"),
    (1_500, 1_500, 1, "super-packets of 1500 bytes cannot be: write 2048 to 65536"),
    (1_500, 62_000, 0, "0 queues: write 1 to 256"),
  ])
  func `are refused before anything is made`(mtu: Int, gsoMaxSize: Int, queues: Int, sentence: String) throws {
    let addresses = try ["10.8.0.1/24", "fd48::1/64"].map { try #require(IPPrefix($0)) }
    let settings = VirtualInterface.Settings(
      name: "hawser", addresses: addresses, mtu: mtu, gsoMaxSize: gsoMaxSize, queues: queues)
    let failure = try #require(throws: InterfaceFailure.self) { _ = try VirtualInterface.bringUp(settings) }
    #expect(failure.description == "interface hawser: \(sentence)")
  }
}

/// A namespace without a name: it goes when the last descriptor of it is closed.
private final class Scratch {
  let namespace: Int32

  init() throws {
    var descriptor: Int32 = -1
    let error = withUnsafeMutablePointer(to: &descriptor) {
      hawser_run_in_namespace(
        hawser_new_namespace,
        { raw in
          raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }, $0)
    }
    try #require(error == 0 && descriptor >= 0)
    namespace = descriptor
  }

  deinit { close(namespace) }

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
