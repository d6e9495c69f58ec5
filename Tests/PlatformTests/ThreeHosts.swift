//  ThreeHosts.swift — a path through three kernels, with our hands in the middle.
//
//      sender ── tun a ─▶ [ the test ] ─▶ tun b ── router ── tun c ─▶ [ finished packets ] ─▶ tun d ── receiver
//                ◀──────────────────── what comes back, as it is ──────────────────────────────┘
//
//  The sender leaves as much undone as it may (super-packets, partial checksums), the test does with it what a gateway
//  does, and the router, whose second interface takes nothing unfinished, must do the rest. The receiver trusts no
//  checksum. So what arrives has passed the sums of a kernel that knows nothing of us.

import CLinux
import Glibc
import Netlink
import Packets
import Primitives
import Testing
import VNIC

final class ThreeHosts {
  let sender: Int32
  let receiver: Int32
  private let router: Int32
  private let a: VNIC
  private let b: VNIC
  private let c: VNIC
  private let d: VNIC
  private var memory = [UInt8](repeating: 0, count: 70_000)

  /// A packet of the sender's, with its offload header taken off.
  struct Read {
    let offload: OffloadHeader
    var packet: [UInt8]
  }

  init(offloads: VNIC.Offloads = [.checksum, .tcpSegments, .udpSegments]) throws {
    sender = try ThreeHosts.makeNamespace()
    router = try ThreeHosts.makeNamespace()
    receiver = try ThreeHosts.makeNamespace()
    a = try VNIC.open("a", kind: .tun, offloads: offloads, in: sender)
    b = try VNIC.open("b", kind: .tun, offloads: [], in: router)
    c = try VNIC.open("c", kind: .tun, offloads: [], in: router)
    d = try VNIC.open("d", kind: .tun, offloads: [], in: receiver)
    try ThreeHosts.configure("a", in: sender, addresses: ["10.1.0.1/24", "fd01::1/64"], routes: ["0.0.0.0/0", "::/0"])
    try ThreeHosts.configure(
      "b", in: router, addresses: ["10.1.0.9/32", "fd01::9/128"], routes: ["10.1.0.0/24", "fd01::/64"])
    try ThreeHosts.configure(
      "c", in: router, addresses: ["10.2.0.9/32", "fd02::9/128"], routes: ["10.2.0.0/24", "fd02::/64"])
    try ThreeHosts.configure(
      "d", in: receiver, addresses: ["10.2.0.1/24", "fd02::1/64"], routes: ["0.0.0.0/0", "::/0"])
  }

  deinit {
    for namespace in [sender, router, receiver] { close(namespace) }
  }

  static func address(ofReceiver family: IPAddress.Family) -> String { family == .ipv4 ? "10.2.0.1" : "fd02::1" }

  /// The next packet that the sender sends to the receiver.
  func read() -> Read? {
    take(a.descriptor).map { Read(offload: $0, packet: $1) }
  }

  /// Gives the router a packet. 0, or an errno.
  func write(_ offload: OffloadHeader, _ packet: some Collection<UInt8>) -> Int32 {
    put(offload, packet, to: b.descriptor)
  }

  /// The same to the sender, as if somebody on the way had answered.
  func answer(_ packet: some Collection<UInt8>) -> Int32 { put(OffloadHeader(), packet, to: a.descriptor) }

  /// What the router has let out goes to the receiver, and what he answers goes back. Says how many packets arrived.
  @discardableResult func carry() -> Int {
    var count = 0
    while let (offload, packet) = take(c.descriptor) {
      #expect(offload == OffloadHeader(), "an interface without offloads was given something unfinished")
      if put(OffloadHeader(), packet, to: d.descriptor) == 0 { count += 1 }
    }
    while let (_, packet) = take(d.descriptor) { _ = put(OffloadHeader(), packet, to: a.descriptor) }
    return count
  }

  /// Until something can be read, or so long.
  func wait(milliseconds: Int32) {
    var files = [a.descriptor, c.descriptor, d.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    _ = poll(&files, nfds_t(files.count), milliseconds)
  }

  /// Leaves out what a host tells its neighbours.
  private func take(_ descriptor: Int32) -> (OffloadHeader, [UInt8])? {
    while true {
      let count = Glibc.read(descriptor, &memory, memory.count)
      guard count > OffloadHeader.length, let offload = memory.withUnsafeBytes({ OffloadHeader($0) }) else {
        return nil
      }
      let packet = Array(memory[OffloadHeader.length..<count])
      guard let view = packet.withUnsafeBytes({ try? PacketView($0) }), !view.isMulticast else { continue }
      return (offload, packet)
    }
  }

  private func put(_ offload: OffloadHeader, _ packet: some Collection<UInt8>, to descriptor: Int32) -> Int32 {
    var bytes = [UInt8](repeating: 0, count: OffloadHeader.length) + packet
    bytes.withUnsafeMutableBytes { offload.write(to: $0) }
    return Glibc.write(descriptor, bytes, bytes.count) == bytes.count ? 0 : errno
  }

  private static func configure(_ name: String, in namespace: Int32, addresses: [String], routes: [String]) throws {
    var socket = try NetlinkSocket.open(in: namespace)
    let index = try #require(try socket.link(named: name)).index
    try socket.perform([.configure(index, LinkSettings(mtu: 1_500, isUp: true))])
    try socket.perform(try addresses.map { .addAddress(InterfaceAddress(try #require(IPPrefix($0)), on: index)) })
    // The kernel makes an IPv6 address its own in the background.
    for address in try addresses.map({ try #require(IPPrefix($0)).address }) {
      var tries = 0
      while try socket.route(to: address)?.isLocal != true && tries < 5_000 {
        tries += 1
        poll(nil, 0, 1)
      }
      try #require(try socket.route(to: address)?.isLocal == true)
    }
    try socket.perform(try routes.map { .addRoute(Route(to: try #require(IPPrefix($0)), through: index)) })
  }

  private static func makeNamespace() throws -> Int32 {
    var descriptor: Int32 = -1
    let error = withUnsafeMutablePointer(to: &descriptor) {
      hawser_run_in_namespace(
        hawser_new_namespace,
        { raw in
          for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let file = open("/proc/sys/net/" + setting, O_WRONLY | O_CLOEXEC)
            Glibc.write(file, "1", 1)
            close(file)
          }
          raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }, $0)
    }
    try #require(error == 0 && descriptor >= 0)
    return descriptor
  }
}

/// A socket in one of the namespaces that never waits.
final class HostEndpoint {
  let descriptor: Int32

  init(_ family: IPAddress.Family, _ type: __socket_type, in namespace: Int32) throws {
    descriptor = hawser_socket_in_namespace(
      namespace, family == .ipv4 ? AF_INET : AF_INET6, Int32(type.rawValue | SOCK_NONBLOCK.rawValue), 0)
    try #require(descriptor >= 0)
  }

  private init(taking descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  func set(_ level: Int32, _ option: Int32, to value: Int32) throws {
    var value = value
    try #require(setsockopt(descriptor, level, option, &value, 4) == 0)
  }

  func option(_ level: Int32, _ option: Int32) -> Int32 {
    var value: Int32 = 0
    var length: socklen_t = 4
    getsockopt(descriptor, level, option, &value, &length)
    return value
  }

  func bind(_ address: String, port: UInt16) throws {
    #expect(HostEndpoint.with(address, port) { Glibc.bind(descriptor, $0, $1) } == 0)
  }

  /// 0, or an errno. TCP goes on in the background.
  func connect(_ address: String, port: UInt16) -> Int32 {
    HostEndpoint.with(address, port) { Glibc.connect(descriptor, $0, $1) } == 0 ? 0 : errno
  }

  func accept() -> HostEndpoint? {
    let accepted = accept4(descriptor, __SOCKADDR_ARG(), nil, Int32(SOCK_NONBLOCK.rawValue))
    return accepted < 0 ? nil : HostEndpoint(taking: accepted)
  }

  /// How many bytes were taken, or the negative errno.
  func send(_ bytes: some Collection<UInt8>) -> Int {
    let bytes = Array(bytes)
    let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    return count < 0 ? -Int(errno) : count
  }

  func receive(most: Int = 70_000) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: most)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    return count < 0 ? nil : Array(bytes[..<count])
  }

  func receiveAll() -> [[UInt8]] {
    var all: [[UInt8]] = []
    while let bytes = receive() { all.append(bytes) }
    return all
  }

  private static func with(_ text: String, _ port: UInt16, _ body: (__CONST_SOCKADDR_ARG, socklen_t) -> Int32) -> Int32
  {
    guard let ip = IPAddress(text) else { return -1 }
    if ip.family == .ipv4 {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: ip.bytes) }
      return pass(&address, body)
    }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: ip.bytes) }
    return pass(&address, body)
  }

  private static func pass<Address>(
    _ address: inout Address, _ body: (__CONST_SOCKADDR_ARG, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body(__CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<Address>.size))
      }
    }
  }
}
