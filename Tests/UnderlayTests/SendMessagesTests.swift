import Glibc
import Primitives
import Testing

@testable import Underlay

@Suite struct `Messages for sends` {
  @Test func `take as much of a batch as one send can be, and the rest with the next`() {
    var messages = SendMessages(capacity: 8)
    let bytes = [UInt8](repeating: 0, count: 100_000)
    bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(bytes, segmentSize: 1_000, to: peer)
      var segments: [Int] = []
      var lengths: [Int] = []
      while let message = messages.next(of: &batch, mostSegments: 64) {
        segments.append(message.segments)
        lengths.append(Header(message).byteCount)
      }
      #expect(segments == [64, 36] && lengths == [64_000, 36_000])
      #expect(batch.isEmpty)
    }
  }

  @Test func `are never longer than a packet can be`() {
    var messages = SendMessages(capacity: 64)
    let bytes = [UInt8](repeating: 0, count: 200_000)
    bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(bytes, segmentSize: 1_472, to: peer)
      while let message = messages.next(of: &batch, mostSegments: 128) {
        #expect(Header(message).byteCount <= 65_507)
        #expect(message.segments <= 44)
      }
      #expect(batch.isEmpty)
    }
  }

  @Test func `leave in the batch what finds no room, and come back with what they carried`() throws {
    var messages = SendMessages(capacity: 2)
    let bytes = pattern(25)
    try bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(bytes, segmentSize: 10, to: peer, context: 77)
      let first = messages.next(of: &batch, mostSegments: 1)
      let second = messages.next(of: &batch, mostSegments: 1)
      let third = messages.next(of: &batch, mostSegments: 1)
      #expect(third == nil && batch.bytes.count == 5 && !batch.isEmpty)
      let pending = messages.pending
      #expect(pending == 2)
      let number = try #require(second).number
      let carried = messages.finish(number)
      #expect(Array(carried.bytes) == Array(bytes[10..<20]) && carried.context == 77 && carried.destination == peer)
      let last = messages.next(of: &batch, mostSegments: 1)
      #expect(last?.number == number && batch.isEmpty)
      #expect(first?.number != last?.number)
    }
  }

  @Test func `have the kernel's layout`() throws {
    var messages = SendMessages(capacity: 1)
    let bytes = pattern(30)
    try bytes.withUnsafeBytes { bytes in
      let source = IPAddress(ipv4: 0x0a00_0001)
      var batch = DatagramBatch(bytes, segmentSize: 20, to: peer, from: source, trafficClass: 2)
      let next = messages.next(of: &batch, mostSegments: 64)
      let header = Header(try #require(next))
      #expect(Array(header.name) == [2, 0, 0xca, 0x6c, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0])
      #expect(
        Array(header.control) == [
          18, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 103, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0,
          20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
          28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
        ])
    }
  }

  @Test func `say nothing beside a single datagram that needs nothing said`() throws {
    var messages = SendMessages(capacity: 1)
    let bytes = pattern(20)
    bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(bytes, segmentSize: 20, to: peer)
      let message = messages.next(of: &batch, mostSegments: 64)
      #expect(message?.segments == 1)
      #expect(message.map { Header($0).control.isEmpty } == true)
    }
  }

  @Test func `fit their block with everything said, in IPv6`() throws {
    var messages = SendMessages(capacity: 2)
    let bytes = pattern(40)
    try bytes.withUnsafeBytes { bytes in
      let far = Endpoint(try #require(IPAddress("fe80::1")), port: 5, scope: 3)
      var batch = DatagramBatch(
        bytes, segmentSize: 20, to: far, from: IPAddress("fe80::2"), trafficClass: 3)
      let next = messages.next(of: &batch, mostSegments: 64)
      let header = Header(try #require(next))
      #expect(header.control.count == 24 + 24 + 40)
      #expect(SendMessages.controlOffset + header.control.count <= SendMessages.blockLength)
      #expect(SocketAddress.read(header.name) == far)
    }
  }

  private let peer = Endpoint(IPAddress(ipv4: 0xc000_0201), port: 51_820)
}

/// What the kernel finds in a message: struct msghdr, field by field.
private struct Header {
  let name: UnsafeRawBufferPointer
  let control: UnsafeRawBufferPointer
  let byteCount: Int

  init(_ message: SendMessage) {
    let header = UnsafeRawPointer(message.header)
    func pointer(_ offset: Int) -> UnsafeRawPointer? { header.load(fromByteOffset: offset, as: UnsafeRawPointer?.self) }
    func count(_ offset: Int) -> Int { header.load(fromByteOffset: offset, as: Int.self) }
    name = UnsafeRawBufferPointer(start: pointer(0), count: Int(header.load(fromByteOffset: 8, as: UInt32.self)))
    control = UnsafeRawBufferPointer(start: pointer(32), count: count(40))
    byteCount = pointer(16)?.load(fromByteOffset: 8, as: Int.self) ?? -1
  }
}

@Suite struct `An interface that refuses batches` {
  @Test func `gets single datagrams from then on`() {
    var offload = SegmentationOffload(mostSegments: 64)
    #expect(offload.note(9_000, segments: 9) == .sent)
    #expect(offload.note(-EIO, segments: 9) == .sendSingly)
    #expect(offload.isRefused && offload.mostSegments == 1)
    #expect(offload.note(-EIO, segments: 1) == .failed(EIO))
  }

  @Test func `is not accused of what may be another's fault`() {
    var offload = SegmentationOffload(mostSegments: 64)
    #expect(offload.note(-EINVAL, segments: 9) == .sendSingly)
    #expect(!offload.isRefused)
    #expect(offload.note(-EINVAL, segments: 1) == .failed(EINVAL))
    #expect(offload.note(-ENETUNREACH, segments: 9) == .failed(ENETUNREACH))
  }

  @Test func `is told from the kernel's own limit, which is tried`() {
    #expect([64, 128].contains(SegmentationOffload.kernelLimit))
  }
}

@Suite struct `Addresses in the kernel's form` {
  @Test(arguments: ["192.0.2.1:51820", "[2001:db8::1]:1", "[fe80::1%3]:65535"])
  func `read as they were written`(text: String) throws {
    let endpoint = try #require(Endpoint(text))
    var bytes = [UInt8](repeating: 0xee, count: SocketAddress.room)
    let read = try bytes.withUnsafeMutableBytes { bytes in
      let place = try #require(bytes.baseAddress)
      let length = SocketAddress.write(endpoint, to: place)
      return SocketAddress.read(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
    }
    #expect(read == endpoint)
  }

  @Test func `are IPv4 when an IPv6 socket says IPv4 in its own way`() {
    let mapped: [UInt8] =
      [10, 0, 0xca, 0x6c, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 10)
      + [0xff, 0xff, 192, 0, 2, 1, 0, 0, 0, 0]
    #expect(mapped.withUnsafeBytes { SocketAddress.read($0) } == Endpoint("192.0.2.1:51820"))
  }

  @Test(arguments: [[], [2, 0, 1], [UInt8](repeating: 9, count: 28), [10, 0] + [UInt8](repeating: 0, count: 18)])
  func `are none when they are too short or of another kind`(bytes: [UInt8]) {
    #expect(bytes.withUnsafeBytes { SocketAddress.read($0) } == nil)
  }
}

@Suite struct `What stands beside a datagram` {
  @Test func `ends where a message does not fit`() {
    var list: [UInt8] = []
    func add(_ length: UInt8, _ data: [UInt8]) {
      list += [length, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 104, 0, 0, 0] + data
    }
    add(20, [1, 0, 0, 0, 0, 0, 0, 0])
    add(15, [])  // shorter than its own header
    #expect(types(list) == [104])
    list = []
    add(20, [1, 0, 0])  // cut
    #expect(types(list) == [])
    list = [1, 2, 3]
    #expect(types(list) == [])
  }

  private func types(_ list: [UInt8]) -> [Int32] {
    var types: [Int32] = []
    list.withUnsafeBytes { ControlMessages.forEach(in: $0) { _, type, _ in types.append(type) } }
    return types
  }
}
