import Packets
import Primitives
import Testing

@Suite struct `Telling a sender why his packet goes no further` {
  static let errors: [(ICMPError, [UInt8], [UInt8])] = [
    (.packetTooBig(mtu: 1_380), [3, 4, 0, 0, 0x05, 0x64], [2, 0, 0, 0, 0x05, 0x64]),
    (.timeExceeded, [11, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]),
    (.prohibited, [3, 13, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]),
  ]

  @Test(arguments: errors) func `an IPv4 sender gets type, code and the start of his packet`(
    error: (ICMPError, [UInt8], [UInt8])
  ) throws {
    for length in [0, 1, 100, 2_000] {
      let packet = Specimen(payload: length).bytes
      let answer = try #require(self.answer(error.0, about: packet, from: [10, 9, 8, 7]))
      #expect(answer.count == min(576, 28 + packet.count))
      let view = try view(answer)
      #expect(view.isWhole && view.transport == 1 && view.ttl == 64 && view.mustNotFragment)
      #expect(view.tuple.source.bytes == [10, 9, 8, 7] && view.tuple.destination.bytes == [192, 0, 2, 1])
      #expect(plainSum(Array(answer[..<20])) == 0xffff && plainSum(Array(answer[20...])) == 0xffff)
      #expect([answer[20], answer[21]] + answer[24..<28] == error.1)
      #expect(Array(answer[28...]) == Array(packet.prefix(548)))
    }
  }

  @Test(arguments: errors) func `an IPv6 sender gets the same in his words`(
    error: (ICMPError, [UInt8], [UInt8])
  ) throws {
    for length in [0, 1, 100, 2_000] {
      let packet = Specimen(.ipv6, transport: 17, payload: length).bytes
      let us: [UInt8] = [0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
      let answer = try #require(self.answer(error.0, about: packet, from: us))
      #expect(answer.count == min(1_280, 48 + packet.count))
      let view = try view(answer)
      #expect(view.isWhole && view.transport == 58 && view.ttl == 64)
      #expect(view.tuple.source.bytes == us)
      #expect(view.tuple.destination == (try PacketsTests.view(packet)).tuple.source)
      let pseudo = us + Specimen(.ipv6).source + big(UInt32(answer.count - 40)) + [0, 0, 0, 58]
      #expect(plainSum(pseudo + answer[40...]) == 0xffff)
      #expect([answer[40], answer[41]] + answer[44..<48] == error.2)
      #expect(Array(answer[48...]) == Array(packet.prefix(1_232)))
    }
  }

  @Test func `nobody gets an answer to an error, and an echo does`() throws {
    for (type, isAnswered) in [(0, true), (3, false), (4, false), (5, false), (8, true), (11, false), (12, false)] {
      var specimen = Specimen(transport: 1, payload: 20)
      specimen.payload[0] = UInt8(type)
      #expect((answer(.timeExceeded, about: specimen.bytes) != nil) == isAnswered, "type \(type)")
    }
    for (type, isAnswered) in [(1, false), (2, false), (3, false), (127, false), (128, true), (135, true)] {
      var specimen = Specimen(.ipv6, transport: 58, payload: 20)
      specimen.payload[0] = UInt8(type)
      #expect((answer(.timeExceeded, about: specimen.bytes) != nil) == isAnswered, "type \(type)")
    }
  }

  @Test func `nothing is sent about packets for many, or to a source that is not one host`() {
    for destination in [[224, 0, 0, 1], [255, 255, 255, 255]] as [[UInt8]] {
      var specimen = Specimen(payload: 20)
      specimen.destination = destination
      #expect(answer(.packetTooBig(mtu: 1_000), about: specimen.bytes) == nil)
    }
    for source in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] as [[UInt8]] {
      var specimen = Specimen(payload: 20)
      specimen.source = source
      #expect(answer(.timeExceeded, about: specimen.bytes) == nil)
    }
    var specimen = Specimen(.ipv6, payload: 20)
    specimen.destination[0] = 0xff
    #expect(answer(.timeExceeded, about: specimen.bytes) == nil)
    #expect(answer(.packetTooBig(mtu: 1_300), about: specimen.bytes) != nil, "RFC 4443 §2.4 (e.3)")
    for source in [[UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 15) + [1], specimen.destination] {
      specimen = Specimen(.ipv6, payload: 20)
      specimen.source = source
      #expect(answer(.timeExceeded, about: specimen.bytes) == nil)
    }
  }

  @Test func `of a fragmented packet only the first piece is answered`() {
    var specimen = Specimen(transport: 17, payload: 80)
    specimen.fragment = 0x2000
    #expect(answer(.timeExceeded, about: specimen.bytes) != nil)
    specimen.fragment = 0x0003
    #expect(answer(.timeExceeded, about: specimen.bytes) == nil)
  }

  @Test func `the answer is of the packet's family, and fits or is not written`() {
    let packet = Specimen(payload: 2_000).bytes
    #expect(answer(.prohibited, about: packet, from: Specimen(.ipv6).source) == nil)
    #expect(answer(.prohibited, about: packet, room: 575) == nil)
    #expect(answer(.prohibited, about: packet, room: 576) != nil)
    #expect(answer(.packetTooBig(mtu: 70_000), about: packet)?[24..<28] == [0, 0, 0xff, 0xff])
  }

  private func answer(
    _ error: ICMPError, about packet: [UInt8], from source: [UInt8]? = nil, room: Int = ICMPError.mostLength
  ) -> [UInt8]? {
    guard let view = try? view(packet) else { return nil }
    let source = IPAddress(bytes: source ?? (view.family == .ipv4 ? [10, 9, 8, 7] : Specimen(.ipv6).destination))
    var out = [UInt8](repeating: 0xaa, count: room)
    let length = packet.withUnsafeBytes { packet in
      out.withUnsafeMutableBytes { error.write(about: packet, view, from: source, into: $0) }
    }
    return length.map { Array(out[..<$0]) }
  }
}
