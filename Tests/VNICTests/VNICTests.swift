import CLinux
import Glibc
import Packets
import Testing

@testable import VNIC

@Suite struct `Checksums that their sender left unfinished` {
  @Test func `are completed over the pseudo-header's sum and everything behind`() {
    var packet = unfinished(payload: Array("hawser".utf8))
    let done = packet.withUnsafeMutableBytes { OffloadHeader.completeChecksum(of: $0) }
    #expect(done)
    #expect(header(of: packet) == OffloadHeader())
    #expect(verifies(packet))
  }

  @Test func `may end on an odd byte`() {
    var packet = unfinished(payload: Array("odd".utf8))
    packet.withUnsafeMutableBytes { _ = OffloadHeader.completeChecksum(of: $0) }
    #expect(verifies(packet))
  }

  @Test func `of UDP are never zero, which would mean none`() {
    // A payload that brings the sum to 0xffff, hence its complement to zero.
    var packet = unfinished(payload: [0, 0])
    packet.withUnsafeMutableBytes { _ = OffloadHeader.completeChecksum(of: $0) }
    let sum = UInt16(packet[36]) << 8 | UInt16(packet[37])
    packet = unfinished(payload: [UInt8(sum >> 8), UInt8(sum & 0xff)])
    packet.withUnsafeMutableBytes { _ = OffloadHeader.completeChecksum(of: $0) }
    #expect(packet[36] == 0xff && packet[37] == 0xff)
    #expect(verifies(packet))
  }

  @Test func `that lie beyond the packet leave it as it is`() {
    var packet = unfinished(payload: [])
    packet[6] = 200
    let before = packet
    #expect(!packet.withUnsafeMutableBytes { OffloadHeader.completeChecksum(of: $0) })
    #expect(packet == before)
    var short: [UInt8] = [1, 0, 0]
    #expect(!short.withUnsafeMutableBytes { OffloadHeader.completeChecksum(of: $0) })
  }

  @Test func `are left alone when the sender has done them`() {
    var packet = unfinished(payload: [1, 2, 3])
    packet[0] = 0
    let before = packet
    #expect(packet.withUnsafeMutableBytes { OffloadHeader.completeChecksum(of: $0) })
    #expect(packet == before)
  }

  @Test func `have RFC 1071's value`() {
    let example: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
    #expect(example.withUnsafeBytes { Checksum($0).complement } == ~0xddf2)
  }

  @Test func `come with a header that reads as it was written`() {
    var header = OffloadHeader()
    header.flags = 1
    header.segmentKind = 5
    header.headerLength = 42
    header.segmentSize = 1_400
    header.checksumStart = 34
    header.checksumOffset = 6
    var bytes = [UInt8](repeating: 0xee, count: 12)
    bytes.withUnsafeMutableBytes { header.write(to: $0) }
    #expect(bytes.withUnsafeBytes { OffloadHeader($0) } == header)
    #expect(bytes[10...] == [0xee, 0xee])
    #expect(bytes[..<9].withUnsafeBytes { OffloadHeader($0) } == nil)
  }

  private func header(of packet: [UInt8]) -> OffloadHeader? { packet.withUnsafeBytes { OffloadHeader($0) } }

  /// An offload header and an IP packet as a kernel hands it over: the UDP checksum holds the pseudo-header's sum.
  private func unfinished(payload: [UInt8]) -> [UInt8] {
    let length = 8 + payload.count
    var ip: [UInt8] = [0x45, 0, 0, UInt8(20 + length), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
    ip += [0, 1, 0, 2, 0, UInt8(length), 0, 0] + payload
    let pseudo: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, UInt8(length)]
    let sum = ~pseudo.withUnsafeBytes { Checksum($0).complement }
    ip[26] = UInt8(sum >> 8)
    ip[27] = UInt8(sum & 0xff)
    return [1, 0, 0, 0, 0, 0, 20, 0, 6, 0] + ip
  }

  /// What a receiver does: the sum over pseudo-header, header, checksum and payload is all ones.
  private func verifies(_ packet: [UInt8]) -> Bool {
    let udp = packet[30...]
    let pseudo: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, UInt8(udp.count)]
    return (pseudo + udp).withUnsafeBytes { Checksum($0).complement } == 0
  }
}

@Suite struct `Why there is no interface` {
  @Test(arguments: ["", "sixteen-letters-", "a/b", "a b", "tap%d", "..", "ä"])
  func `a name that Linux would not take, or would change, is refused`(name: String) throws {
    let failure = try #require(throws: OpenFailure.self) { _ = try VNIC.open(name, kind: .tap, offloads: .checksum) }
    #expect(failure.operation == .name)
    #expect(failure.description.hasSuffix("a name has 1 … 15 bytes, without `/`, `:` and spaces"))
  }

  @Test func `missing rights say which ones, and how to get them`() {
    let failure = OpenFailure("tun0", .attach, errno: EPERM)
    #expect(
      failure.description
        == "interface tun0: cannot make the interface: Operation not permitted; "
        + "needs CAP_NET_ADMIN; as root, or try `unshare -Urn`")
  }

  @Test func `a missing module says how to load it`() {
    #expect(OpenFailure("tun0", .openDevice, errno: ENOENT).remedy == "load the kernel's module: `modprobe tun`")
  }
}

@Suite(.enabled(if: getuid() == 0, "needs root: it makes interfaces in a network namespace"))
struct `Interfaces with a program behind` {
  @Test(arguments: [VNIC.Kind.tun, .tap])
  func `are made where they are wanted, with all offloads, and go when they are closed`(kind: VNIC.Kind) throws {
    let namespace = try makeNamespace()
    defer { close(namespace) }
    let everything: VNIC.Offloads = [.checksum, .tcpSegments, .udpSegments]
    do {
      let first = try VNIC.open("hawser", kind: kind, offloads: everything, in: namespace)
      #expect(first.name == "hawser")
      let failure = #expect(throws: OpenFailure.self) {
        _ = try VNIC.open("hawser", kind: kind, offloads: everything, in: namespace)
      }
      #expect(failure?.operation == .attach && failure?.errno == EBUSY)
      _ = consume first
    }
    _ = try VNIC.open("hawser", kind: kind, offloads: everything, in: namespace)
  }

  @Test func `are made anew when one of another kind had the name before`() throws {
    let namespace = try makeNamespace()
    defer { close(namespace) }
    _ = try VNIC.open("hawser", kind: .tun, offloads: .checksum, in: namespace)
    _ = try VNIC.open("hawser", kind: .tap, offloads: .checksum, in: namespace)
  }

  @Test func `need a namespace that is one`() throws {
    let failure = #expect(throws: OpenFailure.self) {
      _ = try VNIC.open("hawser", kind: .tap, offloads: .checksum, in: 0)
    }
    #expect(failure?.operation == .enterNamespace)
  }

  private func makeNamespace() throws -> Int32 {
    var descriptor: Int32 = -1
    let error = withUnsafeMutablePointer(to: &descriptor) {
      hawser_run_in_namespace(
        hawser_new_namespace,
        { raw in
          raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }, $0)
    }
    try #require(error == 0 && descriptor >= 0)
    return descriptor
  }
}
