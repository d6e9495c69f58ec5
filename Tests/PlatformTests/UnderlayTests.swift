import Glibc
import Primitives
import Ring
import Testing
import Underlay

//  What the gateway assumes of UDP sockets behind io_uring: batches out, joined datagrams in, with all that the kernel
//  says of them. When one of these fails on a new kernel, the gateway is slow or deaf there, and this is where to look.

@Suite(.serialized, .enabled(if: getuid() == 0, "needs root: it makes network namespaces with a cable between them"))
struct `Datagrams between two namespaces` {
  @Test(arguments: ["10.0.0.2", "fd00::2"])
  func `a batch crosses the cable whole and arrives as one buffer`(text: String) throws {
    let pair = try Pair()
    let bytes = (0..<44 * 1_428).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    let to = Endpoint(try #require(IPAddress(text)), port: pair.right.port)
    let sent = pair.send(bytes, segmentSize: 1_428, to: to)
    #expect(sent == [Int32(bytes.count)])
    let arrivals = pair.receive()
    #expect(arrivals.count == 1 && arrivals.first?.segmentSize == 1_428)
    #expect(arrivals.first?.bytes == bytes)
  }

  @Test(arguments: [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")], [0, 1, 2, 3, 0xb9] as [UInt8])
  func `ECN and DSCP cross a socket for both families in both directions of its options`(
    addresses: (String, String), trafficClass: UInt8
  ) throws {
    let pair = try Pair()
    let to = Endpoint(try #require(IPAddress(addresses.0)), port: pair.right.port)
    #expect(pair.send([1, 2, 3], segmentSize: 2, to: to, trafficClass: trafficClass) == [3])
    let arrival = try #require(pair.receive().first)
    #expect(arrival.trafficClass == trafficClass)
    #expect(arrival.source == Endpoint(try #require(IPAddress(addresses.1)), port: pair.left.port))
    #expect(arrival.destination == to.address)
  }

  @Test func `the address that was asked is told, and can be answered from`() throws {
    let pair = try Pair()
    let second = try #require(IPAddress("10.0.0.3"))
    #expect(pair.send([1], segmentSize: 1, to: Endpoint(second, port: pair.right.port)) == [1])
    let question = try #require(pair.receive().first)
    #expect(question.destination == second)
    #expect(pair.answer([2], to: question.source, from: question.destination) == [1])
    #expect(pair.receiveAnswers().first?.source == Endpoint(second, port: pair.right.port))
  }

  @Test func `a small ring of buffers ends with ENOBUFS, and nothing is lost when it is asked again`() throws {
    let pair = try Pair(buffers: 2)
    let to = Endpoint(try #require(IPAddress("10.0.0.2")), port: pair.right.port)
    for number in 1...7 as ClosedRange<UInt8> { #expect(pair.send([number, number], segmentSize: 2, to: to) == [2]) }
    let arrivals = pair.receive()
    #expect(arrivals.map(\.bytes) == (1...7).map { [$0, $0] })
    #expect(pair.ends.contains(-ENOBUFS) && pair.ends.allSatisfy { $0 == -ENOBUFS })
  }

  @Test(arguments: ["10.0.0.2", "fd00::2"])
  func `a datagram that the interface cannot carry is refused, not cut`(text: String) throws {
    let pair = try Pair()
    let to = Endpoint(try #require(IPAddress(text)), port: pair.right.port)
    let header = to.address.family == .ipv4 ? 28 : 48
    let fits = [UInt8](repeating: 1, count: 1_500 - header)
    #expect(pair.send(fits, segmentSize: fits.count, to: to) == [Int32(fits.count)])
    #expect(pair.send(fits + [1], segmentSize: fits.count + 1, to: to) == [-EMSGSIZE])
    #expect(pair.receive().map(\.bytes.count) == [fits.count])
  }

  @Test func `sends complete before the call returns, in their order`() throws {
    let pair = try Pair()
    let to = Endpoint(try #require(IPAddress("10.0.0.2")), port: pair.right.port)
    let bytes = [UInt8](repeating: 5, count: 16 * 500 + 20)
    let sent = pair.send(bytes, segmentSize: 500, to: to, mostSegments: 1)
    #expect(sent == [Int32](repeating: 500, count: 16) + [20])
    #expect(pair.sentNumbers == pair.orderedNumbers)
  }
}

/// A socket at each end of a cable, both behind one ring.
private final class Pair {
  private enum Kind: UInt8 { case left = 1, right, send }

  struct Arrival {
    var source: Endpoint
    var destination: IPAddress?
    var trafficClass: UInt8
    var segmentSize: Int
    var bytes: [UInt8]
  }

  let left: UDPSocket
  let right: UDPSocket
  private let cable: Cable
  private var ring: Ring
  private var messages = SendMessages(capacity: 64)
  private let groups: [Ring.BufferGroup]
  private let memory: UnsafeMutableRawBufferPointer
  /// With what receives ended.
  private(set) var ends: [Int32] = []
  /// Of the last send: as completed, and as submitted.
  private(set) var sentNumbers: [UInt32] = []
  private(set) var orderedNumbers: [UInt32] = []

  init(buffers: Int = 8) throws {
    cable = try Cable()
    left = try Pair.open("left", in: cable.left)
    right = try Pair.open("right", in: cable.right)
    ring = try Ring.make(entries: 64, completions: 512, bufferGroups: 2)
    groups = [try ring.makeBufferGroup(capacity: buffers), try ring.makeBufferGroup(capacity: buffers)]
    memory = .allocate(byteCount: 2 * buffers * ReceivedDatagrams.bufferLength, alignment: 64)
    for number in 0..<2 * buffers { lend(number) }
    for end in 0..<2 { listen(end) }
    ring.submit()
  }

  deinit { memory.deallocate() }

  private static func open(_ interface: String, in namespace: Int32) throws -> UDPSocket {
    var made: UDPSocket?
    var failure: (any Error)?
    try inside(namespace) {
      do { made = try UDPSocket.open(interface: interface) } catch { failure = error }
    }
    if let failure { throw failure }
    guard let socket = made.take() else { throw RingTestFailure() }
    return socket
  }

  private struct RingTestFailure: Error {}

  private func listen(_ end: Int) {
    ring.receive(
      end == 0 ? left.descriptor : right.descriptor, into: groups[end], layout: ReceivedDatagrams.layout,
      tag: Tag(end == 0 ? Kind.left : .right))
  }

  private func buffer(_ number: Int) -> UnsafeMutableRawBufferPointer {
    let start = number * ReceivedDatagrams.bufferLength
    return UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + ReceivedDatagrams.bufferLength])
  }

  private func lend(_ number: Int) {
    let group = groups[number / groups[0].capacity]
    ring.provide(buffer(number), number: UInt16(number), to: group)
    ring.publish(group)
  }

  func send(
    _ bytes: [UInt8], segmentSize: Int, to destination: Endpoint, trafficClass: UInt8 = 0,
    mostSegments: Int = SegmentationOffload.kernelLimit
  ) -> [Int32] {
    transmit(
      left.descriptor, bytes, segmentSize: segmentSize, to: destination, from: nil, trafficClass: trafficClass,
      mostSegments: mostSegments)
  }

  func answer(_ bytes: [UInt8], to destination: Endpoint, from source: IPAddress?) -> [Int32] {
    transmit(
      right.descriptor, bytes, segmentSize: bytes.count, to: destination, from: source, trafficClass: 0,
      mostSegments: 1)
  }

  private func transmit(
    _ descriptor: Int32, _ bytes: [UInt8], segmentSize: Int, to destination: Endpoint, from source: IPAddress?,
    trafficClass: UInt8, mostSegments: Int
  ) -> [Int32] {
    sentNumbers = []
    orderedNumbers = []
    var results: [Int32] = []
    bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(
        bytes, segmentSize: segmentSize, to: destination, from: source, trafficClass: trafficClass)
      while let message = messages.next(of: &batch, mostSegments: mostSegments) {
        orderedNumbers.append(message.number)
        ring.send(message.header, on: descriptor, tag: Tag(Kind.send, number: message.number))
      }
      ring.submit()
      results = drain()
    }
    return results
  }

  private var arrivals: [[Arrival]] = [[], []]

  /// Takes all completions; those of sends are returned.
  private func drain() -> [Int32] {
    var results: [Int32] = []
    while let completion = ring.nextCompletion() {
      guard let kind = completion.tag.kind(Kind.self) else { continue }
      if kind == .send {
        _ = messages.finish(completion.tag.number)
        sentNumbers.append(completion.tag.number)
        results.append(completion.result)
        continue
      }
      let end = kind == .left ? 0 : 1
      if let number = completion.buffer {
        let filled = UnsafeMutableRawBufferPointer(rebasing: buffer(Int(number))[..<Int(completion.result)])
        if let received = ReceivedDatagrams(filled) {
          arrivals[end].append(
            Arrival(
              source: received.source, destination: received.destination, trafficClass: received.trafficClass,
              segmentSize: received.segmentSize, bytes: Array(received.bytes)))
        }
        held.append(Int(number))
      }
      if !completion.isRepeating {
        ends.append(completion.result)
        // What was held back until here is lent again, as a loop does that has worked it off.
        for number in held { lend(number) }
        held = []
        listen(end)
      }
    }
    return results
  }

  private var held: [Int] = []

  func receive() -> [Arrival] { collect(1) }
  func receiveAnswers() -> [Arrival] { collect(0) }

  private func collect(_ end: Int) -> [Arrival] {
    // The cable's other end may be another processor's work: until nothing came for a moment.
    var before = -1
    while arrivals[end].count != before {
      before = arrivals[end].count
      ring.wait(timeout: .milliseconds(50))
      _ = drain()
    }
    defer { arrivals[end] = [] }
    return arrivals[end]
  }
}
