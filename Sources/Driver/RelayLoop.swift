//  RelayLoop.swift — the loop of a running relay: what a socket brought leaves by another one, from the same buffer.
//
//  Why.  A relay's work for a datagram is two passes through the kernel; everything else must be nothing beside that. A
//  batch that the kernel joined (UDP_GRO) is sent as one batch (UDP_SEGMENT), and no byte is touched in between.
//
//  How.  All sockets read into one pool, since nobody knows which of them will be busy:
//
//      socket A ─▶ buffer 17 │ datagram │ datagram │ … ─▶ engine: 0..<58,000 to socket B, 198.51.100.7:51820
//                     ▲                                              │
//                     └──────── idle, when all its sends are done ◀──┘ send, without a copy
//
//  A send that finds no room is not waited for, and its datagrams are lost: whoever sends through us paces what he
//  sends, and a relay that kept more than a socket's buffer would only add delay. Without waiting, sends leave in the
//  order in which they were prepared.
//
//  Always true.  (1) A buffer is with the kernel for reading, idle, or read by as many sends as `readers` says. (2) The
//  engine's own datagrams lie in blocks of their own until they are sent.
//
//  Not here.  Who may send what where (RelayEngine).

import Engine
import Glibc
import POSIX
import Primitives
import Relay
import Ring
import Underlay

struct RelayLoop: ~Copyable {
  enum Kind: UInt8 {
    case datagrams = 1
    case forwarded
    case sent
    case woken
  }

  /// What arrives while a turn's sends are done: 256 joined batches are 16 MB, 13 ms of 10 Gbit/s. Of each only what
  /// was ever read into it takes memory.
  static let buffers = 256
  /// Each read can be cut into several sends where words for us lie in between.
  static let mostSends = 1_024
  /// Answers of ours that wait for the kernel.
  static let ownBlocks = 256

  struct Counters {
    /// Datagrams that went on.
    var forwarded: UInt64 = 0
    var forwardedBytes: UInt64 = 0
    /// There was no room for them in a socket, or the kernel had another reason.
    var dropped: UInt64 = 0
  }

  var ring: Ring
  var engine: RelayEngine
  /// The front first, then those of the back that were ever needed.
  private let ports: UnsafeMutablePointer<RelayPort>
  private(set) var portCount = 1
  private let mostPorts: Int
  private var pool: BufferPool
  private var messages = SendMessages(capacity: RelayLoop.mostSends)
  private let readers: UnsafeMutablePointer<UInt16>
  private let blocks: UnsafeMutablePointer<RelayDatagram>
  private var freeBlocks = RingBuffer<UInt16>(minimumCapacity: RelayLoop.ownBlocks)
  private(set) var counters = Counters()
  private(set) var now: Instant
  /// Whoever else has something to do between two turns, and when.
  var alarm: Instant?

  init(
    ring: consuming Ring, engine: consuming RelayEngine, front: consuming UDPSocket, mostBackSockets: Int,
    pool: consuming BufferPool, at now: Instant
  ) {
    let counts = UnsafeMutablePointer<UInt16>.allocate(capacity: RelayLoop.buffers)
    counts.initialize(repeating: 0, count: RelayLoop.buffers)
    readers = counts
    blocks = .allocate(capacity: RelayLoop.ownBlocks)
    let sockets = UnsafeMutablePointer<RelayPort>.allocate(capacity: 1 + mostBackSockets)
    sockets.initialize(to: RelayPort(front))
    ports = sockets
    mostPorts = 1 + mostBackSockets
    self.ring = ring
    self.engine = engine
    self.pool = pool
    self.now = now
    for number in 0..<RelayLoop.ownBlocks { freeBlocks.append(UInt16(number)) }
  }

  deinit {
    ports.deinitialize(count: portCount)
    ports.deallocate()
    readers.deallocate()
    blocks.deallocate()
  }

  var frontPort: UInt16 { ports.pointee.socket.port }

  /// As many back sockets as there are clients of one destination. A sentence when the system gives none.
  mutating func openBackSockets() -> String? {
    while portCount < min(mostPorts, 1 + engine.relay.backSockets) {
      do throws(UnderlayFailure) {
        (ports + portCount).initialize(to: RelayPort(try UDPSocket.open()))
        portCount += 1
      } catch {
        return "a back socket cannot be opened, and some clients' datagrams are lost: \(error)"
      }
    }
    return nil
  }

  mutating func watch(_ waker: RingWaker) { ring.watch(waker, tag: Tag(Kind.woken)) }

  /// One turn. Returns true when somebody woke us.
  mutating func turn() -> Bool {
    prepare()
    var wakeAt = engine.deadline
    if let alarm, wakeAt.map({ alarm < $0 }) ?? true { wakeAt = alarm }
    ring.wait(timeout: wakeAt.map { max(.zero, $0 - now) })
    now = MonotonicClock.now
    var isWoken = false
    while let completion = ring.nextCompletion() {
      switch completion.tag.kind(Kind.self) {
      case .datagrams: datagramsRead(completion)
      case .forwarded: forwarded(completion)
      case .sent: freeBlocks.append(UInt16(truncatingIfNeeded: messages.finish(completion.tag.number).context))
      case .woken: isWoken = true
      case nil: preconditionFailure("a completion that nobody asked for")
      }
    }
    if let due = engine.deadline, due <= now { engine.expire(at: now) }
    return isWoken
  }

  /// The front comes first.
  private static func place(of socket: RelaySocket) -> Int {
    switch socket {
    case .front: 0
    case .back(let number): Int(number) + 1
    }
  }

  // MARK: In and on

  private mutating func datagramsRead(_ completion: Completion) {
    let index = Int(completion.tag.place)
    if !completion.isRepeating { ports[index].isReading = false }
    guard let number = completion.buffer else { return }
    pool.taken()
    defer { if readers[Int(number)] == 0 { pool.giveBack(number) } }
    guard completion.result > 0 else { return }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: pool[number][..<Int(completion.result)])
    guard let datagrams = ReceivedDatagrams(bytes), !datagrams.isTruncated, datagrams.segmentSize > 0 else { return }
    let received = UnsafeRawBufferPointer(datagrams.bytes)
    engine.receive(
      received, pieceLength: datagrams.segmentSize, on: index == 0 ? .front : .back(UInt16(index - 1)),
      from: datagrams.source,
      to: datagrams.destination, at: now)
    while let forward = engine.nextForward() {
      send(
        UnsafeRawBufferPointer(rebasing: received[forward.range]), forward, from: number,
        // What a router marked stays marked, and what it may mark stays so.
        trafficClass: datagrams.trafficClass)
    }
  }

  private mutating func send(
    _ bytes: UnsafeRawBufferPointer, _ forward: RelayForward, from number: UInt16, trafficClass: UInt8
  ) {
    let index = RelayLoop.place(of: forward.socket)
    if index >= portCount {
      counters.dropped &+= UInt64((bytes.count + forward.pieceLength - 1) / forward.pieceLength)
      return
    }
    var batch = DatagramBatch(
      bytes, segmentSize: forward.pieceLength, to: forward.remote, trafficClass: trafficClass,
      context: UInt64(number) << 16 | UInt64(index))
    while let message = messages.next(of: &batch, mostSegments: ports[index].segmentation.mostSegments) {
      readers[Int(number)] += 1
      ring.send(
        message.header, on: ports[index].socket.descriptor, mayWait: false,
        tag: Tag(Kind.forwarded, number: message.number))
    }
    if !batch.isEmpty {
      counters.dropped &+= UInt64((batch.bytes.count + batch.segmentSize - 1) / batch.segmentSize)
    }
  }

  private mutating func forwarded(_ completion: Completion) {
    let message = messages.finish(completion.tag.number)
    let number = UInt16(truncatingIfNeeded: message.context >> 16)
    let index = Int(message.context & 0xffff)
    let segments = (message.bytes.count + message.segmentSize - 1) / message.segmentSize
    readers[Int(number)] -= 1
    switch ports[index].segmentation.note(completion.result, segments: segments) {
    case .sent:
      counters.forwarded &+= UInt64(segments)
      counters.forwardedBytes &+= UInt64(message.bytes.count)
    case .sendSingly:
      // The interface refuses batches: this one goes again, one by one.
      var batch = message
      while let single = messages.next(of: &batch, mostSegments: 1) {
        readers[Int(number)] += 1
        ring.send(
          single.header, on: ports[index].socket.descriptor, mayWait: false,
          tag: Tag(Kind.forwarded, number: single.number))
      }
    case .failed: counters.dropped &+= UInt64(segments)
    }
    if readers[Int(number)] == 0 { pool.giveBack(number) }
  }

  // MARK: Out

  private mutating func prepare() {
    while freeBlocks.count > 0, let datagram = engine.nextDatagram(), let number = freeBlocks.popFirst() {
      let block = blocks + Int(number)
      block.initialize(to: datagram)
      let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(block), count: datagram.count)
      var batch = DatagramBatch(
        bytes, segmentSize: datagram.count, to: datagram.remote, from: datagram.local, context: UInt64(number))
      guard let message = messages.next(of: &batch, mostSegments: 1) else {
        freeBlocks.append(number)
        continue
      }
      ring.send(
        message.header, on: ports[min(RelayLoop.place(of: datagram.socket), portCount - 1)].socket.descriptor,
        mayWait: false,
        tag: Tag(Kind.sent, number: message.number))
    }
    pool.lend(upTo: RelayLoop.buffers, to: &ring)
    if pool.lent == 0 { return }
    for index in 0..<portCount where !ports[index].isReading {
      ports[index].isReading = true
      ring.receive(
        ports[index].socket.descriptor, into: pool.group, layout: ReceivedDatagrams.layout,
        tag: Tag(Kind.datagrams, place: UInt32(index)))
    }
  }
}

struct RelayPort: ~Copyable {
  let socket: UDPSocket
  var segmentation = SegmentationOffload()
  var isReading = false

  init(_ socket: consuming UDPSocket) { self.socket = socket }
}
