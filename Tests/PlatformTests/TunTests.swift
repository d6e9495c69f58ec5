import CLinux
import Glibc
import Netlink
import Packets
import Primitives
import Ring
import Testing
import VNIC

//  What the gateway assumes of a TUN device behind io_uring: super-packets in one read, and in one write of several
//  slices.

@Suite(.serialized, .enabled(if: getuid() == 0, "needs root: it makes TUN devices in network namespaces"))
struct `A TUN behind a ring` {
  @Test(arguments: [Ring.Feature(), .repeatingReads])
  func `carries TCP between two namespaces in super-packets, each in one read and one write of two slices`(
    without: Ring.Feature
  ) throws {
    let tunnel = try Tunnel(without: without)
    let bytes = (0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
    let received = try tunnel.transfer(bytes)
    #expect(received == bytes)
    #expect(tunnel.longestRead > 30_000, "no super-packets: \(tunnel.longestRead) bytes at most")
    #expect(tunnel.longestRead <= OffloadHeader.length + 65_536)
    #expect(tunnel.failedWrites == [])
  }

  @Test func `reads what a program sends with UDP_SEGMENT as one super-packet, and writes it as one`() throws {
    let tunnel = try Tunnel()
    let sender = try tunnel.socket(in: tunnel.left, SOCK_DGRAM)
    let receiver = try tunnel.socket(in: tunnel.right, SOCK_DGRAM)
    defer {
      close(sender)
      close(receiver)
    }
    try #require(bindTo([10, 0, 0, 2], port: 9_000, receiver) == 0)
    var segment: Int32 = 1_400
    setsockopt(sender, 17, 103, &segment, 4)  // UDP_SEGMENT
    let bytes = (0..<40 * 1_400).map { UInt8(truncatingIfNeeded: $0 / 1_400) }
    try #require(connectTo([10, 0, 0, 2], port: 9_000, sender) == 0)
    #expect(Glibc.send(sender, bytes, bytes.count, 0) == bytes.count)
    var datagrams: [[UInt8]] = []
    var buffer = [UInt8](repeating: 0, count: 2_048)
    for _ in 0..<50 where datagrams.count < 40 {
      tunnel.pump()
      while case let count = recv(receiver, &buffer, buffer.count, Int32(MSG_DONTWAIT)), count >= 0 {
        datagrams.append(Array(buffer[..<count]))
      }
    }
    #expect(tunnel.longestRead == OffloadHeader.length + 28 + bytes.count)
    #expect(datagrams.count == 40 && datagrams.allSatisfy { $0.count == 1_400 })
    #expect(datagrams.flatMap { $0 } == bytes)
  }
}

/// Two namespaces with a TUN each, and between them nobody but us.
private final class Tunnel {
  private enum Kind: UInt8 { case read = 1, write }
  private static let bufferLength = 66_000
  private static let bufferCount = 8

  let left: Int32
  let right: Int32
  private let devices: [Int32]
  private let interfaces: Interfaces
  private var ring: Ring
  private let groups: [Ring.BufferGroup]
  private let memory: UnsafeMutableRawBufferPointer
  private let slices: UnsafeMutablePointer<iovec>
  private(set) var longestRead = 0
  private(set) var failedWrites: [Int32] = []

  /// Arrays cannot hold what cannot be copied.
  private final class Interfaces {
    let left: VirtualInterface
    let right: VirtualInterface
    init(_ left: consuming VirtualInterface, _ right: consuming VirtualInterface) {
      self.left = left
      self.right = right
    }
  }

  init(without: Ring.Feature = []) throws {
    left = try makeNamespace()
    right = try makeNamespace()
    func settings(_ address: String) throws -> VirtualInterface.Settings {
      VirtualInterface.Settings(name: "hawser", addresses: [try #require(IPPrefix(address))], mtu: 1_500)
    }
    interfaces = Interfaces(
      try VirtualInterface.bringUp(try settings("10.0.0.1/24"), in: left),
      try VirtualInterface.bringUp(try settings("10.0.0.2/24"), in: right))
    devices = [interfaces.left.descriptors[0], interfaces.right.descriptors[0]]
    ring = try Ring.make(entries: 64, completions: 256, bufferGroups: 2, without: without)
    groups = [
      try ring.makeBufferGroup(capacity: Tunnel.bufferCount), try ring.makeBufferGroup(capacity: Tunnel.bufferCount),
    ]
    memory = .allocate(byteCount: 2 * Tunnel.bufferCount * Tunnel.bufferLength, alignment: 64)
    slices = .allocate(capacity: 4 * Tunnel.bufferCount)
    for number in 0..<2 * Tunnel.bufferCount { lend(number) }
    for end in 0..<2 { listen(end) }
  }

  deinit {
    memory.deallocate()
    slices.deallocate()
    close(left)
    close(right)
  }

  private func listen(_ end: Int) {
    ring.read(devices[end], into: groups[end], tag: Tag(Kind.read, number: UInt32(end)))
  }

  private func lend(_ number: Int) {
    let group = groups[number / Tunnel.bufferCount]
    let start = number * Tunnel.bufferLength
    ring.provide(
      UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Tunnel.bufferLength]), number: UInt16(number),
      to: group)
    ring.publish(group)
  }

  /// Moves what is there from each device to the other; waits a moment for it.
  func pump() {
    ring.wait(timeout: .milliseconds(20))
    while let completion = ring.nextCompletion() {
      if completion.tag.kind(Kind.self) == .write {
        if completion.result < 0 { failedWrites.append(completion.result) }
        lend(Int(completion.tag.number))
        continue
      }
      let end = Int(completion.tag.number)
      if let number = completion.buffer {
        longestRead = max(longestRead, Int(completion.result))
        write(Int(number), count: Int(completion.result), to: devices[1 - end])
      }
      if !completion.isRepeating { listen(end) }
    }
    ring.submit()
  }

  /// As two slices: the offload header and a little of the packet, and the rest.
  private func write(_ number: Int, count: Int, to device: Int32) {
    guard let start = memory.baseAddress.map({ $0 + number * Tunnel.bufferLength }) else { return }
    let first = min(50, count)
    slices[2 * number] = makeSlice(start, count: first)
    slices[2 * number + 1] = makeSlice(start + first, count: count - first)
    ring.write(
      slices: slices + 2 * number, count: 2, to: device, tag: Tag(Kind.write, number: UInt32(number)))
  }

  func socket(in namespace: Int32, _ kind: __socket_type) throws -> Int32 {
    let descriptor = hawser_socket_in_namespace(
      namespace, AF_INET, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    try #require(descriptor >= 0)
    return descriptor
  }

  /// Sends the bytes from the left to the right over TCP; what arrived.
  func transfer(_ bytes: [UInt8]) throws -> [UInt8] {
    let listener = try socket(in: right, SOCK_STREAM)
    let sender = try socket(in: left, SOCK_STREAM)
    var receiver: Int32 = -1
    defer { for descriptor in [listener, sender, receiver] where descriptor >= 0 { close(descriptor) } }
    try #require(bindTo([10, 0, 0, 2], port: 9_000, listener) == 0 && Glibc.listen(listener, 1) == 0)
    try #require(connectTo([10, 0, 0, 2], port: 9_000, sender) == 0 || errno == EINPROGRESS)
    var received: [UInt8] = []
    received.reserveCapacity(bytes.count)
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var sent = 0
    for _ in 0..<200_000 where received.count < bytes.count {
      pump()
      if receiver < 0 { receiver = accept(listener, __SOCKADDR_ARG(__sockaddr__: nil), nil) }
      if sent < bytes.count {
        let count = bytes.withUnsafeBytes {
          Glibc.send(sender, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        sent += max(0, count)
      }
      while receiver >= 0, case let count = recv(receiver, &buffer, buffer.count, Int32(MSG_DONTWAIT)), count > 0 {
        received += buffer[..<count]
      }
    }
    return received
  }
}

private func bindTo(_ address: [UInt8], port: UInt16, _ descriptor: Int32) -> Int32 {
  withAddress(address, port) { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
}

private func connectTo(_ address: [UInt8], port: UInt16, _ descriptor: Int32) -> Int32 {
  withAddress(address, port) { connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
}

private func withAddress(
  _ bytes: [UInt8], _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: bytes) }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}
