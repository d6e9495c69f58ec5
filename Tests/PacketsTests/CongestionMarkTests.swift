import Packets
import Primitives
import Testing

@Suite struct `A congestion mark on the way out of the tunnel` {
  @Test(arguments: IPAddress.Family.allCases) func `reaches who understands it, and leaves a valid header`(
    family: IPAddress.Family
  ) throws {
    for codepoint in [1, 2] as [UInt8] {
      var specimen = Specimen(family, payload: 10)
      specimen.trafficClass = 0xb8 | codepoint
      let (mark, bytes) = marked(specimen.bytes)
      #expect(mark == .marked)
      specimen.trafficClass = 0xbb
      #expect(bytes == specimen.bytes)
    }
  }

  @Test(arguments: IPAddress.Family.allCases) func `is told to be useless where it was, or cannot be understood`(
    family: IPAddress.Family
  ) {
    for (codepoint, mark) in [(3, .alreadyMarked), (0, .notCapable)] as [(UInt8, CongestionMark)] {
      var specimen = Specimen(family, payload: 10)
      specimen.trafficClass = 0xb8 | codepoint
      #expect(marked(specimen.bytes) == (mark, specimen.bytes))
    }
  }

  @Test func `leaves alone what is no IP packet`() {
    for bytes in [[], [0x45, 1], [UInt8](repeating: 0x55, count: 40)] as [[UInt8]] {
      #expect(marked(bytes) == (.notIP, bytes))
    }
  }

  private func marked(_ bytes: [UInt8]) -> (CongestionMark, [UInt8]) {
    var bytes = bytes
    let mark = bytes.withUnsafeMutableBytes { markCongestion($0) }
    return (mark, bytes)
  }
}
