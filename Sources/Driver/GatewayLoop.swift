//  GatewayLoop.swift — the loop of a running gateway: completions to the engine, the engine's wishes to the kernel.
//
//  How.  One thread, one ring, one call into the kernel a turn:
//
//        ┌──▶ wait (hands over everything prepared, sleeps until something happens or is due)
//        │      │
//        │      ▼
//        │    completions:  virtual NIC read ─▶ engine.packet        socket read ─▶ engine.receive
//        │                  send done ─▶ engine.sent                 NIC write done ─▶ engine.written
//        │      │
//        │      ▼
//        │    engine.expire, engine.flush
//        │      │
//        └──────┴── prepare: sends of batches, writes of deliveries; lend buffers; arm reads that ended
//
//  The time is read once a turn, after waking: everything in the turn happened "now".
//
//  Buffers.  The virtual NIC reads into buffers that are lent to the ring and come back when the engine has sealed
//  them, in the same turn as a rule. Bulk wants few of them, since the ring takes them first in, first out, and so
//  their sum is what passes through the cache; a flood of small packets wants many, since a turn brings at most one
//  each. So the number that is lent follows the size of what was read.
//
//  Always true.  (1) A buffer is with the kernel, with the engine, or idle. (2) What a send or a write points to stays
//  until its completion. A socket has one chain of sends at a time. (3) Reads that ended are armed again as soon as a
//  buffer can be lent.
//
//  Not here.  Any decision about packets (Engine), opening anything (Gateway.swift).

import Engine
import Glibc
import POSIX
import Packets
import Primitives
import Resequencer
import Ring
import Underlay
import VNIC

struct GatewayLoop: ~Copyable {
  enum Kind: UInt8 {
    case packet = 1
    case datagrams
    case sent
    case written
    case answered
    case woken
    case cancelled
  }

  /// Of super-packets: 1 MB, which a second-level cache holds together with what is made of it.
  static let bulkBuffers = 16
  /// Of small packets: what one turn can bundle.
  static let smallBuffers = 128
  /// In all: what is lent, and what the engine keeps until its peers have reported it. Of each only what was ever read
  /// into it takes memory.
  static let packetBuffers = 1_024
  /// Packets that are shorter on average are small.
  static let smallLength = 4096
  static let socketBuffers = 8
  static let packetLength = OffloadHeader.length + 65_536

  var ring: Ring
  var engine: Engine
  var device: VirtualInterface
  private let descriptor: Int32
  private let memory: LoopMemory
  var packets: BufferPool
  /// By place, see `LocalPlaces`.
  var sockets = FixedArray<PathSocket>(count: LocalPlaces.count) { _ in PathSocket() }
  /// Places whose sockets are being closed.
  private var closing: UInt32 = 0
  var messages: SendMessages
  /// How many bytes of each batch the kernel has taken or refused. All of it at once, unless an interface takes
  /// datagrams only one by one.
  private let handed: UnsafeMutablePointer<Int>
  private let hasFailed: UnsafeMutablePointer<Bool>
  private let handles: UnsafeMutablePointer<Delivery.Handle?>
  static let mostBatches = 64
  static let mostDeliveries = 256

  private var isReading = false
  /// There is more to do than what comes: the next turn does not sleep.
  var isHurried = false
  private var meanLength = GatewayLoop.smallLength
  var now: Instant
  /// Whoever else has something to do between two turns, and when.
  var alarm: Instant?

  init(
    ring: consuming Ring, engine: consuming Engine, device: consuming VirtualInterface, packets: consuming BufferPool,
    memory: consuming LoopMemory, at now: Instant
  ) {
    let bytes = UnsafeMutablePointer<Int>.allocate(capacity: GatewayLoop.mostBatches)
    bytes.initialize(repeating: 0, count: GatewayLoop.mostBatches)
    let failures = UnsafeMutablePointer<Bool>.allocate(capacity: GatewayLoop.mostBatches)
    failures.initialize(repeating: false, count: GatewayLoop.mostBatches)
    let places = UnsafeMutablePointer<Delivery.Handle?>.allocate(capacity: GatewayLoop.mostDeliveries)
    places.initialize(repeating: nil, count: GatewayLoop.mostDeliveries)
    self.ring = ring
    self.engine = engine
    guard let descriptor = device.descriptors.first else { preconditionFailure("an interface has a queue") }
    self.descriptor = descriptor
    self.device = device
    self.memory = memory
    self.packets = packets
    self.now = now
    messages = SendMessages(capacity: 4 * GatewayLoop.mostBatches)
    handed = bytes
    hasFailed = failures
    handles = places
  }

  deinit {
    handed.deallocate()
    hasFailed.deallocate()
    handles.deallocate()
  }

  /// One turn. Returns true when somebody woke us.
  mutating func turn() -> Bool {
    prepare()
    var wakeAt = engine.deadline
    if let alarm, wakeAt.map({ alarm < $0 }) ?? true { wakeAt = alarm }
    let timeout = isHurried ? .zero : wakeAt.map { max(.zero, $0 - now) }
    ring.wait(timeout: timeout)
    now = MonotonicClock.now
    var isWoken = false
    while let completion = ring.nextCompletion() {
      switch completion.tag.kind(Kind.self) {
      case .packet: packetRead(completion)
      case .datagrams: datagramsRead(completion)
      case .sent: batchSent(completion)
      case .written: deliveryWritten(completion)
      case .answered: engine.answered(UInt8(truncatingIfNeeded: completion.tag.number))
      case .woken: isWoken = true
      case .cancelled: break
      case nil: preconditionFailure("a completion that nobody asked for")
      }
    }
    if let due = engine.deadline, due <= now { engine.expire(at: now) }
    engine.flush(at: now)
    return isWoken
  }

  // MARK: In

  private mutating func packetRead(_ completion: Completion) {
    if !completion.isRepeating { isReading = false }
    guard let number = completion.buffer else { return }
    packets.taken()
    guard completion.result > 0 else { return packets.giveBack(number) }
    let length = Int(completion.result)
    meanLength += (length - meanLength) / 8
    engine.packet(UnsafeMutableRawBufferPointer(rebasing: packets[number][..<length]), buffer: number, at: now)
  }

  private mutating func datagramsRead(_ completion: Completion) {
    let index = Int(completion.tag.place)
    if !completion.isRepeating { sockets[index].isReading = false }
    guard let number = completion.buffer else { return }
    sockets[index].buffers?.taken()
    defer { sockets[index].buffers?.giveBack(number) }
    guard completion.result > 0, let buffer = sockets[index].buffers?[number] else { return }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(completion.result)])
    guard let datagrams = ReceivedDatagrams(bytes), !datagrams.isTruncated else { return }
    let route = Route(socket: UInt8(index), remote: datagrams.source, local: datagrams.destination)
    engine.receive(
      Arrival(
        bytes: datagrams.bytes, pieceLength: datagrams.segmentSize, route: route,
        isCongested: datagrams.trafficClass & 3 == 3), at: now)
  }

  // MARK: Out

  private mutating func batchSent(_ completion: Completion) {
    let index = Int(completion.tag.place)
    let message = messages.finish(completion.tag.number)
    let number = UInt16(truncatingIfNeeded: message.context)
    sockets[index].inFlight -= 1
    if completion.result != -ECANCELED {
      let segments = (message.bytes.count + message.segmentSize - 1) / message.segmentSize
      switch sockets[index].segmentation.note(completion.result, segments: segments) {
      case .sent: handed[Int(number)] += message.bytes.count
      // The interface refuses batches: this one goes again, one by one, and all behind it were cancelled.
      case .sendSingly: break
      case .failed(let error):
        sockets[index].lastError = error
        if error == EMSGSIZE { engine.tooLarge(number, at: now) }
        hasFailed[Int(number)] = true
        handed[Int(number)] += message.bytes.count
      }
    }
    if sockets[index].inFlight > 0 { return }
    while let first = sockets[index].waiting.first, handed[Int(first)] == engine.batch(first).length {
      _ = sockets[index].waiting.popFirst()
      engine.sent(first, wasTaken: !hasFailed[Int(first)])
    }
    if sockets[index].isClosing { dropWaiting(index) }
  }

  private mutating func deliveryWritten(_ completion: Completion) {
    guard let handle = handles[Int(completion.tag.number)] else {
      preconditionFailure("a write of nothing was completed")
    }
    handles[Int(completion.tag.number)] = nil
    engine.written(handle, wasTaken: completion.result >= 0)
  }

  private mutating func prepare() {
    while let number = engine.nextBatch() {
      handed[Int(number)] = 0
      hasFailed[Int(number)] = false
      let index = Int(engine.batch(number).route.socket)
      // It was made while the socket was still there.
      if !sockets[index].isOpen {
        engine.sent(number, wasTaken: false)
        continue
      }
      sockets[index].waiting.append(number)
    }
    for index in sockets.indices where sockets[index].inFlight == 0 && !sockets[index].waiting.isEmpty { send(index) }
    while let delivery = engine.nextDelivery() {
      handles[Int(delivery.handle.index)] = delivery.handle
      let slices = UnsafeRawPointer(delivery.slices).assumingMemoryBound(to: iovec.self)
      ring.write(
        slices: slices, count: delivery.sliceCount, to: descriptor,
        tag: Tag(Kind.written, number: delivery.handle.index))
    }
    while let answer = engine.nextAnswer() {
      ring.write(answer.bytes, to: descriptor, tag: Tag(Kind.answered, number: UInt32(answer.number)))
    }
    while let number = engine.nextFreeBuffer() { packets.giveBack(number) }
    packets.lend(
      upTo: meanLength < GatewayLoop.smallLength ? GatewayLoop.smallBuffers : GatewayLoop.bulkBuffers, to: &ring)
    if !isReading && packets.lent > 0 {
      isReading = true
      ring.read(descriptor, into: packets.group, tag: Tag(Kind.packet))
    }
    for index in sockets.indices {
      sockets[index].lend(to: &ring, index)
    }
  }

  /// Prepares a chain of sends: everything that waits at a socket, or as much as there is room for. The next chain
  /// begins when this one has ended, so what leaves by one socket leaves in its order: receivers take a gap for a loss.
  private mutating func send(_ index: Int) {
    var next: SendMessage?
    for place in 0..<sockets[index].waiting.count {
      let number = sockets[index].waiting[place]
      let batch = engine.batch(number)
      let start = handed[Int(number)]
      var datagrams = DatagramBatch(
        UnsafeRawBufferPointer(start: batch.bytes + start, count: batch.length - start),
        segmentSize: batch.pieceLength, to: batch.route.remote, from: batch.route.local,
        trafficClass: batch.isCongestionCapable ? 2 : 0, context: UInt64(number))
      while ring.room > 2,
        let message = messages.next(of: &datagrams, mostSegments: sockets[index].segmentation.mostSegments)
      {
        if let previous = next { send(previous, index, isLinked: true) }
        next = message
      }
      // Behind what did not fit nothing may go.
      if !datagrams.isEmpty { break }
    }
    if let last = next { send(last, index, isLinked: false) }
  }

  private mutating func send(_ message: SendMessage, _ index: Int, isLinked: Bool) {
    sockets[index].inFlight += 1
    ring.send(
      message.header, on: sockets[index].descriptor, mayWait: true, isLinked: isLinked,
      tag: Tag(Kind.sent, number: message.number, place: UInt32(index)))
  }

  // MARK: Sockets

  /// Everything that waits at a socket that is closed.
  private mutating func dropWaiting(_ index: Int) {
    if sockets[index].inFlight > 0 { return }
    while let number = sockets[index].waiting.popFirst() { engine.sent(number, wasTaken: false) }
  }

  mutating func close(_ place: Int) {
    guard sockets[place].isOpen else { return }
    sockets[place].beginClosing(in: &ring, place)
    dropWaiting(place)
    closing |= 1 << UInt32(place)
  }

  /// Sockets that nobody wants are closed, and their places given back when nothing of them is left. True when one was.
  mutating func releaseSockets() -> Bool {
    var isFree = false
    while let place = engine.nextClosing(at: now) {
      close(place)
      if !sockets[place].isClosing {
        engine.closed(place)
        isFree = true
      }
    }
    while let place = nextClosed() {
      if !engine.isLeaving(place) { continue }
      engine.closed(place)
      isFree = true
    }
    return isFree
  }

  /// A place whose socket has gone since the last call, and nothing of it is left.
  mutating func nextClosed() -> Int? {
    if closing == 0 { return nil }
    for place in sockets.indices where closing & 1 << UInt32(place) != 0 && sockets[place].hasJustClosed() {
      closing &= ~(1 << UInt32(place))
      return place
    }
    return nil
  }

  mutating func watch(_ waker: RingWaker) { ring.watch(waker, tag: Tag(Kind.woken)) }
}
