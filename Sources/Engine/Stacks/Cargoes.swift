//  Cargoes.swift — which bytes of which segment a run of datagrams carries.
//
//  A path's log knows datagrams by their counters, and says of a run "its datagrams 3 to 7 have arrived". A cargo turns
//  that into bytes of a shipment:
//
//      run of 4     │ record, text │ text        │ text        │ text  │      `record`: headers of ours, no bytes of it
//      bytes        lower          · step − record · + step    · + step ▸ upper
//
//  A ring, since logs forget as well, the oldest first: a cargo's number grows, and one whose place was taken since
//  finds nothing. There are twice as many as runs that logs remember.

import Primitives

struct Cargo: BitwiseCopyable {
  fileprivate var number: UInt32
  var shipment: UInt32
  var lower: UInt32
  var upper: UInt32
  /// Text of a full datagram.
  var step: UInt16
  /// What of the first datagram's text is a resume record.
  var record: UInt8
  /// Which copy of the segment they are.
  var copy: UInt8

  /// Bytes of the shipment that these datagrams of the run carry.
  func bytes(of datagrams: Range<Int>) -> Range<UInt32> {
    start(of: datagrams.lowerBound)..<start(of: datagrams.upperBound)
  }

  /// Text of the last of these datagrams; the others have a full one's.
  func lastText(of datagrams: Range<Int>) -> Int {
    let last = datagrams.upperBound - 1
    return Int(start(of: last + 1) - start(of: last)) + (last == 0 ? Int(record) : 0)
  }

  private func start(of datagram: Int) -> UInt32 {
    datagram == 0 ? lower : min(upper, lower + UInt32(datagram * Int(step)) - UInt32(record))
  }
}

struct Cargoes: ~Copyable {
  static let capacity: UInt32 = 65_536

  private let ring: UnsafeMutablePointer<Cargo>
  private var next: UInt32 = 0

  init() {
    ring = .allocate(capacity: Int(Cargoes.capacity))
  }

  deinit { ring.deallocate() }

  /// Returns its number.
  @inline(__always)
  mutating func append(shipment: UInt32, _ range: Range<Int>, step: Int, record: Int, copy: UInt8 = 0) -> UInt32 {
    let number = next
    (ring + Int(number & (Cargoes.capacity - 1))).initialize(
      to: Cargo(
        number: number, shipment: shipment, lower: UInt32(range.lowerBound), upper: UInt32(range.upperBound),
        step: UInt16(step), record: UInt8(record), copy: copy))
    next &+= 1
    return number
  }

  /// nil when its place was taken since.
  @inline(__always)
  subscript(number: UInt32) -> Cargo? {
    guard next &- number <= Cargoes.capacity, next != number else { return nil }
    let cargo = ring[Int(number & (Cargoes.capacity - 1))]
    return cargo.number == number ? cargo : nil
  }
}
