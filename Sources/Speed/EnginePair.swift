//  EnginePair.swift — two engines with nothing between them: what one sends, the other has.

import Engine
import Handshake
import Packets
import Parity
public import Primitives
import Resequencer
public import Sealing
import Wire

public struct EnginePair: ~Copyable {
  private var first: Engine
  private var second: Engine
  private let memory: [UnsafeMutableRawBufferPointer]
  /// What the first one's virtual NIC is read into.
  private let buffers: UnsafeMutableRawPointer
  private static let stride = 66_048
  /// As many as the program lends: packets stay in theirs until the other side has reported them.
  private static let bufferCount = 1_024
  /// A path's round trip here, since what one sends in a turn the other reports in the next.
  private static let step = Interval.microseconds(50)
  private var freeBuffers = RingBuffer<UInt16>(minimumCapacity: EnginePair.bufferCount)
  private var now = Instant.zero + .seconds(1)
  /// Packets; a bundle of many counts as many.
  public private(set) var delivered = 0
  /// Nanoseconds of the second one, which receives, while `isTimed`; all else of a round is the first one's.
  public private(set) var receiving = 0
  public var isTimed = false

  public static let users = (
    first: IPAddress(ipv4: 0x0a4d_0001), second: IPAddress(ipv4: 0x0a4d_0002)
  )

  public init(paths: Int, _ cryptography: any Cryptography) {
    var memory: [UnsafeMutableRawBufferPointer] = []
    func zeros(_ count: Int) -> UnsafeMutableRawBufferPointer {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      memory.append(bytes)
      return bytes
    }
    func key(_ number: UInt8) -> Secret {
      var secret = Secret()
      _ = secret.withMutableBytes { $0.initializeMemory(as: UInt8.self, repeating: number) }
      return secret
    }
    let one = Identity(privateKey: key(1), cryptography)
    let other = Identity(privateKey: key(2), cryptography)
    func engine(_ identity: Identity, _ peer: Identity, _ inner: IPAddress, knows: Bool) -> Engine {
      var settings = GatewaySettings(wallClockAtZero: WallTime(seconds: 1, nanoseconds: 0))
      settings.paths = (0..<paths).map { LocalPath(name: "\($0)") }
      settings.mostFlows = 1024
      settings.peers = [
        PeerSettings(
          name: "peer", publicKey: peer.publicKey, endpoints: knows ? [EnginePair.endpoint] : [],
          allowed: [IPPrefix(inner)])
      ]
      let memory = Engine.Memory(
        batches: zeros(64 * 65_536), segments: zeros(16 << 20), flows: zeros(Engine.Memory.flowBytes(for: 1024)))
      do throws(SettingsConflict) {
        return try Engine.make(settings, identity: identity, erasure: ReedSolomon.code, memory: memory)
      } catch {
        preconditionFailure("\(error)")
      }
    }
    first = engine(one, other, EnginePair.users.second, knows: true)
    second = engine(other, one, EnginePair.users.first, knows: false)
    buffers =
      zeros(EnginePair.bufferCount * EnginePair.stride).baseAddress
      ?? UnsafeMutableRawPointer.allocate(
        byteCount: 1, alignment: 1)
    self.memory = memory
    first.start(at: now)
    second.start(at: now)
    for _ in 0..<200 { turn() }
  }

  deinit { for bytes in memory { bytes.deallocate() } }

  private static let endpoint = Endpoint(IPAddress(ipv4: 0x0a09_0002), port: 51820)

  /// Writes these packets into the buffers in turn, as the virtual NIC would.
  public mutating func fill(with packets: [[UInt8]]) {
    for buffer in 0..<EnginePair.bufferCount {
      let packet = packets[buffer % packets.count]
      (buffers + buffer * EnginePair.stride).copyMemory(from: packet, byteCount: packet.count)
      freeBuffers.append(UInt16(buffer))
    }
  }

  /// Packets in, everything across, deliveries out, for as many turns as the pace of the paths wants: that is one as
  /// soon as they are known.
  public mutating func round(packets: Int, length: Int) {
    for _ in 0..<packets {
      guard let buffer = freeBuffers.popFirst() else { break }
      first.packet(
        UnsafeMutableRawBufferPointer(start: buffers + Int(buffer) * EnginePair.stride, count: length), buffer: buffer,
        at: now)
    }
    let wanted = delivered + packets
    for _ in 0..<EnginePair.mostTurns {
      turn()
      if delivered >= wanted { break }
    }
  }

  private static let mostTurns = 100_000

  private mutating func turn() {
    now += EnginePair.step
    if let due = first.deadline, due <= now { first.expire(at: now) }
    first.flush(at: now)
    let flushed = isTimed ? Stopwatch.now : 0
    if let due = second.deadline, due <= now { second.expire(at: now) }
    second.flush(at: now)
    if isTimed { receiving += Stopwatch.now - flushed }
    while let buffer = first.nextFreeBuffer() { freeBuffers.append(buffer) }
    while let index = first.nextBatch() {
      let batch = first.batch(index)
      let arrived = isTimed ? Stopwatch.now : 0
      second.receive(arrival(batch, from: 0x0a09_0001), at: now)
      if isTimed { receiving += Stopwatch.now - arrived }
      first.sent(index, wasTaken: true)
    }
    while let index = second.nextBatch() {
      let batch = second.batch(index)
      first.receive(arrival(batch, from: 0x0a09_0002), at: now)
      second.sent(index, wasTaken: true)
    }
    let written = isTimed ? Stopwatch.now : 0
    while let delivery = second.nextDelivery() {
      delivered += delivery.packetCount
      second.written(delivery.handle, wasTaken: true)
    }
    if isTimed { receiving += Stopwatch.now - written }
    while first.nextEvent() != nil {}
    while second.nextEvent() != nil {}
  }

  private func arrival(_ batch: SendBatch, from address: UInt32) -> Arrival {
    Arrival(
      bytes: UnsafeMutableRawBufferPointer(start: batch.bytes, count: batch.length), pieceLength: batch.pieceLength,
      route: Route(socket: batch.route.socket, remote: Endpoint(IPAddress(ipv4: address), port: 51820)))
  }
}
