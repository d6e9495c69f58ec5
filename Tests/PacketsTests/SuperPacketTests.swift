import Packets
import Primitives
import Testing

@Suite struct `Describing a super-packet to the far side` {
  @Test func `what one side describes, the other writes before the packet, field for field`() throws {
    for family in IPAddress.Family.allCases {
      for transport in [6, 17] as [UInt8] {
        for flags in [0x18, 0x98] as [UInt8] {
          var specimen = Specimen(family, transport: transport, payload: 5_000)
          specimen.isPartial = true
          specimen.tcpFlags = flags
          let view = try view(specimen.bytes)
          var read = OffloadHeader()
          read.flags = 1
          read.segmentKind = transport == 17 ? 5 : family == .ipv4 ? 1 : 4
          if transport == 6 && flags & 0x80 != 0 { read.segmentKind |= 0x80 }
          read.headerLength = UInt16(specimen.headerLength)
          read.segmentSize = 1_200
          read.checksumStart = UInt16(specimen.networkLength)
          read.checksumOffset = transport == 17 ? 6 : 16
          let described = try #require(SuperPacket.describe(read, view))
          #expect(described == (1_200, true))
          #expect(SuperPacket.offload(for: view, segmentSize: 1_200, needsChecksum: true) == read)
          #expect(view.isSuperPacket(segmentSize: 1_200) && SuperPacket.pieces(of: view, segmentSize: 1_200) == 5)
        }
      }
    }
  }

  @Test func `a small packet with a partial checksum is described without a size`() throws {
    var specimen = Specimen(payload: 1_200)
    specimen.isPartial = true
    let view = try view(specimen.bytes)
    var read = OffloadHeader()
    (read.flags, read.checksumStart, read.checksumOffset) = (1, 20, 16)
    #expect(try #require(SuperPacket.describe(read, view)) == (0, true))
    // In a segment with super-packets whose pieces are as long as it is, it is none.
    #expect(SuperPacket.offload(for: view, segmentSize: 1_200, needsChecksum: true) == read)
    #expect(SuperPacket.pieces(of: view, segmentSize: 1_200) == 1)
    (read.segmentKind, read.segmentSize) = (1, 1_200)
    #expect(try #require(SuperPacket.describe(read, view)) == (0, true), "one piece is no super-packet")
  }

  @Test func `finished packets and other protocols have nothing to do`() throws {
    let tcp = try view(Specimen(payload: 100).bytes)
    #expect(try #require(SuperPacket.describe(OffloadHeader(), tcp)) == (0, false))
    #expect(SuperPacket.offload(for: tcp, segmentSize: 50, needsChecksum: false) == OffloadHeader())
    let ping = try view(Specimen(transport: 1, payload: 100).bytes)
    #expect(SuperPacket.offload(for: ping, segmentSize: 50, needsChecksum: true) == OffloadHeader())
    var fragment = Specimen(transport: 17, payload: 100)
    fragment.fragment = 0x2000
    #expect(
      SuperPacket.offload(for: try view(fragment.bytes), segmentSize: 50, needsChecksum: true) == OffloadHeader())
  }

  @Test func `what could not be said again is not described`() throws {
    let view = try view(Specimen(payload: 5_000).bytes)
    var good = OffloadHeader()
    (good.flags, good.segmentKind, good.segmentSize) = (1, 1, 1_000)
    (good.checksumStart, good.checksumOffset) = (20, 16)
    #expect(SuperPacket.describe(good, view) != nil)
    let changes: [(inout OffloadHeader) -> Void] = [
      { $0.flags = 0 }, { $0.segmentKind = 3 }, { $0.segmentKind = 4 }, { $0.segmentKind = 5 },
      { $0.segmentKind = 0x21 }, { $0.segmentSize = 0 }, { $0.checksumStart = 40 }, { $0.checksumOffset = 6 },
    ]
    for (index, change) in changes.enumerated() {
      var bad = good
      change(&bad)
      #expect(SuperPacket.describe(bad, view) == nil, "change \(index)")
    }
    let ping = try PacketsTests.view(Specimen(transport: 1, payload: 100).bytes)
    #expect(SuperPacket.describe(good, ping) == nil)
  }
}

@Suite struct `Cutting a super-packet around holes` {
  @Test(arguments: 0..<60 as Range<UInt64>) func `every byte that is left arrives at its place, in valid packets`(
    seed: UInt64
  ) throws {
    var random = SeededRandom(seed: seed)
    let specimen = randomSuperPacket(&random)
    let bytes = specimen.bytes
    let segmentSize = 1 + Int(random.below(1_448))
    // Sometimes from a copy of the headers, as a resume record brings it.
    let headers = Array(bytes[..<specimen.headerLength])
    let view = random.below(2) == 0 ? try view(bytes) : try view(headers: headers)
    #expect(view.headerLength == specimen.headerLength)
    var arrived = [UInt8?](repeating: nil, count: specimen.payload.count)
    var expected = arrived
    var at = 0
    while at < specimen.payload.count {
      var end = min(at + 1 + Int(random.below(9_000)), specimen.payload.count)
      if specimen.transport == 17 { end = min((end + segmentSize - 1) / segmentSize * segmentSize, view.payloadLength) }
      if random.below(3) > 0 {
        for index in at..<end { expected[index] = specimen.payload[index] }
        let (verdict, cut) = cut(headers, view, at..<end, segmentSize)
        #expect(verdict == .done, "seed \(seed): \(at)..<\(end) of \(view.payloadLength), pieces of \(segmentSize)")
        let packet = cut + specimen.payload[at..<end]
        try check(packet, of: specimen, at: at, segmentSize: segmentSize, "seed \(seed), \(at)..<\(end)")
        if specimen.transport == 6 {
          let skipped = Int(number32(packet, specimen.networkLength + 4) &- specimen.sequence)
          for (index, byte) in packet[specimen.headerLength...].enumerated() { arrived[skipped + index] = byte }
        } else {
          for (index, byte) in packet[specimen.headerLength...].enumerated() { arrived[at + index] = byte }
        }
      }
      at = end
    }
    #expect(arrived == expected, "seed \(seed)")
  }

  @Test func `FIN and PSH are the last packet's, CWR is the first one's, the rest is everyone's`() throws {
    var specimen = Specimen(payload: 3_000)
    specimen.isPartial = true
    specimen.tcpFlags = 0xd9  // CWR ECE ACK PSH FIN
    let view = try view(specimen.bytes)
    #expect(flags(of: cut(specimen.bytes, view, 0..<1_000, 500).1) == 0xd0)
    #expect(flags(of: cut(specimen.bytes, view, 1_000..<2_000, 500).1) == 0x50)
    #expect(flags(of: cut(specimen.bytes, view, 2_000..<3_000, 500).1) == 0x59)
    #expect(flags(of: cut(specimen.bytes, view, 0..<3_000, 500).1) == 0xd9)
  }

  @Test func `urgent data stay where they are`() throws {
    var specimen = Specimen(payload: 3_000)
    specimen.isPartial = true
    specimen.tcpFlags = 0x30
    specimen.urgent = 1_500
    let view = try view(specimen.bytes)
    let packets = [0..<1_000, 1_000..<2_000, 2_000..<3_000].map { cut(specimen.bytes, view, $0, 500).1 }
    #expect(packets.map { flags(of: $0) } == [0x30, 0x30, 0x10])
    #expect(packets.map { number16($0, 38) } == [1_500, 500, 0])
  }

  @Test func `the sequence number and the identification go on over their ends`() throws {
    var specimen = Specimen(payload: 3_000)
    specimen.isPartial = true
    specimen.sequence = 0xffff_fc00
    specimen.identification = 0xfffe
    let (_, headers) = cut(specimen.bytes, try view(specimen.bytes), 2_000..<3_000, 500)
    #expect(number32(headers, 24) == 0xffff_fc00 &+ 2_000)
    #expect(number16(headers, 4) == 2)
    #expect(plainSum(Array(headers[..<20])) == 0xffff)
  }

  @Test func `a checksum that was wrong stays wrong`() throws {
    var bytes = Specimen(payload: 3_000).bytes
    bytes[10] ^= 0x40
    var partial = Specimen(payload: 3_000)
    partial.isPartial = true
    let (_, headers) = cut(bytes, try view(bytes), 0..<1_000, 500)
    #expect(plainSum(Array(headers[..<20])) != 0xffff)
  }

  @Test func `what cannot be cut is refused by name, and nothing is written`() throws {
    var udp = Specimen(transport: 17, payload: 3_000)
    udp.isPartial = true
    var tcp = Specimen(payload: 3_000)
    tcp.isPartial = true
    func verdict(_ specimen: Specimen, _ range: Range<Int>, size: Int = 1_000, partial: Bool = true) throws
      -> SuperPacket.Cut
    {
      let (verdict, out) = cut(specimen.bytes, try view(specimen.bytes), range, size, needsChecksum: partial)
      #expect(verdict == .done || out.allSatisfy { $0 == 0xaa })
      return verdict
    }
    #expect(try verdict(udp, 1_000..<3_000) == .done)
    #expect(try verdict(udp, 500..<3_000) == .withinDatagram)
    #expect(try verdict(udp, 0..<500) == .withinDatagram)
    #expect(try verdict(udp, 0..<1_000, size: 0) == .indivisible)
    #expect(try verdict(tcp, 0..<3_001) == .outOfRange)
    #expect(try verdict(tcp, -1..<5) == .outOfRange)
    #expect(try verdict(tcp, 5..<5) == .outOfRange)
    #expect(try verdict(tcp, 5..<6, partial: false) == .checksumIsComplete)
    #expect(try verdict(tcp, 0..<3_000, partial: false) == .done, "nothing was cut")
    #expect(try verdict(Specimen(transport: 1, payload: 50), 0..<10) == .indivisible)
    #expect(try verdict(Specimen(transport: 47, payload: 50), 0..<50) == .done)
    tcp.tcpFlags = 0x02
    #expect(try verdict(tcp, 0..<10) == .indivisible)
    udp.fragment = 0x2000
    #expect(try verdict(udp, 0..<1_000) == .indivisible)
  }

  @Test func `headers may be cut where they lie`() throws {
    var specimen = Specimen(.ipv6, payload: 3_000)
    specimen.isPartial = true
    var bytes = specimen.bytes
    let view = try view(bytes)
    let apart = cut(bytes, view, 100..<200, 50).1
    let verdict = bytes.withUnsafeMutableBytes {
      SuperPacket.cut(
        headers: UnsafeRawBufferPointer($0), of: view, payload: 100..<200, segmentSize: 50, needsChecksum: true,
        into: $0)
    }
    #expect(verdict == .done && Array(bytes[..<60]) == apart)
  }

  private func flags(of headers: [UInt8]) -> UInt8 { headers[33] }
}

@Suite struct `Cutting a super-packet without an adapter` {
  @Test(arguments: 0..<30 as Range<UInt64>) func `gives finished packets that together are its payload`(seed: UInt64)
    throws
  {
    var random = SeededRandom(seed: seed)
    let specimen = randomSuperPacket(&random)
    let bytes = specimen.bytes
    let view = try view(bytes)
    let segmentSize = 500 + Int(random.below(1_000))
    let count = SuperPacket.pieces(of: view, segmentSize: segmentSize)
    #expect(count == max(1, (specimen.payload.count + segmentSize - 1) / segmentSize))
    var payload: [UInt8] = []
    for number in 0..<count {
      let piece = try #require(finished(number, of: bytes, view, segmentSize))
      #expect(isRight(piece, like: specimen), "piece \(number), seed \(seed)")
      let again = try PacketsTests.view(piece)
      #expect(again.isWhole && again.tuple == view.tuple)
      #expect(number == count - 1 || again.payloadLength == segmentSize)
      if specimen.family == .ipv4 {
        #expect(plainSum(Array(piece[..<specimen.networkLength])) == 0xffff)
        #expect(number16(piece, 4) == specimen.identification &+ UInt16(number))
      }
      if specimen.transport == 6 {
        let skipped = UInt32(number * segmentSize)
        #expect(number32(piece, specimen.networkLength + 4) == specimen.sequence &+ skipped)
      }
      payload += piece[specimen.headerLength...]
    }
    #expect(payload == specimen.payload)
    #expect(finished(count, of: bytes, view, segmentSize) == nil && finished(-1, of: bytes, view, segmentSize) == nil)
  }

  @Test func `a finished packet comes out as it is, and one that does not fit not at all`() throws {
    let bytes = Specimen(transport: 17, payload: 100).bytes
    let view = try view(bytes)
    #expect(finished(0, of: bytes, view, 0, needsChecksum: false) == bytes)
    #expect(finished(0, of: bytes, view, 0, needsChecksum: false, room: bytes.count - 1) == nil)
    #expect(finished(0, of: bytes, view, 40, needsChecksum: false) == nil, "its checksum covers all of it")
  }
}

/// TCP or UDP with a partial checksum; one in four is really long.
private func randomSuperPacket(_ random: inout SeededRandom) -> Specimen {
  var specimen = Specimen(
    random.below(2) == 0 ? .ipv4 : .ipv6, transport: random.below(3) == 0 ? 17 : 6,
    payload: 1 + Int(random.below(random.below(4) == 0 ? 65_300 : 8_000)))
  specimen.isPartial = true
  specimen.sequence = UInt32(truncatingIfNeeded: random.next())
  specimen.identification = UInt16(truncatingIfNeeded: random.next())
  specimen.tcpFlags = UInt8(truncatingIfNeeded: random.next()) & 0xd9 | 0x10
  specimen.tcpOptions = [UInt8](repeating: 1, count: 4 * Int(random.below(11)))
  if random.below(3) == 0 {
    specimen.options = [UInt8](repeating: 1, count: 4 * Int(random.below(11)))
    specimen.extensions = [(60, [1] + [UInt8](repeating: 0, count: 14))]
  }
  return specimen
}

private func cut(
  _ bytes: [UInt8], _ view: PacketView, _ range: Range<Int>, _ segmentSize: Int, needsChecksum: Bool = true
) -> (SuperPacket.Cut, [UInt8]) {
  var out = [UInt8](repeating: 0xaa, count: view.headerLength)
  let verdict = bytes.withUnsafeBytes { bytes in
    out.withUnsafeMutableBytes {
      SuperPacket.cut(
        headers: bytes, of: view, payload: range, segmentSize: segmentSize, needsChecksum: needsChecksum, into: $0)
    }
  }
  return (verdict, out)
}

private func finished(
  _ number: Int, of bytes: [UInt8], _ view: PacketView, _ segmentSize: Int, needsChecksum: Bool = true,
  room: Int = 66_000
) -> [UInt8]? {
  var out = [UInt8](repeating: 0xaa, count: room)
  let length = bytes.withUnsafeBytes { bytes in
    out.withUnsafeMutableBytes {
      SuperPacket.piece(
        number, of: bytes, view, segmentSize: segmentSize, needsChecksum: needsChecksum, into: $0)
    }
  }
  return length.map { Array(out[..<$0]) }
}

/// A cut packet is one that our own view takes, with right lengths, a right IPv4 checksum, and a partial checksum from
/// which the right one comes.
private func check(
  _ packet: [UInt8], of specimen: Specimen, at offset: Int, segmentSize: Int, _ comment: Comment
) throws {
  let view = try view(packet)
  #expect(view.isWhole && !view.hasSurplus, comment)
  if specimen.family == .ipv4 {
    #expect(plainSum(Array(packet[..<specimen.networkLength])) == 0xffff, comment)
    if packet.count < specimen.bytes.count {
      #expect(number16(packet, 4) == specimen.identification &+ UInt16(offset / segmentSize), comment)
    }
  }
  let place = specimen.networkLength + (specimen.transport == 6 ? 16 : 6)
  let pseudo = specimen.pseudoHeader(length: packet.count - specimen.networkLength)
  #expect(number16(packet, place) == plainSum(pseudo), comment)
  var finished = packet
  let sum = ~plainSum(Array(packet[specimen.networkLength...]))
  (finished[place], finished[place + 1]) = (UInt8(sum >> 8), UInt8(sum & 255))
  #expect(isRight(finished, like: specimen), comment)
}
