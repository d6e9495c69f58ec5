import Packets
import Primitives
import Testing

@Suite struct `What a packet says of itself` {
  @Test(arguments: [IPAddress.Family.ipv4, .ipv6]) func `a plain TCP packet tells its flow and its lengths`(
    family: IPAddress.Family
  ) throws {
    var specimen = Specimen(family, payload: 100)
    specimen.tcpOptions = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
    specimen.trafficClass = 0xb9  // expedited, ECT(1)
    specimen.ttl = 13
    let view = try view(specimen.bytes)
    #expect(view.family == family)
    #expect(view.tuple.source == IPAddress(bytes: specimen.source))
    #expect(view.tuple.destination == IPAddress(bytes: specimen.destination))
    #expect(view.tuple.sourcePort == 40_000 && view.tuple.destinationPort == 443 && view.transport == 6)
    #expect(view.totalLength == specimen.bytes.count)
    #expect(view.networkHeaderLength == (family == .ipv4 ? 20 : 40))
    #expect(view.transportOffset == view.networkHeaderLength)
    #expect(view.headerLength == view.networkHeaderLength + 32 && view.payloadLength == 100)
    #expect(view.dscp == 46 && view.ecn == 1 && view.ttl == 13)
    #expect(view.tcpFlags == [.ack, .psh])
    #expect(view.isWhole && view.mustNotFragment && view.hasPlainHeader && !view.isFragment && !view.hasSurplus)
  }

  @Test func `bytes behind the packet are not part of it, and are told`() throws {
    let bytes = Specimen(payload: 10).bytes
    let view = try view(bytes + [1, 2, 3])
    #expect(view.totalLength == bytes.count && view.payloadLength == 10)
    #expect(!view.isWhole)
  }

  @Test func `a copy of the headers is enough for a view, and it says the same`() throws {
    for family in IPAddress.Family.allCases {
      var specimen = Specimen(family, payload: 5_000)
      specimen.tcpOptions = [UInt8](repeating: 1, count: 40)
      let bytes = specimen.bytes
      let view = try view(headers: Array(bytes[..<specimen.headerLength]))
      #expect(view.totalLength == bytes.count && view.headerLength == specimen.headerLength)
      #expect(!view.isWhole)
      #expect(throws: PacketView.Defect.truncated) { try PacketsTests.view(Array(bytes.dropLast())) }
    }
  }

  @Test func `IPv4 options are part of the network header`() throws {
    var specimen = Specimen(payload: 10)
    specimen.options = [UInt8](repeating: 1, count: 40)
    let view = try view(specimen.bytes)
    #expect(view.networkHeaderLength == 60 && view.payloadLength == 10 && view.tuple.destinationPort == 443)
    #expect(!view.hasPlainHeader)
  }

  @Test func `IPv6 extension headers are walked through, in any order that is allowed`() throws {
    var specimen = Specimen(.ipv6, transport: 17, payload: 10)
    let hopByHop: (UInt8, [UInt8]) = (0, [0, 5, 2, 0, 0, 1, 0])
    let destinationOptions: (UInt8, [UInt8]) = (60, [1] + [UInt8](repeating: 0, count: 14))
    let routing: (UInt8, [UInt8]) = (43, [2, 2, 1] + [UInt8](repeating: 9, count: 20))
    let authentication: (UInt8, [UInt8]) = (51, [4] + [UInt8](repeating: 0, count: 22))
    specimen.extensions = [hopByHop, destinationOptions, routing, authentication]
    let view = try view(specimen.bytes)
    #expect(view.networkHeaderLength == 40 + 8 + 16 + 24 + 24)
    #expect(view.transport == 17 && view.tuple.sourcePort == 40_000 && view.payloadLength == 10)
    #expect(!view.hasPlainHeader)
  }

  @Test func `of a fragmented packet the first piece has ports, and the later ones have not`() throws {
    var first = Specimen(transport: 17, payload: 64)
    first.fragment = 0x2000
    var later = first
    later.fragment = 0x2005
    let firstView = try view(first.bytes)
    let laterView = try view(later.bytes)
    #expect(firstView.isFragment && firstView.isFirstFragment && firstView.tuple.sourcePort == 40_000)
    #expect(laterView.isFragment && !laterView.isFirstFragment)
    #expect(laterView.tuple.sourcePort == 0 && laterView.tuple.destinationPort == 0 && laterView.transport == 17)
    #expect(laterView.headerLength == 20 && !laterView.mustNotFragment)

    var six = Specimen(.ipv6, transport: 17, payload: 64)
    six.extensions = [(44, [0, 0, 1, 0, 0, 0, 9])]
    #expect(try view(six.bytes).isFirstFragment)
    #expect(try view(six.bytes).tuple.sourcePort == 40_000)
    six.extensions = [(44, [0, 1, 0x48, 0, 0, 0, 9])]
    let sixLater = try view(six.bytes)
    #expect(sixLater.isFragment && !sixLater.isFirstFragment && sixLater.tuple.sourcePort == 0)
    #expect(sixLater.headerLength == 48 && sixLater.transport == 17)
    six.extensions = [(44, [0, 0, 0, 0, 0, 0, 9])]
    #expect(try !view(six.bytes).isFragment, "offset 0 and nothing to follow: it is all there")
  }

  @Test func `a ping is a flow, and its reply is the same flow from the other end`() throws {
    for (family, transport, request, reply) in [
      (IPAddress.Family.ipv4, 1 as UInt8, 8 as UInt8, 0 as UInt8), (.ipv6, 58, 128, 129),
    ] {
      var there = Specimen(family, transport: transport)
      there.payload = [request, 0, 0, 0, 0x12, 0x34, 0, 1, 9, 9]
      var back = there
      (back.source, back.destination) = (there.destination, there.source)
      back.payload[0] = reply
      let view = try view(there.bytes)
      #expect(view.tuple.sourcePort == 0x1234 && view.tuple.destinationPort == 0)
      #expect(try PacketsTests.view(back.bytes).tuple.reversed == view.tuple)
      #expect(view.headerLength == view.networkHeaderLength + 8)
      there.payload[0] = 3
      #expect(try PacketsTests.view(there.bytes).tuple.sourcePort == 0)
    }
  }

  @Test func `SCTP, DCCP and UDP-Lite have ports; what we do not know has none`() throws {
    for transport in [132, 33, 136] as [UInt8] {
      var specimen = Specimen(transport: transport)
      specimen.payload = [1, 2, 3, 4] + [UInt8](repeating: 0, count: 12)
      let tuple = try view(specimen.bytes).tuple
      #expect(tuple.sourcePort == 0x0102 && tuple.destinationPort == 0x0304 && tuple.transport == transport)
    }
    for transport in [47, 50, 89, 253] as [UInt8] {
      let view = try view(Specimen(transport: transport, payload: 30).bytes)
      #expect(view.tuple.sourcePort == 0 && view.tuple.destinationPort == 0 && view.headerLength == 20)
      #expect(view.checksumOffset == nil)
    }
  }

  @Test func `multicast and broadcast are recognised`() throws {
    for (bytes, isMulticast, isBroadcast) in [
      ([224, 0, 0, 251], true, false), ([239, 255, 255, 255], true, false), ([240, 0, 0, 1], false, false),
      ([223, 255, 255, 255], false, false), ([255, 255, 255, 255], false, true), ([10, 0, 0, 255], false, false),
    ] as [([UInt8], Bool, Bool)] {
      var specimen = Specimen(transport: 17, payload: 1)
      specimen.destination = bytes
      let view = try view(specimen.bytes)
      #expect(view.isMulticast == isMulticast && view.isLimitedBroadcast == isBroadcast, "\(bytes)")
    }
    var specimen = Specimen(.ipv6, transport: 17, payload: 1)
    #expect(try !view(specimen.bytes).isMulticast)
    specimen.destination[0] = 0xff
    #expect(try view(specimen.bytes).isMulticast)
  }

  @Test func `UDP may end before its packet does, and that is told`() throws {
    var bytes = Specimen(transport: 17, payload: 10).bytes
    #expect(try !view(bytes).hasSurplus)
    bytes[25] = 12
    let view = try view(bytes)
    #expect(view.hasSurplus && view.payloadLength == 10 && view.tuple.sourcePort == 40_000)
    #expect(!view.isSuperPacket(segmentSize: 5))
  }
}

@Suite struct `Packets that lie` {
  @Test func `each kind of lie has its name`() throws {
    let tcp = Specimen(payload: 20).bytes
    let udp = Specimen(transport: 17, payload: 20).bytes
    let six = Specimen(.ipv6, transport: 17, payload: 20).bytes
    try expect(.tooShort, [])
    try expect(.tooShort, Array(tcp[..<19]))
    try expect(.tooShort, Array(six[..<39]))
    try expect(.unknownVersion, changed(tcp) { $0[0] = 0x55 })
    try expect(.unknownVersion, [UInt8](repeating: 0, count: 60))
    try expect(.headerLength, changed(tcp) { $0[0] = 0x44 })
    try expect(.headerLength, changed(tcp) { $0[3] = 19 })
    try expect(.headerLength, changed(Array(tcp[..<24])) { ($0[0], $0[3]) = (0x4f, 24) })
    try expect(.noLength, changed(tcp) { ($0[2], $0[3]) = (0, 0) })
    try expect(.noLength, changed(six) { ($0[4], $0[5]) = (0, 0) })
    try expect(.truncated, Array(tcp.dropLast()))
    try expect(.truncated, changed(udp) { $0[2] = 0xff })
    try expect(.truncated, changed(Array(tcp[..<24])) { ($0[0], $0[3]) = (0x4f, 80) })
    try expect(.truncated, Array(six.dropLast()))
    try expect(.transportTooShort, changed(Array(tcp[..<39])) { $0[3] = 39 })
    try expect(.transportTooShort, changed(Array(udp[..<27])) { $0[3] = 27 })
    try expect(.transportLength, changed(tcp) { $0[32] = 0x40 })
    try expect(.transportLength, changed(tcp) { $0[32] = 0xf0 })
    try expect(.transportLength, changed(udp) { $0[25] = 7 })
    try expect(.transportLength, changed(udp) { $0[25] = 29 })
    try expect(.transportLength, changed(six) { $0[44] = 1 })
    for transport in [1, 58, 33, 132, 136] as [UInt8] {
      try expect(.transportTooShort, Specimen(transport: transport, payload: 7).bytes)
    }
  }

  @Test func `a first fragment without its whole transport header is refused, a later one is not`() throws {
    var specimen = Specimen(transport: 6)
    let bytes = specimen.bytes
    specimen.fragment = 0x2000
    try expect(.transportTooShort, changed(Array(bytes[..<28])) { ($0[3], $0[6]) = (28, 0x20) })
    #expect(try view(changed(Array(bytes[..<28])) { ($0[3], $0[6], $0[7]) = (28, 0x20, 1) }).isFragment)
  }

  @Test func `extension headers end within the packet and are few`() throws {
    var specimen = Specimen(.ipv6, transport: 17, payload: 10)
    let options: (UInt8, [UInt8]) = (60, [0, 0, 0, 0, 0, 0, 0])
    specimen.extensions = [(UInt8, [UInt8])](repeating: options, count: 8)
    #expect(try view(specimen.bytes).networkHeaderLength == 40 + 64)
    specimen.extensions.append(options)
    try expect(.extensionHeaders, specimen.bytes)
    specimen.extensions = [options, (0, options.1)]
    try expect(.extensionHeaders, specimen.bytes, "hop-by-hop options come first")
    specimen.extensions = [(60, [255, 0, 0, 0, 0, 0, 0])]
    try expect(.extensionHeaders, specimen.bytes, "longer than the packet")
    var cut = Array(specimen.bytes[..<47])
    cut[5] = 7
    try expect(.extensionHeaders, cut, "not one whole header")
    specimen.extensions = [(44, [0, 0, 8, 0, 0, 0, 9])]
    cut = Array(specimen.bytes[..<47])
    cut[5] = 7
    try expect(.extensionHeaders, cut, "not one whole header, of a later fragment")
  }

  /// Copies, so that reading one byte too many would be seen by the address sanitizer.
  @Test(arguments: 0..<20 as Range<UInt64>) func `any bytes are a view or a defect, and a view is consistent`(
    seed: UInt64
  ) throws {
    var random = SeededRandom(seed: seed)
    var accepted = 0
    for _ in 0..<500 {
      let specimen = randomSpecimen(&random, mostPayload: 60)
      var bytes = specimen.bytes
      for _ in 0..<random.below(4) {
        bytes[Int(random.below(UInt64(min(bytes.count, 80))))] = UInt8(truncatingIfNeeded: random.next())
      }
      if random.below(4) == 0 { bytes = Array(bytes[..<Int(random.below(UInt64(bytes.count)))]) }
      guard let view = try? view(bytes) else { continue }
      accepted += 1
      #expect(view.totalLength <= bytes.count && view.isWhole == (view.totalLength == bytes.count))
      #expect(view.networkHeaderLength >= (view.family == .ipv4 ? 20 : 40))
      #expect(view.headerLength >= view.networkHeaderLength && view.headerLength <= view.totalLength)
      let again = try PacketsTests.view(headers: Array(bytes[..<view.headerLength]))
      #expect(again.tuple == view.tuple && again.totalLength == view.totalLength)
      #expect(again.headerLength == view.headerLength)
    }
    #expect(accepted > 100, "seed \(seed)")
  }

  private func changed(_ bytes: [UInt8], _ change: (inout [UInt8]) -> Void) -> [UInt8] {
    var bytes = bytes
    change(&bytes)
    return bytes
  }

  private func expect(_ defect: PacketView.Defect, _ bytes: [UInt8], _ why: Comment? = nil) throws {
    #expect(throws: defect, why) { try view(bytes) }
  }
}

@Suite struct `The hash of a flow` {
  @Test func `differs for flows that differ in anything, and with the seed`() throws {
    let seed = FiveTuple.HashSeed(1)
    let tuple = try view(Specimen(.ipv6).bytes).tuple
    var others = [tuple, tuple.reversed]
    others.append(changed(tuple) { $0.sourcePort += 1 })
    others.append(changed(tuple) { $0.destinationPort += 1 })
    others.append(changed(tuple) { $0.transport = 17 })
    others.append(changed(tuple) { $0.source = IPAddress(.ipv6, high: $0.source.high, low: $0.source.low + 1) })
    others.append(changed(tuple) { $0.source = IPAddress(.ipv6, high: $0.source.high + 1, low: $0.source.low) })
    others.append(changed(tuple) { $0.destination = IPAddress(.ipv4, high: $0.destination.high, low: 0) })
    let hashes = others.map { $0.hash64(seed: seed) }
    #expect(Set(hashes).count == others.count)
    #expect(tuple.hash64(seed: FiveTuple.HashSeed(2)) != tuple.hash64(seed: seed))
    #expect(tuple.hash64(seed: FiveTuple.HashSeed(1)) == tuple.hash64(seed: seed))
  }

  /// Neighbouring ports and addresses are what real tables hold.
  @Test(arguments: 1..<9 as Range<UInt64>) func `spreads neighbours evenly over a table`(seed: UInt64) {
    let seed = FiveTuple.HashSeed(seed)
    var filled = [Int](repeating: 0, count: 1_024)
    for host in 0..<64 as Range<UInt32> {
      for port in 0..<256 as Range<UInt16> {
        let tuple = FiveTuple(
          source: IPAddress(ipv4: 0x0a00_0000 + host), destination: IPAddress(ipv4: 0xc000_0201),
          sourcePort: 32_768 + port, destinationPort: 443, transport: 6)
        filled[Int(tuple.hash64(seed: seed) % 1_024)] += 1
      }
    }
    // 16 each on average; chance puts the fullest of 1,024 at about 30 and beyond 45 once in ten million.
    #expect(filled.max() ?? 0 <= 45)
    #expect(filled.count { $0 == 0 } <= 3)
  }

  private func changed(_ tuple: FiveTuple, _ change: (inout FiveTuple) -> Void) -> FiveTuple {
    var tuple = tuple
    change(&tuple)
    return tuple
  }
}

/// A packet of any kind that Specimen can make.
func randomSpecimen(_ random: inout SeededRandom, mostPayload: UInt64) -> Specimen {
  let transports: [UInt8] = [6, 6, 17, 17, 1, 58, 132, 33, 136, 47]
  var specimen = Specimen(
    random.below(2) == 0 ? .ipv4 : .ipv6, transport: transports[Int(random.below(10))],
    payload: Int(random.below(mostPayload + 1)))
  specimen.sequence = UInt32(truncatingIfNeeded: random.next())
  specimen.identification = UInt16(truncatingIfNeeded: random.next())
  specimen.tcpOptions = [UInt8](repeating: 1, count: 4 * Int(random.below(11)))
  specimen.trafficClass = UInt8(truncatingIfNeeded: random.next())
  specimen.isPartial = random.below(2) == 0
  if random.below(3) == 0 {
    specimen.options = [UInt8](repeating: 1, count: 4 * Int(random.below(11)))
    let kinds: [UInt8] = [60, 43, 51, 135]
    specimen.extensions = (0..<random.below(4)).map { _ in
      let kind = kinds[Int(random.below(4))]
      let units = UInt8(random.below(3)) * 2
      return (kind, [units] + [UInt8](repeating: 0, count: kind == 51 ? Int(units) * 4 + 6 : Int(units) * 8 + 6))
    }
  }
  return specimen
}
