//  SendBatches.swift — sealed datagrams on their way out, in blocks that one kernel call sends.
//
//  Why.  The kernel charges for the call, not for the datagram: 44 datagrams of one size in one block (UDP_SEGMENT)
//  cost what two single ones do. So whatever leaves on one path in one turn is written into one block, as long as the
//  sizes allow it.
//
//  How.  Each path has at most one open batch. A datagram is appended when it is as long as those before; a shorter one
//  ends the batch (only the last may be short); anything else closes the batch and opens a new one. When a batch is
//  closed, the locations of its datagrams are masked, all at once, and it waits in `ready` for whoever sends it.
//
//      free ──reserve──▶ open on a path ──close──▶ ready ──nextReady──▶ with the kernel ──release──▶ free
//
//  The free list is last in, first out: the block that was just sent is still in the cache, and is written next.
//
//  Always true.  (1) Every batch is in exactly one of the four places. (2) All pieces of a batch but the last have the
//  same length, the last at most that. (3) A closed batch is never written to again until it was released.

public import Primitives
import Sealing
import Wire

/// From which of our sockets, and to whom.
public struct Route: Hashable, BitwiseCopyable, Sendable {
  /// The place of the local path in the configuration.
  public var socket: UInt8
  public var remote: Endpoint
  /// Our address that the other side knows; nil: whatever the kernel chooses.
  public var local: IPAddress?

  public init(socket: UInt8, remote: Endpoint, local: IPAddress? = nil) {
    self.socket = socket
    self.remote = remote
    self.local = local
  }
}

public struct SendBatch: BitwiseCopyable {
  public let bytes: UnsafeMutableRawPointer
  public var length = 0
  /// Of every datagram but perhaps the last.
  public var pieceLength = 0
  public var pieces = 0
  public var route: Route
  /// The outer header may be marked instead of dropped, since every packet inside may (RFC 6040).
  public var isCongestionCapable = false
  /// For the counters when it has been sent.
  public var peer: UInt32 = 0
  public var path: UInt8 = 0
  fileprivate var masks: Masks = .none

  fileprivate enum Masks: BitwiseCopyable {
    /// Handshake messages have no location.
    case none
    case key(SealingKey)
  }
}

struct SendBatches: ~Copyable {
  /// A UDP payload has at most 65,507 bytes over IPv4; over IPv6 20 fewer fit, and that is the bound for both.
  static let mostBytes = 65_487
  static let capacity = 65_536
  /// The kernel's limit was 64 before Linux 6.9, and is 128 since; who drives the sockets may raise it.
  let mostPieces: Int

  private let batches: UnsafeMutablePointer<SendBatch>
  private let count: Int
  private var free: RingBuffer<UInt16>
  private var ready: RingBuffer<UInt16>
  private let scratch: UnsafeMutableRawPointer
  private static let mostMasks = 128

  /// Each batch takes 64 KiB of `memory`.
  init(memory: UnsafeMutableRawBufferPointer, mostPieces: Int) {
    let number = min(memory.count / SendBatches.capacity, Int(UInt16.max) - 1)
    guard let start = memory.baseAddress, number > 0 else { preconditionFailure("no memory for a single batch") }
    let nowhere = Route(socket: 0, remote: Endpoint(IPAddress(ipv4: 0), port: 0))
    let blocks = UnsafeMutablePointer<SendBatch>.allocate(capacity: number)
    var all = RingBuffer<UInt16>(minimumCapacity: number)
    for index in (0..<number).reversed() {
      (blocks + index).initialize(to: SendBatch(bytes: start + index * SendBatches.capacity, route: nowhere))
      all.append(UInt16(index))
    }
    self.mostPieces = mostPieces
    count = number
    batches = blocks
    free = all
    ready = RingBuffer(minimumCapacity: number)
    scratch = .allocate(byteCount: SendBatches.mostMasks * SealingKey.sampleLength, alignment: 64)
  }

  deinit {
    batches.deallocate()
    scratch.deallocate()
  }

  var freeCount: Int { free.count }
  var isAllFree: Bool { free.count == count }

  subscript(index: UInt16) -> SendBatch { batches[Int(index)] }

  // MARK: Writing

  /// Room for one datagram of `length` bytes on a path; nil when no batch is free. Whoever
  /// asks has made sure that one is (`freeCount`), since half a segment is no use.
  @inline(__always)
  mutating func reserve(
    _ length: Int, on path: UnsafeMutablePointer<PeerPath>, key: SealingKey, isCongestionCapable: Bool
  ) -> UnsafeMutableRawPointer? {
    if let index = path.pointee.openBatch {
      let batch = batches + Int(index)
      if length == batch.pointee.pieceLength && batch.pointee.pieces < mostPieces
        && batch.pointee.length + length <= SendBatches.mostBytes
        && batch.pointee.isCongestionCapable == isCongestionCapable
      {
        let place = batch.pointee.bytes + batch.pointee.length
        batch.pointee.length += length
        batch.pointee.pieces += 1
        return place
      }
    }
    return reserveSlowly(length, on: path, key: key, isCongestionCapable: isCongestionCapable)
  }

  private mutating func reserveSlowly(
    _ length: Int, on path: UnsafeMutablePointer<PeerPath>, key: SealingKey, isCongestionCapable: Bool
  ) -> UnsafeMutableRawPointer? {
    if let index = path.pointee.openBatch {
      let batch = batches + Int(index)
      path.pointee.openBatch = nil
      let fits =
        length < batch.pointee.pieceLength && batch.pointee.pieces < mostPieces
        && batch.pointee.length + length <= SendBatches.mostBytes
        && batch.pointee.isCongestionCapable == isCongestionCapable
      if fits {
        // The last one may be shorter. It is written after the batch left the path, and masked when it is: see
        // `finish`.
        let place = batch.pointee.bytes + batch.pointee.length
        batch.pointee.length += length
        batch.pointee.pieces += 1
        short = index
        return place
      }
      close(index)
    }
    guard let index = free.popLast() else { return nil }
    let batch = batches + Int(index)
    batch.pointee.length = length
    batch.pointee.pieceLength = length
    batch.pointee.pieces = 1
    batch.pointee.route = path.pointee.route
    batch.pointee.isCongestionCapable = isCongestionCapable
    batch.pointee.peer = path.pointee.peer
    batch.pointee.path = path.pointee.id
    batch.pointee.masks = .key(key)
    path.pointee.openBatch = index
    return batch.pointee.bytes
  }

  /// A batch that has got its short last datagram, until that is written.
  private var short: UInt16?

  /// The datagram that was reserved last is written.
  @inline(__always)
  mutating func finish() {
    if let index = short {
      short = nil
      close(index)
    }
  }

  /// One message of the handshake, on its own.
  mutating func append(message: UnsafeRawBufferPointer, on route: Route) -> Bool {
    guard let index = free.popLast(), let start = message.baseAddress else { return false }
    let batch = batches + Int(index)
    batch.pointee.bytes.copyMemory(from: start, byteCount: message.count)
    batch.pointee.length = message.count
    batch.pointee.pieceLength = message.count
    batch.pointee.pieces = 1
    batch.pointee.route = route
    batch.pointee.isCongestionCapable = false
    batch.pointee.peer = .max
    batch.pointee.path = .max
    batch.pointee.masks = .none
    ready.append(index)
    return true
  }

  /// Masks the locations and hands the batch over.
  mutating func close(_ index: UInt16) {
    let batch = batches[Int(index)]
    if case .key(let key) = batch.masks { mask(batch, key) }
    ready.append(index)
  }

  private func mask(_ batch: SendBatch, _ key: SealingKey) {
    var first = 0
    while first < batch.pieces {
      let count = min(batch.pieces - first, SendBatches.mostMasks)
      for piece in 0..<count {
        let end = min((first + piece + 1) * batch.pieceLength, batch.length)
        (scratch + piece * SealingKey.sampleLength).copyMemory(
          from: batch.bytes + (end - DataHeader.tagLength), byteCount: SealingKey.sampleLength)
      }
      key.mask(key.context, scratch, count, scratch)
      for piece in 0..<count {
        let start = batch.bytes + (first + piece) * batch.pieceLength
        Location.toggle(start + DataHeader.clearLength, mask: scratch + piece * SealingKey.sampleLength)
      }
      first += count
    }
  }

  // MARK: Sending

  mutating func nextReady() -> UInt16? { ready.popFirst() }

  mutating func release(_ index: UInt16) { free.append(index) }
}
