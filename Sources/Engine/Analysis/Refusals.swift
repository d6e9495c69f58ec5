//  Refusals.swift — tells a sender inside that his packet goes no further, so that he need not find out by waiting.
//
//  An ICMP error goes back through the virtual NIC, from our own address there. There are few of them at a time: each
//  lies in one of `mostWaiting` buffers until the driver has written it, and no more than `perSecond` are made; errors
//  about every packet would double a flood (RFC 1812 §4.3.2.8). What is not told is only counted.

import Packets
import Primitives

struct Refusals: ~Copyable {
  static let mostWaiting = 16
  /// Enough for every flow of a small site to hear it once; too few to be of use to anybody who wants to do harm.
  static let perSecond: Int64 = 100

  private let memory: UnsafeMutableRawPointer
  private static let stride = 2048
  private let lengths: UnsafeMutablePointer<Int>
  private var free = RingBuffer<UInt8>(minimumCapacity: Refusals.mostWaiting)
  private var ready = RingBuffer<UInt8>(minimumCapacity: Refusals.mostWaiting)
  private var nextOnTime = Instant.zero
  /// Ours on the virtual NIC.
  var addresses: [IPAddress]

  init(from addresses: [IPAddress]) {
    self.addresses = addresses
    memory = .allocate(byteCount: Refusals.mostWaiting * Refusals.stride, alignment: 64)
    lengths = .allocate(capacity: Refusals.mostWaiting)
    lengths.initialize(repeating: 0, count: Refusals.mostWaiting)
    for index in 0..<Refusals.mostWaiting { free.append(UInt8(index)) }
  }

  deinit {
    memory.deallocate()
    lengths.deallocate()
  }

  /// Says it to the sender of this packet, if there may be one more answer.
  mutating func tell(_ error: ICMPError, about packet: UnsafeRawBufferPointer, at now: Instant) {
    guard nextOnTime - now <= .seconds(1), let view = try? PacketView(packet),
      let source = addresses.first(where: { $0.family == view.family }), let index = free.popFirst()
    else { return }
    let room = UnsafeMutableRawBufferPointer(start: memory + Int(index) * Refusals.stride, count: Refusals.stride)
    OffloadHeader().write(to: room)
    let body = UnsafeMutableRawBufferPointer(rebasing: room[OffloadHeader.length...])
    guard let length = error.write(about: packet, view, from: source, into: body) else { return free.append(index) }
    nextOnTime = max(nextOnTime, now) + .seconds(1) / Refusals.perSecond
    lengths[Int(index)] = OffloadHeader.length + length
    ready.append(index)
  }

  mutating func next() -> (number: UInt8, bytes: UnsafeRawBufferPointer)? {
    guard let index = ready.popFirst() else { return nil }
    let start = memory + Int(index) * Refusals.stride
    return (index, UnsafeRawBufferPointer(start: start, count: lengths[Int(index)]))
  }

  mutating func written(_ number: UInt8) { free.append(number) }
}

extension Engine {
  /// An answer to somebody inside, offload header first; it is the driver's until `answered`.
  public mutating func nextAnswer() -> (number: UInt8, bytes: UnsafeRawBufferPointer)? { refusals.next() }

  public mutating func answered(_ number: UInt8) { refusals.written(number) }
}
