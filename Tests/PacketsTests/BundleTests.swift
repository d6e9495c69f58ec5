import Packets
import Primitives
import Testing

@Suite struct `Equal datagrams given to the kernel as one super-packet` {
  /// The kernel's part is played by `kernel(cuts:)`, from what its documentation says.
  @Test(arguments: 0..<60 as Range<UInt64>) func `come out of it as they went in`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let isPartial = random.below(2) == 0
    var train = Train(random.below(2) == 0 ? .ipv4 : .ipv6, isPartial: isPartial)
    let length = 1 + Int(random.below(1_472))
    let count = 2 + Int(random.below(20))
    if random.below(2) == 0 { train.template.fragment = 0 }
    for number in 0..<count {
      train.add(payload: number == count - 1 ? 1 + Int(random.below(UInt64(length))) : length, &random)
    }
    let (joined, written, offload) = train.bundle()
    #expect(joined == count, "seed \(seed)")
    #expect(offload.flags == 1 && offload.segmentKind == 5 && Int(offload.segmentSize) == length)
    #expect(Int(offload.checksumStart) == train.template.networkLength && offload.checksumOffset == 6)
    #expect(Int(offload.headerLength) == train.template.headerLength)
    let view = try view(written)
    #expect(view.isWhole && view.isSuperPacket(segmentSize: length) && !view.hasSurplus)
    #expect(try #require(SuperPacket.describe(offload, view)) == (length, true))
    let pieces = kernel(cuts: written, of: train.template, at: length)
    #expect(pieces.count == count)
    for (piece, packet) in zip(pieces, train.finished) { #expect(piece == packet, "seed \(seed)") }
  }

  @Test func `one packet alone is written as it is`() throws {
    for isPartial in [false, true] {
      var train = Train(.ipv4, isPartial: isPartial)
      train.add(payload: 100)
      let (joined, written, offload) = train.bundle()
      #expect(joined == 1 && written == train.packets[0])
      #expect(offload.segmentKind == 0 && offload.flags == (isPartial ? 1 : 0))
    }
  }

  @Test func `a shorter datagram is the last, a longer one begins anew`() {
    var train = Train(.ipv4)
    for length in [100, 100, 60, 60] { train.add(payload: length) }
    #expect(train.bundle().joined == 3)
    train.packets.remove(at: 0)
    train.packets[0] = train.packets[2]
    #expect(train.bundle().joined == 3, "60, 60, 60 with identifications out of order: DF is set")
    train = Train(.ipv4)
    for length in [60, 100] { train.add(payload: length) }
    #expect(train.bundle().joined == 1)
  }

  @Test func `no more join than the kernel takes`() {
    var train = Train(.ipv4)
    for _ in 0..<70 { train.add(payload: 10) }
    #expect(train.bundle().joined == 64)
    for family in IPAddress.Family.allCases {
      train = Train(family)
      for _ in 0..<60 { train.add(payload: 1_452) }
      let (joined, written, _) = train.bundle()
      #expect(joined == 45 && written.count <= 65_535)
    }
  }

  @Test(arguments: IPAddress.Family.allCases) func `what differs in anything that the kernel copies stays apart`(
    family: IPAddress.Family
  ) {
    let changes: [(inout Specimen) -> Void] = [
      { $0.sourcePort += 1 }, { $0.destinationPort += 1 }, { $0.source[3] ^= 1 }, { $0.destination[3] ^= 1 },
      { $0.ttl -= 1 }, { $0.trafficClass = 1 }, { $0.transport = 6 }, { $0.payload = [] },
    ]
    for (index, change) in changes.enumerated() {
      var train = Train(family)
      train.add(payload: 100)
      change(&train.template)
      train.add(payload: index == 7 ? 0 : 100)
      #expect(train.bundle().joined == 1, "change \(index)")
    }
  }

  @Test func `options, extension headers, fragments and flow labels keep packets apart`() {
    let changes: [(IPAddress.Family, (inout Specimen) -> Void)] = [
      (.ipv4, { $0.options = [1, 1, 1, 1] }), (.ipv4, { $0.fragment = 0x2000 }), (.ipv4, { $0.fragment = 0 }),
      (.ipv4, { $0.fragment = 0xc000 }), (.ipv6, { $0.flowLabel += 1 }),
      (.ipv6, { $0.extensions = [(60, [0, 0, 0, 0, 0, 0, 0])] }),
    ]
    for (index, (family, change)) in changes.enumerated() {
      var train = Train(family)
      train.add(payload: 104)
      change(&train.template)
      train.add(payload: 104)
      #expect(train.bundle().joined == 1, "change \(index)")
      if [0, 1, 5].contains(index) {
        train.packets.removeFirst()
        #expect(train.bundle().joined == 0, "change \(index) at the start")
      }
    }
  }

  @Test func `without DF the identifications must be those that the kernel will give`() {
    var train = Train(.ipv4)
    train.template.fragment = 0
    for _ in 0..<3 { train.add(payload: 100) }
    #expect(train.bundle().joined == 3)
    train.template.identification &+= 1
    train.add(payload: 100)
    #expect(train.bundle().joined == 3)
  }

  @Test func `a damaged packet joins nothing, so that its receiver sees the damage`() {
    for damaged in 0..<3 {
      for place in [28, 60, 127] {
        var train = Train(.ipv4)
        for _ in 0..<3 { train.add(payload: 100) }
        train.packets[damaged][place] ^= 0x10
        #expect(train.bundle().joined == max(1, damaged), "packet \(damaged), byte \(place)")
      }
    }
  }

  @Test func `nor does one without a checksum, or with a partial one that is wrong`() {
    var train = Train(.ipv4)
    for _ in 0..<3 { train.add(payload: 100) }
    (train.packets[1][26], train.packets[1][27]) = (0, 0)
    #expect(train.bundle().joined == 1)
    train = Train(.ipv4, isPartial: true)
    for _ in 0..<3 { train.add(payload: 100) }
    train.packets[2][27] ^= 1
    #expect(train.bundle().joined == 2)
  }

  @Test func `super-packets and datagrams that end before their packet stay alone`() {
    var train = Train(.ipv4, isPartial: true)
    for _ in 0..<2 { train.add(payload: 3_000) }
    #expect(train.bundle(segmentSize: 1_000).joined == 0)
    #expect(train.bundle(segmentSize: 3_000).joined == 2)
    train = Train(.ipv4)
    for _ in 0..<2 { train.add(payload: 100) }
    train.packets[1][25] -= 4
    #expect(train.bundle().joined == 1)
    train.packets.removeFirst()
    #expect(train.bundle().joined == 0)
  }
}

/// Packets of one application, one behind the other.
private struct Train {
  var template: Specimen
  var packets: [[UInt8]] = []
  /// The same with complete checksums.
  var finished: [[UInt8]] = []

  init(_ family: IPAddress.Family, isPartial: Bool = false) {
    template = Specimen(family, transport: 17)
    template.isPartial = isPartial
  }

  mutating func add(payload length: Int) {
    var random = SeededRandom(seed: UInt64(packets.count))
    add(payload: length, &random)
  }

  mutating func add(payload length: Int, _ random: inout SeededRandom) {
    template.payload = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    packets.append(template.bytes)
    var complete = template
    complete.isPartial = false
    finished.append(complete.bytes)
    template.identification &+= 1
  }

  /// How many joined from the first on (0 when none could begin), what would be written, and with which header.
  func bundle(segmentSize: Int = 0) -> (joined: Int, written: [UInt8], offload: OffloadHeader) {
    var memory = packets.flatMap { $0 }
    return memory.withUnsafeMutableBytes { memory in
      guard var left = memory.baseAddress,
        let first = try? PacketView(UnsafeRawBufferPointer(memory)),
        var bundle = Bundle(left, first, segmentSize: segmentSize, needsChecksum: template.isPartial)
      else { return (0, [], OffloadHeader()) }
      left += packets[0].count
      var payloads: [UInt8] = []
      for packet in packets.dropFirst() {
        let bytes = UnsafeRawBufferPointer(start: left, count: packet.count)
        guard let view = try? PacketView(bytes), bundle.append(left, view) else { break }
        payloads += bytes[bundle.headerLength...]
        left += packet.count
      }
      let offload = bundle.finish()
      return (bundle.count, Array(memory[..<packets[0].count]) + payloads, offload)
    }
  }
}

/// What segmentation does: one header for each piece, the identification counted on, lengths and checksums made anew.
private func kernel(cuts packet: [UInt8], of template: Specimen, at size: Int) -> [[UInt8]] {
  let header = template.headerLength
  let place = template.networkLength + 6
  let length = UInt16(packet.count - template.networkLength)
  // It trusts the partial checksum, so a wrong one would make wrong packets.
  guard number16(packet, place) == plainSum(template.pseudoHeader(length: Int(length))) else { return [] }
  return stride(from: header, to: packet.count, by: size).enumerated().map { number, start in
    var specimen = template
    specimen.isPartial = false
    specimen.identification = number16(packet, 4) &+ UInt16(number)
    specimen.payload = Array(packet[start..<min(start + size, packet.count)])
    return specimen.bytes
  }
}
