//  DeliveryTable.swift — what was handed out to be written: its slices, and the few bytes that are not in a segment.
//
//      │ offload header │ room for headers that were rewritten │ slice │ slice │ … │      one delivery
//
//  The kernel reads the slices after `nextDelivery` has returned, so they have a place that stays until `finish`. The
//  one that was finished last is used next.

public struct Slice: BitwiseCopyable {
  public var start: UnsafeMutableRawPointer
  public var count: Int
}

/// One write. The slices lie like the kernel's `iovec`, and stay until the delivery is finished.
public struct Delivery {
  public struct Handle: Equatable, Sendable, BitwiseCopyable {
    /// Below `Limits.mostDeliveries`, and no other's that is not finished.
    public let index: UInt32
    let generation: UInt32
  }

  public let handle: Handle
  public let laneSet: Resequencer.LaneSet
  public let lane: UInt16
  /// First the offload header; the second begins with the packet's IP header.
  public let slices: UnsafeMutablePointer<Slice>
  public let sliceCount: Int
  /// Bytes of all slices.
  public let length: Int
  /// More than one in a bundle.
  public let packetCount: Int
}

struct DeliveryTable: ~Copyable {
  /// The offload header takes the first 16 bytes.
  static let headerPlace = 16
  /// A header that was rewritten: longer than any that is split, so that only odd ones do not fit.
  static let headerRoom = 240
  /// The offload header, a header, and as many packets as a bundle has.
  static let mostSlices = 2 + 64
  private static let slicesPlace = headerPlace + headerRoom
  private static let stride = slicesPlace + mostSlices * MemoryLayout<Slice>.stride

  struct Entry: BitwiseCopyable {
    var slot = Number.none
    var generation: UInt32 = 0
    var nextFree = Number.none
  }

  let count: Int
  private let entries: UnsafeMutablePointer<Entry>
  private let rooms: UnsafeMutableRawPointer
  private var firstFree: Number
  private(set) var inUse = 0

  init(count: Int) {
    precondition(count > 0 && count < 1 << 16, "between 1 and 65,535 deliveries")
    let list = UnsafeMutablePointer<Entry>.allocate(capacity: count)
    for index in 0..<count {
      (list + index).initialize(to: Entry(nextFree: index + 1 < count ? Number(index + 1) : .none))
    }
    self.count = count
    entries = list
    rooms = .allocate(byteCount: count * DeliveryTable.stride, alignment: 64)
    firstFree = 0
  }

  deinit {
    entries.deallocate()
    rooms.deallocate()
  }

  @inline(__always) var isFull: Bool { firstFree == .none }

  /// The next free one; it is taken by `take`.
  @inline(__always) var room: UnsafeMutableRawPointer { rooms + Int(firstFree) * DeliveryTable.stride }

  @inline(__always) static func slices(in room: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Slice> {
    (room + slicesPlace).assumingMemoryBound(to: Slice.self)
  }

  @inline(__always) mutating func take(for slot: Number) -> Delivery.Handle {
    let index = firstFree
    let entry = entries + Int(index)
    firstFree = entry.pointee.nextFree
    entry.pointee.slot = slot
    inUse += 1
    return Delivery.Handle(index: index, generation: entry.pointee.generation)
  }

  /// Whose packet it was.
  mutating func finish(_ handle: Delivery.Handle) -> Number {
    let entry = entries + Int(handle.index)
    precondition(
      handle.index < count && entry.pointee.slot != .none && entry.pointee.generation == handle.generation,
      "a delivery is finished once")
    let slot = entry.pointee.slot
    entry.pointee.slot = .none
    entry.pointee.generation &+= 1
    entry.pointee.nextFree = firstFree
    firstFree = handle.index
    inUse -= 1
    return slot
  }
}
