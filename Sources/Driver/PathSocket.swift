//  PathSocket.swift — what a place of the loop has: a path's socket, what it reads into, and what waits to leave by it.
//
//  A place outlives its sockets. One that is closed goes only when the kernel has nothing of it any more: its reads are
//  cancelled, its sends too, and what had not been handed over goes back to the engine as refused.
//
//      empty ──open──▶ open ──close──▶ closing: cancelled reads and sends come back ──▶ empty (`hasJustClosed`)
//
//  The buffers stay with the place: the ring cannot give a group back, and the next socket wants as many.

import Primitives
import Ring
import Underlay

struct PathSocket: ~Copyable {
  private(set) var socket: UDPSocket?
  private(set) var descriptor: Int32 = -1
  private(set) var port: UInt16 = 0
  private(set) var limitations: [String] = []
  var buffers: BufferPool?
  var segmentation = SegmentationOffload()
  var isReading = false
  private(set) var isClosing = false
  var lastError: Int32?
  /// Batches that are to leave here, in order; the first ones may be with the kernel.
  var waiting = RingBuffer<UInt16>(minimumCapacity: GatewayLoop.mostBatches)
  /// Sends of the chain that is with the kernel.
  var inFlight = 0

  init() {}

  var hasBuffers: Bool { if buffers == nil { false } else { true } }
  var isOpen: Bool { descriptor >= 0 && !isClosing }

  mutating func open(_ socket: consuming UDPSocket) {
    precondition(descriptor < 0, "a place has one socket at a time")
    descriptor = socket.descriptor
    port = socket.port
    limitations = socket.limitations
    self.socket = consume socket
    segmentation = SegmentationOffload()
    lastError = nil
  }

  /// Nothing is read or sent any more.
  mutating func beginClosing(in ring: inout Ring, _ index: Int) {
    isClosing = true
    if isReading {
      ring.cancel(
        Tag(GatewayLoop.Kind.datagrams, place: UInt32(index)), tag: Tag(GatewayLoop.Kind.cancelled))
    }
  }

  /// True once, when nothing is with the kernel any more.
  mutating func hasJustClosed() -> Bool {
    guard isClosing, !isReading, inFlight == 0, waiting.isEmpty else { return false }
    isClosing = false
    descriptor = -1
    socket = nil
    return true
  }

  mutating func lend(to ring: inout Ring, _ index: Int) {
    guard isOpen, let count = buffers?.count else { return }
    buffers?.lend(upTo: count, to: &ring)
    guard !isReading, let lent = buffers?.lent, lent > 0, let group = buffers?.group else { return }
    isReading = true
    ring.receive(
      descriptor, into: group, layout: ReceivedDatagrams.layout,
      tag: Tag(GatewayLoop.Kind.datagrams, place: UInt32(index)))
  }
}
