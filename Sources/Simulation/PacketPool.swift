//  PacketPool.swift — the memory of all packets that are on their way: slots of one size, made in chunks, used again
//  and again.
//
//  A packet is copied once, from its sender into a slot, and then only its number travels. The slot that was freed last
//  is used next, since the cache still knows it. Chunks come when they are needed and stay: after warm-up nothing is
//  allocated.
//
//  Always true.  A slot is either free or in use, and `inUse` counts the latter; at most `mostSlots` exist.

import Primitives

/// What the world knows of a packet, beside its bytes.
struct Packet: BitwiseCopyable {
  /// Counted over the whole world, in the order of sending.
  var number: UInt64 = 0
  var route: UInt32 = 0
  /// How many links of the route it has behind it.
  var hop: UInt32 = 0
  var length: UInt32 = 0
  /// The one's complement sum of the bytes as they were sent, when somebody captures them.
  var sum: UInt32 = 0
}

@safe struct PacketPool: ~Copyable {
  private static let slotsInChunk = 256
  private static let headerSize = 64

  private let stride: Int
  /// How many bytes a datagram may have.
  let capacity: Int
  private let mostSlots: Int
  private let chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private var made = 0
  private var free = RingBuffer<UInt32>(minimumCapacity: PacketPool.slotsInChunk)
  private(set) var inUse = 0

  init(capacity: Int, mostSlots: Int) {
    precondition(MemoryLayout<Packet>.size <= PacketPool.headerSize, "a packet's header outgrew its place")
    self.capacity = capacity
    self.mostSlots = mostSlots
    stride = PacketPool.headerSize + (capacity + 63) / 64 * 64
    unsafe chunks = .allocate(capacity: mostSlots / PacketPool.slotsInChunk + 1)
  }

  deinit {
    for index in 0..<(made / PacketPool.slotsInChunk) { unsafe chunks[index].deallocate() }
    unsafe chunks.deallocate()
  }

  /// A slot, or nil when the world holds as many packets as it may.
  mutating func take() -> UInt32? {
    if free.isEmpty && !grow() { return nil }
    inUse += 1
    return free.popLast()
  }

  mutating func giveBack(_ slot: UInt32) {
    inUse -= 1
    free.append(slot)
  }

  private mutating func grow() -> Bool {
    if made + PacketPool.slotsInChunk > mostSlots { return false }
    let chunk = UnsafeMutableRawPointer.allocate(byteCount: PacketPool.slotsInChunk * stride, alignment: 64)
    unsafe (chunks + made / PacketPool.slotsInChunk).initialize(to: chunk)
    for slot in (made..<(made + PacketPool.slotsInChunk)).reversed() {
      unsafe (chunk + (slot % PacketPool.slotsInChunk) * stride).initializeMemory(as: Packet.self, to: Packet())
      free.append(UInt32(slot))
    }
    made += PacketPool.slotsInChunk
    return true
  }

  @inline(__always) private func address(_ slot: UInt32) -> UnsafeMutableRawPointer {
    let slot = Int(slot)
    precondition(slot < made, "no such slot")
    return unsafe chunks[slot / PacketPool.slotsInChunk] + (slot % PacketPool.slotsInChunk) * stride
  }

  subscript(_ slot: UInt32) -> Packet {
    @inline(__always) get { unsafe address(slot).assumingMemoryBound(to: Packet.self).pointee }
    @inline(__always) nonmutating set {
      unsafe address(slot).assumingMemoryBound(to: Packet.self).pointee = newValue
    }
  }

  @inline(__always) private func payload(_ slot: UInt32) -> UnsafeMutablePointer<UInt8> {
    unsafe (address(slot) + PacketPool.headerSize).assumingMemoryBound(to: UInt8.self)
  }

  /// The packet's bytes.
  @inline(__always) func withBytes<Result>(of slot: UInt32, _ body: (Span<UInt8>) -> Result) -> Result {
    let start = unsafe payload(slot)
    return body(unsafe Span(_unsafeStart: start, count: Int(self[slot].length)))
  }

  /// Lets somebody write a packet's bytes, and notes how many they are.
  @inline(__always) func write<Result>(_ slot: UInt32, _ body: (inout OutputSpan<UInt8>) -> Result) -> Result {
    let buffer = unsafe UnsafeMutableBufferPointer(start: payload(slot), count: capacity)
    var space = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
    let result = body(&space)
    self[slot].length = UInt32(unsafe space.finalize(for: buffer))
    return result
  }

  /// Turns one bit of the packet round: the random number says which.
  func flipBit(of slot: UInt32, chosenBy random: UInt64) {
    let bits = UInt64(self[slot].length) * 8
    if bits == 0 { return }
    let bit = Int(random.multipliedFullWidth(by: bits).high)
    unsafe payload(slot)[bit / 8] ^= 1 << UInt8(bit % 8)
  }

  func copy(_ from: UInt32, to: UInt32) {
    self[to] = self[from]
    unsafe payload(to).update(from: payload(from), count: Int(self[from].length))
  }
}
