import Glibc
import Packets
import Primitives
import Testing
import VNIC

//  What Packets assumes of the kernel, asked of the kernel: ThreeHosts.swift has the picture.

@Suite(.serialized, .enabled(if: getuid() == 0, "needs root: it makes TUN interfaces in network namespaces"))
struct `Packets on their way through a real kernel` {
  /// With partial checksums, with complete ones, and without DF, when the identification counts.
  @Test(
    arguments: [
      (.ipv4, .checksum, true), (.ipv4, [], true), (.ipv4, .checksum, false), (.ipv6, .checksum, true),
      (.ipv6, [], true),
    ] as [(IPAddress.Family, VNIC.Offloads, Bool)])
  func `datagrams written as one super-packet arrive as they were sent`(
    family: IPAddress.Family, offloads: VNIC.Offloads, dontFragment: Bool
  ) throws {
    let hosts = try ThreeHosts(offloads: offloads)
    let (source, sink) = try hosts.datagramSockets(family)
    if !dontFragment { try source.set(Int32(IPPROTO_IP), IP_MTU_DISCOVER, to: IP_PMTUDISC_DONT) }
    let sent = (0..<40).map { payload($0, $0 == 39 ? 300 : 1_000) }
    for datagram in sent { #expect(source.send(datagram) == datagram.count) }

    var packets: [[UInt8]] = []
    var needsChecksum: Bool?
    while let read = hosts.read() {
      let described = try #require(SuperPacket.describe(read.offload, try view(read.packet)))
      #expect(needsChecksum == nil || needsChecksum == described.needsChecksum)
      needsChecksum = described.needsChecksum
      packets.append(read.packet)
    }
    #expect(packets.count == 40 && needsChecksum == !offloads.isEmpty)
    #expect(try view(packets[0]).mustNotFragment == dontFragment)
    let (joined, offload, written) = try bundle(packets, needsChecksum: !offloads.isEmpty)
    #expect(joined == 40)
    #expect(hosts.write(offload, written) == 0)
    #expect(hosts.carry() == 40)
    #expect(sink.receiveAll() == sent)
  }

  @Test(arguments: IPAddress.Family.allCases) func `as many datagrams as we join, the kernel takes in one write`(
    family: IPAddress.Family
  ) throws {
    let hosts = try ThreeHosts(offloads: .checksum)
    let (source, sink) = try hosts.datagramSockets(family)
    let sent = (0..<Bundle.mostPieces).map { payload($0, 1_000) }
    for datagram in sent { _ = source.send(datagram) }
    var packets: [[UInt8]] = []
    while let read = hosts.read() { packets.append(read.packet) }
    let (joined, offload, written) = try bundle(packets, needsChecksum: true)
    #expect(joined == Bundle.mostPieces)
    #expect(hosts.write(offload, written) == 0)
    hosts.carry()
    #expect(sink.receiveAll() == sent)
  }

  @Test(arguments: IPAddress.Family.allCases, [false, true])
  func `a super-packet of datagrams loses what was lost, and nothing else`(family: IPAddress.Family, inSoftware: Bool)
    throws
  {
    let hosts = try ThreeHosts()
    let (source, sink) = try hosts.datagramSockets(family)
    try source.set(Int32(IPPROTO_UDP), 103, to: 1_000)  // UDP_SEGMENT
    let sent = (0..<30).map { payload($0, $0 == 29 ? 77 : 1_000) }
    #expect(source.send(sent.flatMap { $0 }) == 29_077)
    let read = try #require(hosts.read())
    let view = try view(read.packet)
    let (segmentSize, needsChecksum) = try #require(SuperPacket.describe(read.offload, view))
    #expect(segmentSize == 1_000 && needsChecksum && view.payloadLength == 29_077)
    #expect(SuperPacket.offload(for: view, segmentSize: 1_000, needsChecksum: true) == read.offload)
    if inSoftware {
      #expect(SuperPacket.pieces(of: view, segmentSize: 1_000) == 30)
      for number in Array(0..<10) + Array(20..<30) {
        let piece = try #require(self.piece(number, of: read.packet, view, segmentSize: 1_000))
        #expect(hosts.write(OffloadHeader(), piece) == 0)
      }
    } else {
      for range in [0..<10_000, 20_000..<29_077] {
        let (offload, packet) = try cut(read.packet, view, range, segmentSize: 1_000)
        #expect(hosts.write(offload, packet) == 0)
      }
    }
    hosts.carry()
    #expect(sink.receiveAll() == Array(sent[..<10] + sent[20...]))
  }

  /// Three of a hundred ranges are lost, so TCP has to send them again; any wrong header or sum would stop it.
  @Test(arguments: IPAddress.Family.allCases, [1, 2] as [UInt64])
  func `TCP gets its bytes through a path that cuts its super-packets around holes`(
    family: IPAddress.Family, seed: UInt64
  ) throws {
    let hosts = try ThreeHosts()
    let listener = try HostEndpoint(family, SOCK_STREAM, in: hosts.receiver)
    try listener.bind(ThreeHosts.address(ofReceiver: family), port: 9_001)
    #expect(listen(listener.descriptor, 1) == 0)
    let source = try HostEndpoint(family, SOCK_STREAM, in: hosts.sender)
    #expect(source.connect(ThreeHosts.address(ofReceiver: family), port: 9_001) == EINPROGRESS)

    var random = SeededRandom(seed: seed)
    let sent = (0..<1_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 11) }
    var sentCount = 0
    var received: [UInt8] = []
    var sink: HostEndpoint?
    var cuts = 0
    var holes = 0
    let deadline = seconds() + 30
    while received.count < sent.count && seconds() < deadline {
      while let read = hosts.read() {
        let view = try view(read.packet)
        let (segmentSize, needsChecksum) = try #require(SuperPacket.describe(read.offload, view))
        // What the far side would write is what the kernel gave, to the last field.
        #expect(SuperPacket.offload(for: view, segmentSize: segmentSize, needsChecksum: needsChecksum) == read.offload)
        if !view.isSuperPacket(segmentSize: segmentSize) {
          #expect(hosts.write(read.offload, read.packet) == 0)
          continue
        }
        if random.below(4) == 0 {
          for number in 0..<SuperPacket.pieces(of: view, segmentSize: segmentSize) {
            let piece = try #require(self.piece(number, of: read.packet, view, segmentSize: segmentSize))
            #expect(hosts.write(OffloadHeader(), piece) == 0)
          }
          continue
        }
        var at = 0
        while at < view.payloadLength {
          let end = min(at + 1 + Int(random.below(12_000)), view.payloadLength)
          if random.below(100) < 3 {
            holes += 1
          } else {
            let (offload, packet) = try cut(read.packet, view, at..<end, segmentSize: segmentSize)
            #expect(hosts.write(offload, packet) == 0)
            cuts += 1
          }
          at = end
        }
      }
      hosts.carry()
      if sink == nil { sink = listener.accept() }
      while let bytes = sink?.receive(), !bytes.isEmpty { received += bytes }
      if sink != nil && sentCount < sent.count {
        sentCount += max(0, source.send(sent[sentCount..<min(sentCount + 65_536, sent.count)]))
      }
      hosts.wait(milliseconds: 1)
    }
    #expect(received == sent, "\(received.count) of \(sent.count) bytes, \(cuts) cuts, \(holes) holes")
    #expect(cuts > 50 && holes > 0)
  }

  @Test(arguments: IPAddress.Family.allCases) func `"packet too big" teaches the sender the size that fits`(
    family: IPAddress.Family
  ) throws {
    let hosts = try ThreeHosts()
    let (source, _) = try hosts.datagramSockets(family)
    let (level, mtu) = family == .ipv4 ? (Int32(IPPROTO_IP), IP_MTU) : (Int32(IPPROTO_IPV6), IPV6_MTU)
    #expect(source.send(payload(1, 1_400)) == 1_400)
    #expect(source.option(level, mtu) == 1_500)
    try answer(.packetTooBig(mtu: 1_380), hosts, family)
    #expect(source.option(level, mtu) == 1_380)
  }

  @Test(arguments: IPAddress.Family.allCases) func `"prohibited" reaches the application`(family: IPAddress.Family)
    throws
  {
    let hosts = try ThreeHosts()
    let (source, _) = try hosts.datagramSockets(family)
    #expect(source.send([1, 2, 3]) == 3)
    try answer(.prohibited, hosts, family)
    #expect(source.send([1, 2, 3]) == -Int(family == .ipv4 ? EHOSTUNREACH : EACCES))
  }

  @Test(arguments: IPAddress.Family.allCases) func `"time exceeded" reaches who asked for it, as traceroute does`(
    family: IPAddress.Family
  ) throws {
    let hosts = try ThreeHosts()
    let (source, _) = try hosts.datagramSockets(family)
    let isIPv4 = family == .ipv4
    try source.set(Int32(isIPv4 ? IPPROTO_IP : IPPROTO_IPV6), isIPv4 ? IP_RECVERR : IPV6_RECVERR, to: 1)
    #expect(source.send([1, 2, 3]) == 3)
    try answer(.timeExceeded, hosts, family)
    #expect(source.send([1, 2, 3]) == -Int(EHOSTUNREACH))
  }

  // MARK: What a gateway does

  private func answer(_ error: ICMPError, _ hosts: ThreeHosts, _ family: IPAddress.Family) throws {
    let read = try #require(hosts.read())
    let router = try #require(IPAddress(family == .ipv4 ? "10.1.0.254" : "fd01::fe"))
    var bytes = [UInt8](repeating: 0, count: ICMPError.mostLength)
    let view = try view(read.packet)
    let length = read.packet.withUnsafeBytes { packet in
      bytes.withUnsafeMutableBytes { error.write(about: packet, view, from: router, into: $0) }
    }
    #expect(hosts.answer(bytes[..<(try #require(length))]) == 0)
  }

  private func view(_ packet: [UInt8]) throws -> PacketView { try packet.withUnsafeBytes { try PacketView($0) } }

  private func bundle(_ packets: [[UInt8]], needsChecksum: Bool) throws -> (Int, OffloadHeader, [UInt8]) {
    var memory = packets.flatMap { $0 }
    return try memory.withUnsafeMutableBytes { memory in
      var start = try #require(memory.baseAddress)
      var bundle = try #require(
        Bundle(start, try view(packets[0]), segmentSize: 0, needsChecksum: needsChecksum))
      var payloads: [UInt8] = []
      for packet in packets.dropFirst() {
        start += packets[0].count
        guard bundle.append(start, try view(packet)) else { break }
        payloads += packet[bundle.headerLength...]
      }
      let offload = bundle.finish()
      return (bundle.count, offload, Array(memory[..<packets[0].count]) + payloads)
    }
  }

  private func cut(
    _ packet: [UInt8], _ view: PacketView, _ range: Range<Int>, segmentSize: Int
  ) throws -> (OffloadHeader, [UInt8]) {
    var headers = [UInt8](repeating: 0, count: view.headerLength)
    let verdict = packet.withUnsafeBytes { packet in
      headers.withUnsafeMutableBytes {
        SuperPacket.cut(
          headers: packet, of: view, payload: range, segmentSize: segmentSize, needsChecksum: true, into: $0)
      }
    }
    #expect(verdict == .done)
    let bytes = headers + packet[(view.headerLength + range.lowerBound)..<(view.headerLength + range.upperBound)]
    return (SuperPacket.offload(for: try self.view(bytes), segmentSize: segmentSize, needsChecksum: true), bytes)
  }

  private func piece(_ number: Int, of packet: [UInt8], _ view: PacketView, segmentSize: Int) -> [UInt8]? {
    var out = [UInt8](repeating: 0, count: 2_000)
    let length = packet.withUnsafeBytes { packet in
      out.withUnsafeMutableBytes {
        SuperPacket.piece(number, of: packet, view, segmentSize: segmentSize, needsChecksum: true, into: $0)
      }
    }
    return length.map { Array(out[..<$0]) }
  }

  private func payload(_ number: Int, _ length: Int) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ number &* 13) }
  }

  private func seconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
  }
}

extension ThreeHosts {
  /// A connected sender and a bound receiver.
  fileprivate func datagramSockets(_ family: IPAddress.Family) throws -> (source: HostEndpoint, sink: HostEndpoint) {
    let sink = try HostEndpoint(family, SOCK_DGRAM, in: receiver)
    try sink.bind(ThreeHosts.address(ofReceiver: family), port: 9_001)
    let source = try HostEndpoint(family, SOCK_DGRAM, in: sender)
    #expect(source.connect(ThreeHosts.address(ofReceiver: family), port: 9_001) == 0)
    return (source, sink)
  }
}
