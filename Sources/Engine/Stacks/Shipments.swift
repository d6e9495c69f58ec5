//  Shipments.swift — segments on their way: their packets stay where they were read until nobody needs them any more.
//
//  Why.  Between the moment at which a segment gets its number and the one at which all of it has arrived, its bytes
//  are needed again and again: by parts that wait for their path, and by what must be sent anew. Nothing is copied for
//  that: the buffers that the virtual NIC was read into stay ours for so long.
//
//  How.  Two rings in the order of age, one of shipments and one of their packets, which lie one after the other:
//
//      shipments   │ 7: 3 packets, all there │ 8: 1 packet │ 9: 2 packets │          number = place + turns of the ring
//                     first ▲                                             ▲ next
//      packets     │ p │ p │ p │ p │ p │ p │
//                  each: where its bytes are, which buffer goes back
//
//  A shipment is over when nothing of it is outstanding. Its buffers go back at once, whatever is older; its place in
//  the rings when all older ones are over, too. When a ring is full the oldest shipment gives up its claim to be sent
//  again: what of it is on the way may still arrive, and what is lost is lost.
//
//  A buffer has room for the largest super-packet, so a small packet would hold forty times of what it needs: once all
//  of its segment has left it moves into a cell of 2 KiB, and its buffer goes back at once. That is a copy of bytes
//  that the cipher has just read: 40 ns, where a buffer is worth 64 KiB.
//
//  Of a segment that was sent twice each copy counts: it is over when both have arrived or were given up. A copy that
//  was lost is sent again only if the other was lost, too; unless the second was only to try a path (`tryCopy`): then
//  it changes nothing.
//
//  What waits for news is bounded by `mostBytes`; beyond it the oldest shipments are forgotten as well. And it waits
//  for `Engine.mostPatience`: later nothing of it would be sent again, though the queue of a modem may bring it after
//  ten seconds (`release`).
//
//  Rejected.  A table with free places (packets of one shipment must lie in a row, and rows of any length fragment it);
//  reference counts of buffers (a buffer holds one packet, and a packet belongs to one shipment).
//
//  Always true.  (1) A number is never given twice within 2³² shipments, and one that is over finds nothing. (2) A
//  buffer comes back exactly once. (3) `outstanding` ≥ `unsent`.
//
//  Not here.  Which part goes where, and when. Cost: O(packets) to begin and to end, O(1) else; no allocation after
//  `init`.

import Packets
import Primitives

/// What is known of a segment while it is on its way.
struct Shipment: BitwiseCopyable {
  var peer: UInt32
  var segment: UInt32
  var lane: UInt16
  /// Of the pieces of its super-packets; 0 when it has none.
  var segmentSize: UInt16
  var length: UInt32
  /// Bytes that have not arrived, as far as we know, and were not given up.
  var outstanding: UInt32
  /// Bytes that wait for their path.
  var unsent: UInt32
  var since: Instant
  fileprivate var firstPacket: UInt32
  fileprivate var packetCount: UInt16
  fileprivate var commonLength: UInt32
  var needsChecksum: Bool
  var isCongestionCapable: Bool
  var isUrgent: Bool
  fileprivate var isOver: Bool
  /// Of the whole; each is in `outstanding` and in `unsent`.
  fileprivate var copies: UInt8
  /// A bit for each copy of which something was lost.
  fileprivate var lostCopies: UInt8
  /// Its flow has only this path.
  var isPinned = false
  /// The second copy is there to try a path.
  fileprivate(set) var isTried = false
  /// The protected group that it is a member of, if its part says that it is one.
  var group: UInt32
}

struct Shipments: ~Copyable {
  /// Single packets, each a segment, at 150,000 a second over a round trip of 100 ms.
  static let mostShipments = 16_384
  /// Two for each: segments of many packets are what a flood makes.
  static let mostPackets = 32_768

  /// A packet of Ethernet's size fits.
  static let cellLength = 2_048
  /// As many bytes as a hundred milliseconds of single packets at 1 Gbit/s. More are forgotten early.
  static let cells = 8_192
  /// What may wait to be sent again: 24 MiB are 200 ms at 1 Gbit/s. With the resequencer's 40 MiB, the memory that
  /// paths of different lengths cost is 64 MiB.
  static let mostBytes = 24 << 20
  /// Buffers' numbers are smaller; a packet's `buffer` from here on is a cell.
  private static let firstCell: UInt16 = 0x8000

  private let shipments: UnsafeMutablePointer<Shipment>
  private let packets: UnsafeMutablePointer<SegmentDraft.Packet>
  private var first: UInt32 = 0
  private var next: UInt32 = 0
  /// The first that nobody has released.
  private var unreleased: UInt32 = 0
  /// Of the packets' ring: the first in use, and the first free one; both only grow.
  private var firstPacket: UInt32 = 0
  private var nextPacket: UInt32 = 0
  /// Buffers that nobody needs any more.
  private var free: RingBuffer<UInt16>
  private let cells: UnsafeMutableRawPointer
  private let freeCells: UnsafeMutablePointer<UInt16>
  private var freeCellCount = 0
  private var madeCells = 0
  /// Of all shipments that are not over.
  private(set) var bytes = 0
  /// Shipments that were still outstanding when their place was needed.
  private(set) var forgotten: UInt64 = 0

  init() {
    shipments = .allocate(capacity: Shipments.mostShipments)
    packets = .allocate(capacity: Shipments.mostPackets)
    free = RingBuffer(minimumCapacity: 256)
    cells = .allocate(byteCount: Shipments.cells * Shipments.cellLength, alignment: 64)
    freeCells = .allocate(capacity: Shipments.cells)
  }

  deinit {
    shipments.deallocate()
    packets.deallocate()
    cells.deallocate()
    freeCells.deallocate()
  }

  var count: Int { Int(next &- first) }

  @inline(__always)
  private func slot(_ number: UInt32) -> UnsafeMutablePointer<Shipment> {
    shipments + Int(number & UInt32(Shipments.mostShipments - 1))
  }

  /// nil when it is over.
  @inline(__always)
  subscript(number: UInt32) -> UnsafeMutablePointer<Shipment>? {
    let slot = slot(number)
    return number &- first < next &- first && !slot.pointee.isOver ? slot : nil
  }

  // MARK: Begin

  /// Room for one more, at the price of the oldest if need be. False when the oldest still has parts to send.
  mutating func hasRoom() -> Bool {
    while next &- first == UInt32(Shipments.mostShipments)
      || nextPacket &- firstPacket > UInt32(Shipments.mostPackets - 2 * SegmentDraft.mostPackets)
      || (bytes > Shipments.mostBytes && first != next)
    {
      if slot(first).pointee.unsent > 0 { return false }
      forgotten &+= 1
      end(first)
    }
    return true
  }

  /// A run of packets becomes a segment. Returns its number and what it consists of; nil when there is no room.
  @inline(__always)
  mutating func begin(
    _ run: FlowQueues.Run, peer: Int, lane: UInt16, copies: Int = 1, isUrgent: Bool, at now: Instant
  ) -> (number: UInt32, draft: SegmentDraft)? {
    guard hasRoom() else { return nil }
    let ring = UInt32(Shipments.mostPackets)
    // They lie in a row: what is left at the end of the ring is left out.
    let left = ring - (nextPacket & (ring - 1))
    if left < UInt32(SegmentDraft.mostPackets) { nextPacket &+= left }
    var draft = SegmentDraft(
      at: packets + Int(nextPacket & (ring - 1)), segmentSize: run.segmentSize, needsChecksum: run.needsChecksum)
    for packet in run.packets { draft.append(packet.bytes, length: Int(packet.length), buffer: packet.buffer) }
    let number = next
    slot(number).initialize(
      to: Shipment(
        peer: UInt32(peer), segment: 0, lane: lane, segmentSize: run.segmentSize, length: UInt32(draft.length),
        outstanding: UInt32(draft.length * copies), unsent: UInt32(draft.length * copies), since: now,
        firstPacket: nextPacket,
        packetCount: UInt16(draft.count), commonLength: UInt32(draft.commonLength), needsChecksum: run.needsChecksum,
        isCongestionCapable: draft.isCongestionCapable, isUrgent: isUrgent, isOver: false, copies: UInt8(copies),
        lostCopies: 0, group: 0))
    nextPacket &+= UInt32(draft.count)
    next &+= 1
    bytes += draft.length
    return (number, draft)
  }

  /// What a shipment consists of.
  func draft(of shipment: Shipment) -> SegmentDraft {
    SegmentDraft(
      at: packets + Int(shipment.firstPacket & UInt32(Shipments.mostPackets - 1)), count: Int(shipment.packetCount),
      length: Int(shipment.length), segmentSize: shipment.segmentSize, needsChecksum: shipment.needsChecksum,
      isCongestionCapable: shipment.isCongestionCapable, commonLength: Int(shipment.commonLength))
  }

  /// A draft of no packets.
  var nothing: SegmentDraft { SegmentDraft(at: packets, segmentSize: 0, needsChecksum: false) }

  /// So much of it goes over another path as well, for that path's sake.
  mutating func tryCopy(_ number: UInt32, bytes: Int) {
    guard let shipment = self[number], shipment.pointee.copies == 1 else { return }
    shipment.pointee.isTried = true
    shipment.pointee.outstanding += UInt32(bytes)
    shipment.pointee.unsent += UInt32(bytes)
  }

  // MARK: Age

  /// What is so old will not be sent again: of what has left altogether nobody needs the bytes.
  @inline(__always)
  mutating func release(after age: Interval, at now: Instant) {
    // Those that ended are behind `first`.
    if unreleased &- first > next &- first { unreleased = first }
    while unreleased != next && now - slot(unreleased).pointee.since >= age {
      let number = unreleased
      unreleased &+= 1
      let shipment = slot(number)
      if !shipment.pointee.isOver && shipment.pointee.unsent == 0 { end(number) }
    }
  }

  // MARK: Sent

  /// So many bytes of it have left.
  @inline(__always)
  mutating func sent(_ number: UInt32, bytes: Int) {
    let shipment = slot(number)
    precondition(bytes <= Int(shipment.pointee.unsent), "more leaves of a segment than it has")
    shipment.pointee.unsent -= UInt32(bytes)
    if shipment.pointee.unsent == 0 { releaseBuffers(of: shipment.pointee) }
  }

  /// Small packets give their buffers back, as far as there are cells.
  private mutating func releaseBuffers(of shipment: Shipment) {
    let row = packets + Int(shipment.firstPacket & UInt32(Shipments.mostPackets - 1))
    for index in 0..<Int(shipment.packetCount)
    where row[index].length <= Shipments.cellLength && row[index].buffer < Shipments.firstCell {
      guard let cell = takeCell() else { return }
      let place = cells + Int(cell) * Shipments.cellLength
      place.copyMemory(from: row[index].bytes, byteCount: row[index].length)
      row[index].bytes = UnsafeRawPointer(place)
      free.append(row[index].buffer)
      row[index].buffer = Shipments.firstCell | cell
    }
  }

  private mutating func takeCell() -> UInt16? {
    if freeCellCount > 0 {
      freeCellCount -= 1
      return freeCells[freeCellCount]
    }
    if madeCells == Shipments.cells { return nil }
    defer { madeCells += 1 }
    return UInt16(madeCells)
  }

  // MARK: End

  /// So many bytes have arrived, or nobody will send them again.
  @inline(__always)
  mutating func settle(_ number: UInt32, bytes: Int) {
    guard let shipment = self[number] else { return }
    precondition(bytes <= Int(shipment.pointee.outstanding), "more has arrived of a segment than it has")
    shipment.pointee.outstanding -= UInt32(bytes)
    if shipment.pointee.outstanding == 0 { end(number) }
  }

  /// Something of this copy was lost. Whether there is another copy that, as far as we know, lost nothing: then nothing
  /// needs to be sent again. The second copy that loses something is repaired, be it the same piece or not: to know
  /// which would take a list of pieces for each copy, and a needless repair is only some bytes.
  mutating func hasOther(_ number: UInt32, lost copy: UInt8) -> Bool {
    guard let shipment = self[number] else { return false }
    if shipment.pointee.isTried { return copy > 0 }
    if shipment.pointee.copies == 1 { return false }
    shipment.pointee.lostCopies |= 1 << copy
    return shipment.pointee.lostCopies & ~(1 << copy) == 0
  }

  private mutating func end(_ number: UInt32) {
    let shipment = slot(number)
    let row = packets + Int(shipment.pointee.firstPacket & UInt32(Shipments.mostPackets - 1))
    for index in 0..<Int(shipment.pointee.packetCount) {
      let buffer = row[index].buffer
      if buffer < Shipments.firstCell {
        free.append(buffer)
      } else {
        freeCells[freeCellCount] = buffer & ~Shipments.firstCell
        freeCellCount += 1
      }
    }
    bytes -= Int(shipment.pointee.length)
    shipment.pointee.isOver = true
    shipment.pointee.outstanding = 0
    while first != next && slot(first).pointee.isOver {
      firstPacket = slot(first).pointee.firstPacket &+ UInt32(slot(first).pointee.packetCount)
      first &+= 1
    }
  }

  @inline(__always)
  mutating func nextFreeBuffer() -> UInt16? { free.popFirst() }
}
