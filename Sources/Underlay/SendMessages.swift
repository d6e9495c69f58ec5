//  SendMessages.swift — blocks for sends: everything that the kernel wants to see of a batch, made in place.
//
//  Why.  A send through the ring needs a message header, an address, a list of slices and control messages that stay
//  where they are until it is done. Made anew for each they would be four allocations; here they are a block of 192
//  bytes, taken from the top of a stack and put back, so that the same few stay in the cache.
//
//        0        56      72         104                     192
//        │ msghdr │ iovec │ sockaddr │ control messages      │        all pointers point into the same block
//
//  How.  A `DatagramBatch` is what the engine hands over: contiguous bytes that are equal datagrams for one
//  destination.
//  `next(of:)` cuts from it as much as one send can take: all of it where the kernel cuts datagrams itself
//  (UDP_SEGMENT), one datagram where the interface refuses that. So the slow way is the same loop:
//
//        while let message = messages.next(of: &batch, mostSegments: offload.mostSegments) {
//          ring.send(message.header, on: socket.descriptor, tag: Tag(Kind.send, number: message.number))
//        }
//
//  What is left in the batch afterwards found no block; the caller keeps or drops it. A completion gives the block back
//  with `finish`, which says what it carried: what was refused can be sent again in single datagrams.
//
//  Always true.  (1) A block belongs to the kernel from `next` to `finish`. (2) The bytes of a batch stay until all its
//  messages are finished; the caller counts them, `context` is his. (3) No send is longer than 65,507 bytes.

public import Glibc
public import Primitives

/// Equal datagrams for one destination, one behind the other; the last may be shorter.
public struct DatagramBatch {
  /// What has not yet got a message.
  public var bytes: UnsafeRawBufferPointer
  public var segmentSize: Int
  public var destination: Endpoint
  /// The address of ours that they leave from; nil: the kernel chooses.
  public var source: IPAddress?
  /// The IP header's byte: ECN in the lowest two bits, DSCP above.
  public var trafficClass: UInt8
  /// The caller's: it comes back with `finish`.
  public var context: UInt64

  @inlinable
  public init(
    _ bytes: UnsafeRawBufferPointer, segmentSize: Int, to destination: Endpoint, from source: IPAddress? = nil,
    trafficClass: UInt8 = 0, context: UInt64 = 0
  ) {
    precondition(segmentSize > 0, "a datagram has at least a byte")
    self.bytes = bytes
    self.segmentSize = segmentSize
    self.destination = destination
    self.source = source
    self.trafficClass = trafficClass
    self.context = context
  }

  /// Everything has its message.
  @inlinable public var isEmpty: Bool { bytes.isEmpty }
}

public struct SendMessage {
  /// For the tag, and for `finish`.
  public let number: UInt32
  public let header: UnsafePointer<msghdr>
  /// How many datagrams it is.
  public let segments: Int

  @inlinable init(number: UInt32, header: UnsafePointer<msghdr>, segments: Int) {
    self.number = number
    self.header = header
    self.segments = segments
  }
}

public struct SendMessages: ~Copyable {
  @usableFromInline static let blockLength = 192
  @usableFromInline static let sliceOffset = 56
  @usableFromInline static let addressOffset = 72
  @usableFromInline static let controlOffset = 104

  /// What an IPv4 packet has room for: 65,535 without its own header and UDP's.
  public static let mostBytes = 65_507

  @usableFromInline let blocks: UnsafeMutableRawPointer
  /// What each message carries.
  @usableFromInline let carried: UnsafeMutablePointer<DatagramBatch>
  @usableFromInline let free: UnsafeMutablePointer<UInt32>
  @usableFromInline var freeCount: Int
  public let capacity: Int

  public init(capacity: Int) {
    precondition(capacity > 0 && capacity <= 1 << 20, "a pool has 1 … 1,048,576 messages")
    self.capacity = capacity
    blocks = .allocate(byteCount: capacity * SendMessages.blockLength, alignment: 64)
    carried = .allocate(capacity: capacity)
    free = .allocate(capacity: capacity)
    freeCount = capacity
    for number in 0..<capacity {
      free[number] = UInt32(capacity - 1 - number)
      let block = blocks + number * SendMessages.blockLength
      var header = msghdr()
      header.msg_name = block + SendMessages.addressOffset
      header.msg_iov = (block + SendMessages.sliceOffset).assumingMemoryBound(to: iovec.self)
      header.msg_iovlen = 1
      block.initializeMemory(as: UInt8.self, repeating: 0, count: SendMessages.blockLength)
      block.bindMemory(to: msghdr.self, capacity: 1).initialize(to: header)
    }
  }

  deinit {
    blocks.deallocate()
    carried.deallocate()
    free.deallocate()
  }

  /// Messages on their way.
  @inlinable public var pending: Int { capacity - freeCount }

  /// The next message of this batch, with at most so many datagrams; nil when all have one, or no block is free.
  @inlinable
  public mutating func next(of batch: inout DatagramBatch, mostSegments: Int) -> SendMessage? {
    if batch.bytes.isEmpty || freeCount == 0 { return nil }
    let most = max(1, min(mostSegments, SendMessages.mostBytes / batch.segmentSize)) * batch.segmentSize
    let count = min(batch.bytes.count, most)
    let segments = count <= batch.segmentSize ? 1 : (count + batch.segmentSize - 1) / batch.segmentSize
    freeCount -= 1
    let number = free[freeCount]
    let block = blocks + Int(number) * SendMessages.blockLength
    var part = batch
    part.bytes = UnsafeRawBufferPointer(rebasing: batch.bytes[..<count])
    (carried + Int(number)).initialize(to: part)
    batch.bytes = UnsafeRawBufferPointer(rebasing: batch.bytes[count...])

    let header = block.assumingMemoryBound(to: msghdr.self)
    header.pointee.msg_namelen = socklen_t(
      SocketAddress.write(part.destination, to: block + SendMessages.addressOffset))
    (block + SendMessages.sliceOffset).storeBytes(
      of: iovec(iov_base: UnsafeMutableRawPointer(mutating: part.bytes.baseAddress), iov_len: count), as: iovec.self)
    let control = block + SendMessages.controlOffset
    let end = SendMessages.writeControl(part, isSegmented: segments > 1, at: control)
    header.pointee.msg_control = end == control ? nil : control
    header.pointee.msg_controllen = end - control
    return SendMessage(number: number, header: UnsafePointer(header), segments: segments)
  }

  /// Returns its end.
  @inlinable @inline(__always)
  static func writeControl(
    _ batch: DatagramBatch, isSegmented: Bool, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    var place = start
    if isSegmented {
      let data = ControlMessages.begin(ControlMessages.levelUDP, ControlMessages.segment, count: 2, at: place)
      data.storeBytes(of: UInt16(truncatingIfNeeded: batch.segmentSize), as: UInt16.self)
      place += ControlMessages.space(2)
    }
    let isIPv4 = batch.destination.address.family == .ipv4
    if batch.trafficClass != 0 {
      let data =
        isIPv4
        ? ControlMessages.begin(ControlMessages.levelIPv4, ControlMessages.typeOfService, count: 4, at: place)
        : ControlMessages.begin(ControlMessages.levelIPv6, ControlMessages.trafficClass6, count: 4, at: place)
      data.storeBytes(of: Int32(batch.trafficClass), as: Int32.self)
      place += ControlMessages.space(4)
    }
    guard let source = batch.source, source.family == batch.destination.address.family else { return place }
    if isIPv4 {
      let data = ControlMessages.begin(ControlMessages.levelIPv4, ControlMessages.packetInfo, count: 12, at: place)
      data.storeBytes(of: 0, as: UInt32.self)  // any interface: the socket knows it
      data.storeBytes(
        of: UInt32(truncatingIfNeeded: source.high >> 32).bigEndian, toByteOffset: 4, as: UInt32.self)
      data.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
      return place + ControlMessages.space(12)
    }
    let data = ControlMessages.begin(ControlMessages.levelIPv6, ControlMessages.packetInfo6, count: 20, at: place)
    data.storeBytes(of: source.high.bigEndian, as: UInt64.self)
    data.storeBytes(of: source.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    // A link-local source is one of an interface.
    data.storeBytes(of: batch.destination.scope, toByteOffset: 16, as: UInt32.self)
    return place + ControlMessages.space(20)
  }

  /// The kernel is done with this message: what it carried.
  @inlinable
  public mutating func finish(_ number: UInt32) -> DatagramBatch {
    precondition(Int(number) < capacity && freeCount < capacity, "no such message is on its way")
    free[freeCount] = number
    freeCount += 1
    return carried[Int(number)]
  }
}
