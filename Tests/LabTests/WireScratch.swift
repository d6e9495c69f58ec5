import CLinux
import Glibc
import Netlink
import Primitives
import Simulation
import Synchronization
import Testing
import Topology

@testable import Lab

//  A wire in this process between two namespaces without names: they and everything in them go with their descriptors,
//  however a test ends.

final class ScratchWire {
  let topology: Topology
  let client: WireClient
  let directory: String
  private let namespaces: [Int32]
  private var thread = pthread_t()
  private let work: Work

  /// Links `l0`, `l1` … with these attributes between nodes `a` and `b`, all carried. `slots` nil: as many as they
  /// need.
  init(_ links: String..., events: [String] = [], slots: Int? = nil, seed: UInt64 = 1) throws {
    var text = "topology scratch\nnode a gateway\nnode b gateway\n"
    for (number, link) in links.enumerated() { text += "link l\(number) a -- b \(link)\n" }
    topology = try Topology(parsing: Array((text + events.joined(separator: "\n")).utf8), file: "scratch.topo")
    var template = Array("/tmp/hawser-wire-XXXXXX".utf8CString)
    directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    client = WireClient(directory: directory)
    namespaces = [try ScratchWire.makeNamespace(), try ScratchWire.makeNamespace()]

    work = Work(topology: topology, namespaces: namespaces, directory: directory, slots: slots, seed: seed)
    let made = pthread_create(
      &thread, nil,
      { raw in
        raw.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(work).toOpaque())
    #expect(made == 0)
    let isReady = eventually { work.state.withLock { $0 != .starting } }
    #expect(isReady && work.state.withLock { $0 } == .ready, "the wire does not start: \(work.state.withLock { $0 })")
    for node in 0..<2 { try configure(node) }
  }

  deinit {
    try? client.stop()
    pthread_join(thread, nil)
    for namespace in namespaces { close(namespace) }
    for file in SmallFile.names(in: directory) { unlink(directory + "/" + file) }
    rmdir(directory)
  }

  /// How the loop ended, when it did.
  var isOver: Bool { work.state.withLock { $0 == .over } }

  /// What the interfaces of a node are.
  func interfaces(at node: Int) throws -> [LinkState] {
    var socket = try NetlinkSocket.open(in: namespaces[node])
    return try socket.links().filter { $0.name != "lo" }
  }

  /// A datagram socket at a node, with the other node's end of this link as its peer; both use one port.
  func socket(at node: Int, link: Int = 0) throws -> Datagrams {
    let plan = AddressPlan(topology)
    let own = plan.interface(of: link, at: node).ipv4.bytes
    let other = plan.interface(of: link, at: 1 - node).ipv4.bytes
    let descriptor = hawser_socket_in_namespace(namespaces[node], AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    try #require(descriptor >= 0)
    return try Datagrams(descriptor, from: own, to: other)
  }

  func setUp(_ isUp: Bool, node: Int) throws {
    var socket = try NetlinkSocket.open(in: namespaces[node])
    for link in try socket.links() where link.name != "lo" {
      try socket.perform(.configure(link.index, LinkSettings(isUp: isUp)))
    }
  }

  private func configure(_ node: Int) throws {
    var socket = try NetlinkSocket.open(in: namespaces[node])
    let plan = AddressPlan(topology)
    for link in topology.links.indices {
      let own = plan.interface(of: link, at: node)
      let other = plan.interface(of: link, at: 1 - node)
      let index = try #require(try socket.link(named: own.name)).index
      try socket.perform([
        .configure(
          index, LinkSettings(hardware: HardwareAddress(bytes: own.hardware), queueLength: 1_000, isUp: true)),
        .addAddress(
          InterfaceAddress(IPPrefix(IPAddress(bytes: own.ipv4.bytes), length: own.ipv4.prefixLength), on: index)),
        .setNeighbour(
          Neighbour(
            IPAddress(bytes: other.ipv4.bytes), at: HardwareAddress(bytes: other.hardware), on: index)),
      ])
    }
  }

  /// Without IPv6, whose announcements would be frames that no test sent.
  private static func makeNamespace() throws -> Int32 {
    var descriptor: Int32 = -1
    let error = withUnsafeMutablePointer(to: &descriptor) {
      hawser_run_in_namespace(
        hawser_new_namespace,
        { raw in
          try? SmallFile.set("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
          raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }, $0)
    }
    #expect(error == 0 && descriptor >= 0)
    return descriptor
  }

  private final class Work: Sendable {
    enum State: Equatable {
      case starting, ready, over
      case failed(String)
    }

    let state = Mutex(State.starting)
    private let topology: Topology
    private let namespaces: [Int32]
    private let directory: String
    private let slots: Int?
    private let seed: UInt64

    init(topology: Topology, namespaces: [Int32], directory: String, slots: Int?, seed: UInt64) {
      self.topology = topology
      self.namespaces = namespaces
      self.directory = directory
      self.slots = slots
      self.seed = seed
    }

    func run() {
      do throws(LabError) {
        var loop = try Wire.makeLoop(
          for: topology, traces: [:], slots: slots, random: SeededRandom(seed: seed),
          control: try WireControl(directory: directory),
          readTrace: { file throws(LabError) in throw .wrongUsage("there is no \(file) in a test") })
        try Wire.addTaps(of: topology, in: namespaces, to: &loop)
        state.withLock { $0 = .ready }
        loop.run()
        state.withLock { $0 = .over }
      } catch {
        state.withLock { $0 = .failed("\(error)") }
      }
    }
  }
}

/// A UDP socket with one peer.
final class Datagrams {
  private let descriptor: Int32

  fileprivate init(_ descriptor: Int32, from own: [UInt8], to other: [UInt8]) throws {
    self.descriptor = descriptor
    var room: Int32 = 64 << 20
    setsockopt(descriptor, SOL_SOCKET, Int32(SO_RCVBUFFORCE), &room, socklen_t(MemoryLayout<Int32>.size))
    try Datagrams.with(own) { #expect(bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) == 0) }
    try Datagrams.with(other) { #expect(connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) == 0) }
  }

  deinit { close(descriptor) }

  /// One datagram, its number in front.
  @discardableResult
  func send(_ number: UInt32, size: Int = 100) -> Bool {
    Datagrams.payload(number, size).withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, size, 0) == size }
  }

  /// `count` datagrams of this size with one call, numbered from `first`. The errno, or 0.
  func sendAtOnce(_ first: UInt32, count: Int, size: Int) -> Int32 {
    var segment = Int32(size)
    setsockopt(descriptor, 17, 103, &segment, socklen_t(MemoryLayout<Int32>.size))  // UDP_SEGMENT
    defer {
      segment = 0
      setsockopt(descriptor, 17, 103, &segment, socklen_t(MemoryLayout<Int32>.size))
    }
    var all: [UInt8] = []
    for number in 0..<count { all += Datagrams.payload(first + UInt32(number), size) }
    return all.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, all.count, 0) == all.count ? 0 : errno }
  }

  /// The numbers of the datagrams that come until `count` are there or nothing came for this long. What was changed on
  /// the way is no datagram of ours and fails.
  func receive(_ count: Int, silence: Interval = .seconds(2)) -> [UInt32] {
    var numbers: [UInt32] = []
    var bytes = [UInt8](repeating: 0, count: 9_000)
    while numbers.count < count {
      var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&watched, 1, Int32(silence.nanoseconds / 1_000_000)) > 0 else { break }
      let length = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      guard length >= 4 else { continue }
      let number = bytes[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      #expect(Array(bytes[..<length]) == Datagrams.payload(number, length), "datagram \(number) was changed on the way")
      numbers.append(number)
    }
    return numbers
  }

  private static func payload(_ number: UInt32, _ size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 31), count: size)
    for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * index)) }
    return bytes
  }

  private static func with(_ address: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) throws {
    var full = sockaddr_in()
    full.sin_family = sa_family_t(AF_INET)
    full.sin_port = UInt16(9_000).bigEndian
    withUnsafeMutableBytes(of: &full.sin_addr) { $0.copyBytes(from: address) }
    withUnsafePointer(to: &full) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
