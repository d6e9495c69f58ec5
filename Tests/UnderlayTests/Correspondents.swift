import Glibc
import Primitives
import Ring
import Testing

@testable import Underlay

/// One that sends and one that receives, through one ring.
struct Correspondents: ~Copyable {
  private enum Kind: UInt8 { case receive = 1, send }

  /// What came in one buffer.
  struct Arrival: Equatable {
    var source: Endpoint
    var destination: IPAddress?
    var trafficClass: UInt8
    var segmentSize: Int
    var datagrams: [[UInt8]]
  }

  let sender: UDPSocket
  let receiver: UDPSocket
  var ring: Ring
  var messages = SendMessages(capacity: 64)
  private let group: Ring.BufferGroup
  private let memory: UnsafeMutableRawBufferPointer

  static func make(
    _ sender: consuming UDPSocket, _ receiver: consuming UDPSocket, buffers: Int = 8
  ) throws -> Correspondents {
    var ring = try Ring.make(entries: 64, completions: 512, bufferGroups: 1)
    let group = try ring.makeBufferGroup(capacity: buffers)
    return Correspondents(sender, receiver, ring: ring, group)
  }

  private init(
    _ sender: consuming UDPSocket, _ receiver: consuming UDPSocket, ring: consuming Ring, _ group: Ring.BufferGroup
  ) {
    self.sender = sender
    self.receiver = receiver
    self.ring = ring
    self.group = group
    memory = .allocate(byteCount: group.capacity * ReceivedDatagrams.bufferLength, alignment: 64)
    for number in 0..<group.capacity { lend(number) }
    listen()
  }

  deinit { memory.deallocate() }

  private mutating func listen() {
    ring.receive(receiver.descriptor, into: group, layout: ReceivedDatagrams.layout, tag: Tag(Kind.receive))
  }

  private mutating func lend(_ number: Int) {
    let start = number * ReceivedDatagrams.bufferLength
    ring.provide(
      UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + ReceivedDatagrams.bufferLength]),
      number: UInt16(number), to: group)
    ring.publish(group)
  }

  /// Sends a batch; what the kernel said to each message, and what arrived.
  mutating func exchange(
    _ bytes: [UInt8], segmentSize: Int, to destination: Endpoint, from source: IPAddress? = nil,
    trafficClass: UInt8 = 0, mostSegments: Int = SegmentationOffload.kernelLimit
  ) -> (results: [Int32], arrivals: [Arrival]) {
    bytes.withUnsafeBytes { bytes in
      var batch = DatagramBatch(
        bytes, segmentSize: segmentSize, to: destination, from: source, trafficClass: trafficClass)
      while let message = messages.next(of: &batch, mostSegments: mostSegments) {
        ring.send(message.header, on: sender.descriptor, tag: Tag(Kind.send, number: message.number))
      }
      ring.submit()
      return collect()
    }
  }

  private mutating func collect() -> (results: [Int32], arrivals: [Arrival]) {
    var results: [Int32] = []
    var arrivals: [Arrival] = []
    var isSilent = false
    while !isSilent {
      isSilent = true
      while let completion = ring.nextCompletion() {
        isSilent = false
        if completion.tag.kind(Kind.self) == .send {
          _ = messages.finish(completion.tag.number)
          results.append(completion.result)
          continue
        }
        if let buffer = completion.buffer {
          let start = Int(buffer) * ReceivedDatagrams.bufferLength
          let filled = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Int(completion.result)])
          if let received = ReceivedDatagrams(filled) {
            arrivals.append(
              Arrival(
                source: received.source, destination: received.destination, trafficClass: received.trafficClass,
                segmentSize: received.segmentSize, datagrams: (0..<received.count).map { Array(received[$0]) }))
          }
          lend(Int(buffer))
        }
        if !completion.isRepeating { listen() }
      }
      // The softirq that delivers may be another processor's: a moment for it, and done when nothing came in it.
      ring.wait(timeout: .milliseconds(isSilent && arrivals.isEmpty ? 50 : 5))
      if ring.hasCompletion { isSilent = false }
    }
    return (results, arrivals)
  }
}

/// Bytes that tell their place.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) } }
