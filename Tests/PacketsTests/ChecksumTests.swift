import Packets
import Primitives
import Testing

@Suite struct `The Internet checksum` {
  @Test func `is that of RFC 1071's example`() {
    let example: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
    #expect(example.withUnsafeBytes { Checksum($0).folded } == 0xddf2)
    #expect(example.withUnsafeBytes { Checksum($0).complement } == ~0xddf2)
  }

  @Test func `is that of an IPv4 header from a book`() {
    let header: [UInt8] = [
      0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7,
    ]
    #expect(header.withUnsafeBytes { Checksum($0).complement } == 0xb861)
  }

  @Test(arguments: 0..<10 as Range<UInt64>) func `is the plain sum, for every length and at every place in memory`(
    seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    for length in 0..<300 {
      let offset = Int(random.below(9))
      let bytes = (0..<length + offset).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let sum = bytes.withUnsafeBytes { Checksum(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
      #expect(sum.folded == plainSum(Array(bytes[offset...])), "\(length) bytes at \(offset), seed \(seed)")
    }
  }

  @Test func `carries as often as it must: 64 KiB of ones, and of zeros`() {
    let ones = [UInt8](repeating: 0xff, count: 65_535)
    #expect(ones.withUnsafeBytes { Checksum($0).folded } == plainSum(ones))
    let zeros = [UInt8](repeating: 0, count: 65_535)
    #expect(zeros.withUnsafeBytes { Checksum($0).folded } == 0)
  }

  @Test func `goes on where it stopped, at an even place`() {
    let bytes = (0..<101).map { UInt8($0 * 5 & 255) }
    for cut in stride(from: 0, through: 100, by: 2) {
      var sum = Checksum()
      bytes[..<cut].withUnsafeBytes { sum.add($0) }
      bytes[cut...].withUnsafeBytes { sum.add($0) }
      #expect(sum.folded == plainSum(bytes))
    }
  }

  @Test(arguments: 0..<10 as Range<UInt64>) func `follows a change as if it were summed again`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      // Few distinct values, so that the corners (0 and 0xffff) come up.
      let corners: [UInt16] = [0, 1, 0xfffe, 0xffff, UInt16(truncatingIfNeeded: random.next())]
      var words = (0..<4).map { _ in corners[Int(random.below(5))] }
      words[3] |= 1  // not all zero, as no header is
      let old = words.flatMap { big($0) }
      let position = Int(random.below(3))
      let replaced = words[position]
      words[position] = corners[Int(random.below(5))]
      let new = words.flatMap { big($0) }
      let complete = Checksum.updated(~plainSum(old), replacing: replaced, by: words[position])
      #expect(complete == ~plainSum(new), "seed \(seed): \(old) \(new)")
      #expect(Checksum.updated(partial: plainSum(old), replacing: replaced, by: words[position]) == plainSum(new))
    }
  }

  @Test func `begins with the pseudo-header of either family`() {
    for specimen in [Specimen(.ipv4, transport: 17, payload: 9), Specimen(.ipv6, transport: 6, payload: 70)] {
      let length = specimen.transportHeader.count + specimen.payload.count
      var sum = Checksum()
      sum.addPseudoHeader(
        source: IPAddress(bytes: specimen.source), destination: IPAddress(bytes: specimen.destination),
        transport: specimen.transport, length: length)
      #expect(sum.folded == plainSum(specimen.pseudoHeader(length: length)))
    }
  }
}
