import CLinux
import Glibc
import Netlink
import Packets
import Primitives
import Ring
import Testing
import VNIC

//  What the lab's wire assumes of TAP devices, io_uring and the scheduler. When one of these fails on a new kernel, the
//  wire does not work there as its headers say, and this is where to look first.

private enum Kind: UInt8 {
  case read = 1, write
}

@Suite(.serialized, .enabled(if: getuid() == 0, "needs root: it makes TAP devices in a network namespace"))
struct `A TAP behind a ring` {
  @Test(arguments: [Ring.Feature(), .repeatingReads])
  func `a repeating read brings one frame each, ends with ENOBUFS without buffers, and loses none`(
    without: Ring.Feature
  ) throws {
    let tap = try Tap(buffers: 4, without: without)
    tap.listen()
    for number in 0..<10 as Range<UInt8> { #expect(tap.send([number]) == 0) }
    var numbers: [UInt8] = []
    var rounds = 0
    while numbers.count < 10 && rounds < 20 {
      rounds += 1
      let (frames, end) = tap.frames()
      numbers += frames.map { $0[OffloadHeader.length + 42] }
      if let end {
        #expect(end == -ENOBUFS)
        tap.listen()
      }
    }
    #expect(numbers == Array(0..<10))
    #expect(rounds > 2, "four buffers cannot have held ten frames")
  }

  @Test func `frames that are written in one go are all taken before the call returns, in their order`() throws {
    let tap = try Tap(buffers: 4)
    let receiver = try tap.socket(port: 9_001)
    for number in 0..<64 as Range<UInt8> { tap.write(tap.incoming(number, port: 9_001), tag: UInt32(number)) }
    tap.submit()
    let (tags, results) = tap.writesDone()
    #expect(tags == Array(0..<64))
    #expect(results.allSatisfy { $0 > 0 })
    #expect(receiver.receiveAll().map(\.first) == (0..<64).map { UInt8($0) })
    close(receiver.descriptor)
  }

  @Test func `many datagrams with one call pass an adapter that takes unfinished checksums, as frames of their own`()
    throws
  {
    let tap = try Tap(buffers: 64)
    tap.listen()
    #expect(tap.send([UInt8](repeating: 7, count: 20 * 1_000), segment: 1_000) == 0)
    let (frames, _) = tap.frames()
    #expect(frames.count == 20)
    #expect(frames.allSatisfy { $0.count == OffloadHeader.length + 42 + 1_000 })
    let headers = frames.compactMap { frame in frame.withUnsafeBytes { OffloadHeader($0) } }
    #expect(headers.allSatisfy { $0.flags == OffloadHeader.needsChecksum && $0.segmentKind == 0 })
  }

  @Test func `what nobody reads in time is counted as dropped by the interface`() throws {
    let tap = try Tap(buffers: 1, queueLength: 8)
    for number in 0..<20 as Range<UInt8> { _ = tap.send([number]) }
    #expect(try tap.state().sent.dropped == 12)
  }

  @Test func `writing to an interface that is down fails, and does not end anything`() throws {
    let tap = try Tap(buffers: 1)
    try tap.setUp(false)
    tap.write(tap.incoming(0, port: 9_001), tag: 0)
    tap.submit()
    #expect(tap.writesDone().results == [-EIO])
  }
}

@Suite struct `What the scheduler tells` {
  @Test func `how long a thread waited for a processor, in the second field of schedstat`() throws {
    let descriptor = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0, "this kernel does not count it; late reads go unnoticed there")
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let fields = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isWhitespace).map {
      UInt64($0)
    }
    #expect(fields.count == 3 && fields.allSatisfy { $0 != nil })
  }
}

/// A TAP in a namespace of its own, behind a ring, with a neighbour that does not exist: what is sent to it can be
/// read.
private final class Tap {
  private let namespace: Int32
  private var ring: Ring
  private let device: VNIC
  private let group: Ring.BufferGroup
  private let memory: UnsafeMutableRawBufferPointer
  private var written: [UnsafeMutableRawBufferPointer] = []

  private static let bufferLength = 2_048
  private static let hardware: [UInt8] = [2, 0x48, 0, 0, 0, 1]
  private static let neighbour: [UInt8] = [2, 0x48, 0, 0, 0, 2]

  init(buffers: Int, queueLength: UInt32 = 1_000, without: Ring.Feature = []) throws {
    namespace = try Tap.makeNamespace()
    device = try VNIC.open("tap", kind: .tap, offloads: .checksum, in: namespace)
    ring = try Ring.make(entries: 128, completions: 512, bufferGroups: 1, without: without)
    group = try ring.makeBufferGroup(capacity: buffers)
    memory = .allocate(byteCount: buffers * Tap.bufferLength, alignment: 64)
    for number in 0..<buffers { lend(number) }

    var socket = try NetlinkSocket.open(in: namespace)
    let index = try #require(try socket.link(named: "tap")).index
    try socket.perform([
      .configure(
        index, LinkSettings(hardware: HardwareAddress(bytes: Tap.hardware), queueLength: queueLength, isUp: true)),
      .addAddress(InterfaceAddress(IPPrefix(IPAddress(bytes: [10, 0, 0, 1]), length: 24), on: index)),
      .setNeighbour(Neighbour(IPAddress(bytes: [10, 0, 0, 2]), at: HardwareAddress(bytes: Tap.neighbour), on: index)),
    ])
  }

  deinit {
    close(namespace)
    memory.deallocate()
    for bytes in written { bytes.deallocate() }
  }

  func listen() { ring.read(device.descriptor, into: group, tag: Tag(Kind.read)) }

  func submit() { ring.submit() }

  /// What was read by now, its buffers lent again; and with what the read ended, if it did.
  func frames() -> (frames: [[UInt8]], end: Int32?) {
    var frames: [[UInt8]] = []
    var end: Int32?
    ring.submit()
    while let completion = ring.nextCompletion() {
      if let buffer = completion.buffer {
        let start = Int(buffer) * Tap.bufferLength
        frames.append(Array(memory[start..<start + Int(completion.result)]))
        lend(Int(buffer))
      }
      if !completion.isRepeating { end = completion.result }
    }
    return (frames, end)
  }

  func write(_ frame: [UInt8], tag: UInt32) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.count, alignment: 8)
    bytes.copyBytes(from: frame)
    written.append(bytes)
    ring.write(UnsafeRawBufferPointer(bytes), to: device.descriptor, tag: Tag(Kind.write, number: tag))
  }

  /// Of the writes that were submitted, without entering the kernel again.
  func writesDone() -> (tags: [UInt32], results: [Int32]) {
    var tags: [UInt32] = []
    var results: [Int32] = []
    while let completion = ring.nextCompletion() {
      tags.append(completion.tag.number)
      results.append(completion.result)
    }
    return (tags, results)
  }

  /// A frame from the neighbour to a port here, one byte of payload.
  func incoming(_ number: UInt8, port: UInt16) -> [UInt8] {
    var ip: [UInt8] = [0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]
    let sum = ip.withUnsafeBytes { Checksum($0).complement }
    ip[10] = UInt8(sum >> 8)
    ip[11] = UInt8(sum & 0xff)
    let udp: [UInt8] = [0, 9, UInt8(port >> 8), UInt8(port & 0xff), 0, 9, 0, 0, number]
    return [UInt8](repeating: 0, count: OffloadHeader.length) + Tap.hardware + Tap.neighbour + [8, 0] + ip + udp
  }

  /// Sends a datagram, or several of `segment` bytes with one call, to the neighbour. 0 or the errno.
  func send(_ payload: [UInt8], segment: Int32? = nil) -> Int32 {
    let descriptor = hawser_socket_in_namespace(namespace, AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    if var segment { setsockopt(descriptor, 17, 103, &segment, 4) }  // UDP_SEGMENT
    var address = Tap.address([10, 0, 0, 2], port: 9)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let sent = sendto(descriptor, payload, payload.count, 0, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length)
        return sent == payload.count ? 0 : errno
      }
    }
  }

  struct Receiver {
    let descriptor: Int32

    func receiveAll() -> [[UInt8]] {
      var all: [[UInt8]] = []
      var bytes = [UInt8](repeating: 0, count: 2_048)
      while true {
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0 { return all }
        all.append(Array(bytes[..<count]))
      }
    }
  }

  func socket(port: UInt16) throws -> Receiver {
    let descriptor = hawser_socket_in_namespace(namespace, AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    var address = Tap.address([10, 0, 0, 1], port: port)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(bound == 0)
    return Receiver(descriptor: descriptor)
  }

  func state() throws -> LinkState {
    var socket = try NetlinkSocket.open(in: namespace)
    return try #require(try socket.link(named: "tap"))
  }

  func setUp(_ isUp: Bool) throws {
    var socket = try NetlinkSocket.open(in: namespace)
    try socket.perform(.configure(try state().index, LinkSettings(isUp: isUp)))
  }

  private func lend(_ number: Int) {
    let start = number * Tap.bufferLength
    let buffer = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Tap.bufferLength])
    ring.provide(buffer, number: UInt16(number), to: group)
    ring.publish(group)
  }

  private static func address(_ bytes: [UInt8], port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: bytes) }
    return address
  }

  /// Without IPv6, whose announcements would be frames that no test sent.
  private static func makeNamespace() throws -> Int32 {
    var descriptor: Int32 = -1
    let error = withUnsafeMutablePointer(to: &descriptor) {
      hawser_run_in_namespace(
        hawser_new_namespace,
        { raw in
          let switchOff = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC)
          Glibc.write(switchOff, "1", 1)
          close(switchOff)
          raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }, $0)
    }
    try #require(error == 0 && descriptor >= 0)
    return descriptor
  }
}
