import Glibc
import Primitives
import Testing

@testable import Ring

private enum Kind: UInt8 {
  case read = 7, write, watch, cancel
}

/// As this kernel does it, and as one does that has no repeating reads.
private let ways: [Ring.Feature] = [[], .repeatingReads]

@Suite struct `One ring for many operations` {
  @Test(arguments: ways)
  func `what is written at one end of a line is read at the other, packet by packet`(without: Ring.Feature) throws {
    var line = try Line(buffers: 8, without: without)
    for size in [1, 700, 1_500] { line.send(size) }
    #expect(line.receiveAll() == [1, 700, 1_500])
  }

  @Test(arguments: ways)
  func `a repeating read ends when its buffers run out, and loses nothing when asked again`(without: Ring.Feature)
    throws
  {
    var line = try Line(buffers: 2, without: without)
    for size in 1...7 { line.send(size) }
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.ring.submit()
    var sizes: [Int32] = []
    var ends: [Int32] = []
    while let completion = line.nextRead() {
      if completion.result >= 0 { sizes.append(completion.result) }
      if !completion.isRepeating { ends.append(completion.result) }
    }
    #expect(sizes == [1, 2])
    #expect(ends == [-ENOBUFS])
    line.lendAll()
    #expect(line.receiveAll() == [3, 4, 5, 6, 7])
  }

  @Test func `a tag comes back as it was given, whatever its numbers`() throws {
    var line = try Line(buffers: 1)
    let tag = Tag(Kind.write, number: .max, place: 0xff_ffff)
    let bytes: [UInt8] = [1, 2, 3]
    try bytes.withUnsafeBytes { bytes in
      line.ring.write(bytes, to: line.outer, tag: tag)
      line.ring.wait()
      let next = line.ring.nextCompletion()
      let completion = try #require(next)
      #expect(completion.tag == tag)
      #expect(completion.tag.kind(Kind.self) == .write)
      #expect(completion.tag.number == .max && completion.tag.place == 0xff_ffff)
      #expect(completion.result == 3 && completion.buffer == nil && !completion.isRepeating)
    }
  }

  @Test(arguments: ways)
  func `more operations than the queue holds go out all the same, in their order`(without: Ring.Feature) throws {
    var line = try Line(buffers: 64, without: without)
    let bytes = [UInt8](repeating: 0, count: 64)
    bytes.withUnsafeBytes { bytes in
      for size in 1...40 {
        line.ring.write(UnsafeRawBufferPointer(rebasing: bytes[..<size]), to: line.outer, tag: Tag(Kind.write))
      }
      line.ring.submit()
    }
    #expect(line.receiveAll() == (1...40).map { Int32($0) })
  }

  @Test func `a watched file is reported each time when something comes`() throws {
    var line = try Line(buffers: 1)
    line.ring.watch(line.inner, tag: Tag(Kind.watch))
    for _ in 0..<3 {
      line.send(1)
      line.ring.wait()
      let next = line.ring.nextCompletion()
      let completion = try #require(next)
      #expect(completion.tag.kind(Kind.self) == .watch && completion.isRepeating)
      while line.ring.nextCompletion() != nil {}
    }
  }

  @Test func `an operation on a descriptor that is none fails by itself, and leaves the others alone`() throws {
    var line = try Line(buffers: 1)
    let bytes: [UInt8] = [1, 2, 3]
    bytes.withUnsafeBytes { bytes in
      line.ring.write(bytes, to: 9_999, tag: Tag(Kind.write, number: 1))
      line.ring.write(bytes, to: line.outer, tag: Tag(Kind.write, number: 2))
      line.ring.submit()
    }
    var results: [UInt32: Int32] = [:]
    while let completion = line.ring.nextCompletion() { results[completion.tag.number] = completion.result }
    #expect(results == [1: -EBADF, 2: 3])
  }

  @Test(arguments: ways)
  func `a read of a descriptor that is none says so`(without: Ring.Feature) throws {
    var line = try Line(buffers: 1, without: without)
    line.ring.read(9_999, into: line.group, tag: Tag(Kind.read))
    line.ring.submit()
    let next = line.nextRead()
    let end = try #require(next)
    #expect(end.result == -EBADF && !end.isRepeating)
  }

  @Test(arguments: ways)
  func `a read ends with zero when the other end is closed`(without: Ring.Feature) throws {
    var line = try Line(buffers: 4, without: without)
    line.send(5)
    shutdown(line.outer, Int32(SHUT_WR))
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.ring.submit()
    var results: [Int32] = []
    while let completion = line.nextRead() { results.append(completion.result) }
    #expect(results == [5, 0])
  }

  @Test func `several slices are written as one packet`() throws {
    var line = try Line(buffers: 1)
    var bytes: [UInt8] = [1, 2, 3, 4, 5]
    try bytes.withUnsafeMutableBytes { bytes in
      let slices = [
        makeSlice(bytes.baseAddress, count: 2), makeSlice(bytes.baseAddress! + 2, count: 3),
      ]
      try slices.withUnsafeBufferPointer { slices in
        let first = try #require(slices.baseAddress)
        line.ring.write(slices: first, count: 2, to: line.outer, tag: Tag(Kind.write))
        line.ring.submit()
      }
    }
    #expect(line.receiveAll() == [5])
    #expect(Array(line.memory[..<5]) == [1, 2, 3, 4, 5])
  }

  @Test(arguments: ways)
  func `an operation that is cancelled says so and repeats no more`(without: Ring.Feature) throws {
    var line = try Line(buffers: 1, without: without)
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.ring.cancel(Tag(Kind.read), tag: Tag(Kind.cancel))
    line.ring.submit()
    var results: [Kind: Int32] = [:]
    while let completion = line.ring.nextCompletion() {
      if let kind = completion.tag.kind(Kind.self) { results[kind] = completion.result }
    }
    #expect(results == [.read: -ECANCELED, .cancel: 0])
  }
}

@Suite struct `How long a ring waits` {
  @Test func `not longer than it was told when nothing comes`() throws {
    var line = try Line(buffers: 1)
    let time = ContinuousClock().measure { line.ring.wait(timeout: .milliseconds(3)) }
    #expect(time >= .milliseconds(3))
    let came = line.ring.hasCompletion
    #expect(!came)
    line.ring.wait(timeout: .milliseconds(-1))  // the moment has passed: no wait, and no trap
  }

  @Test func `only until something comes`() throws {
    var line = try Line(buffers: 1)
    line.send(1)
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.ring.wait()  // would last for ever
    let came = line.ring.hasCompletion
    #expect(came)
  }

  @Test func `at least as long as it shall gather, whatever comes`() throws {
    var line = try Line(buffers: 4)
    let canGather = line.ring.features.contains(.gathering)
    try #require(canGather, "this kernel cannot gather (before Linux 6.12)")
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.send(1)
    let time = ContinuousClock().measure { line.ring.wait(gathering: .milliseconds(5)) }
    #expect(time >= .milliseconds(5))
    let came = line.ring.hasCompletion
    #expect(came)
  }
}

@Suite struct `Why there is no ring` {
  @Test func `an old kernel is told by what it lacks and since when others have it`() {
    let failure = RingFailure(.lacks(feature: "repeating reads", since: "6.7"))
    #expect(
      failure.description
        == "this kernel (\(runningKernel())) has no io_uring with repeating reads; it came with Linux 6.7"
    )
  }

  @Test func `a refusal names the call, the reason and what would help`() {
    let failure = RingFailure(.refused(operation: "making the ring", errno: EPERM))
    #expect(
      failure.description
        == "io_uring: making the ring: Operation not permitted; it is switched off here: see "
        + "`sysctl kernel.io_uring_disabled`, or a container's seccomp profile")
  }
}

@Suite struct `Reads on a kernel that cannot repeat them` {
  @Test func `are named in the log, with the release that can`() {
    let old = Ring.Feature([]).limitations(kernel: "6.1.0")
    #expect(old.count == 2 && old[0].contains("6.1.0") && old[0].contains("6.7") && old[1].contains("6.12"))
    #expect(Ring.Feature([.repeatingReads, .gathering]).limitations(kernel: "6.18.0").isEmpty)
  }

  @Test func `come in turns, so that a flood leaves time to send`() throws {
    var line = try Line(buffers: 4, without: .repeatingReads)
    for size in 1...10 { line.send(size) }
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    var turns: [[Int32]] = []
    for _ in 0..<4 {
      line.ring.wait(timeout: .zero)
      var turn: [Int32] = []
      while let completion = line.nextRead() {
        turn.append(completion.result)
        if let buffer = completion.buffer { line.lend(buffer) }
      }
      turns.append(turn)
    }
    #expect(turns == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []])
  }

  @Test func `are not slept over when some of them are left`() throws {
    var line = try Line(buffers: 2, without: .repeatingReads)
    for size in 1...3 { line.send(size) }
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    line.ring.wait()
    while let completion = line.nextRead() { if let buffer = completion.buffer { line.lend(buffer) } }
    line.ring.wait()  // would last for ever
    let next = line.nextRead()
    #expect(next?.result == 3)
  }

  @Test func `end once a turn while there are no buffers, however often they are asked for`() throws {
    var line = try Line(buffers: 2, without: .repeatingReads)
    for size in 1...3 { line.send(size) }
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    var results: [Int32] = []
    for turn in 0..<3 {
      line.ring.submit()
      while let completion = line.nextRead(), results.count < 10 {
        results.append(completion.result)
        if !completion.isRepeating { line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read)) }
      }
      if turn == 1 { line.lendAll() }
    }
    #expect(results == [1, 2, -ENOBUFS, -ENOBUFS, 3])
  }

  @Test func `go on after each pause`() throws {
    var line = try Line(buffers: 2, without: .repeatingReads)
    line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read))
    for size in 1...5 {
      line.send(size)
      line.ring.wait()
      var sizes: [Int32] = []
      while let completion = line.nextRead() {
        sizes.append(completion.result)
        if let buffer = completion.buffer { line.lend(buffer) }
      }
      #expect(sizes == [Int32(size)])
      let slept = ContinuousClock().measure { line.ring.wait(timeout: .milliseconds(1)) }
      let left = line.nextRead()
      #expect(left == nil)
      #expect(slept >= .milliseconds(1))
    }
  }

  @Test func `that were cancelled leave their place to the next`() throws {
    var line = try Line(buffers: 2, without: .repeatingReads)
    for number in 0..<3 as Range<UInt32> {
      line.ring.read(line.inner, into: line.group, tag: Tag(Kind.read, number: number))
      line.ring.cancel(Tag(Kind.read, number: number), tag: Tag(Kind.cancel))
      line.ring.submit()
      let end = line.nextRead()
      #expect(end?.tag.number == number && end?.result == -ECANCELED)
    }
    line.send(3)
    #expect(line.receiveAll() == [3])
    let places = line.ring.polledReads.reads.count
    #expect(places == 1)
  }
}

@Suite struct `Waking the thread that waits` {
  @Test func `works from any other, and however often it was called before`() throws {
    var line = try Line(buffers: 1)
    let waker = try RingWaker()
    line.ring.watch(waker, tag: Tag(Kind.watch))
    for _ in 0..<3 {
      let other = try onThread {
        waker.wake()
        waker.wake()
      }
      line.ring.wait()
      let next = line.ring.nextCompletion()
      let completion = try #require(next)
      #expect(completion.tag.kind(Kind.self) == .watch && completion.isRepeating)
      pthread_join(other, nil)
      line.ring.submit()
      while line.ring.nextCompletion() != nil {}
    }
  }

  @Test func `is not lost when nobody waits yet`() throws {
    var line = try Line(buffers: 1)
    let waker = try RingWaker()
    waker.wake()
    line.ring.watch(waker, tag: Tag(Kind.watch))
    line.ring.wait()
    let next = line.ring.nextCompletion()
    #expect(next?.tag.kind(Kind.self) == .watch)
  }

  private func onThread(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { raw in
        if let raw { Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body() }
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
    try #require(error == 0)
    return thread
  }
}

@Suite struct `Messages through a ring` {
  @Test func `arrive with their sender, one buffer each, until the buffers run out`() throws {
    var sockets = try Sockets(buffers: 2)
    for size in [1, 700, 900] { try sockets.send([UInt8](repeating: UInt8(size & 0xff), count: size)) }
    sockets.receive()
    sockets.ring.submit()
    var sizes: [Int] = []
    var ends: [Int32] = []
    while let completion = sockets.ring.nextCompletion() {
      if !completion.isRepeating { ends.append(completion.result) }
      guard let message = sockets.message(completion) else { continue }
      sizes.append(message.payload.count)
      #expect(message.payload.allSatisfy { $0 == UInt8(message.payload.count & 0xff) })
      #expect(message.name.count == MemoryLayout<sockaddr_in>.size)
      let port = sockets.senderPort
      #expect(message.name.loadUnaligned(fromByteOffset: 2, as: UInt16.self) == port)
      #expect(!message.isTruncated && !message.isControlTruncated && message.control.isEmpty)
    }
    #expect(sizes == [1, 700])
    #expect(ends == [-ENOBUFS])
  }

  @Test func `longer than their buffer are cut and say so`() throws {
    var sockets = try Sockets(buffers: 2)
    try sockets.send([UInt8](repeating: 1, count: 3_000))
    sockets.receive()
    sockets.ring.submit()
    let next = sockets.ring.nextCompletion()
    let completion = try #require(next)
    let received = sockets.message(completion)
    let message = try #require(received)
    #expect(message.isTruncated)
    let overhead = sockets.overhead
    #expect(message.payload.count == Sockets.bufferLength - overhead)
  }

  @Test func `that are empty end the receive, which is then asked for again`() throws {
    var sockets = try Sockets(buffers: 4)
    try sockets.send([])
    try sockets.send([7])
    sockets.receive()
    sockets.ring.submit()
    let first = sockets.ring.nextCompletion()
    let empty = try #require(first)
    let overhead = sockets.overhead
    #expect(!empty.isRepeating && empty.buffer != nil && empty.result == Int32(overhead))
    let nothing = sockets.message(empty)
    #expect(nothing?.payload.isEmpty == true)
    sockets.receive()
    sockets.ring.submit()
    let next = sockets.ring.nextCompletion()
    let second = try #require(next)
    let one = sockets.message(second)
    #expect(one.map { Array($0.payload) } == [7])
  }

  @Test func `that find no room come back when they may not wait`() throws {
    var line = try Line(buffers: 1)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_024, alignment: 8)
    defer { bytes.deallocate() }
    var slice = makeSlice(bytes.baseAddress, count: bytes.count)
    withUnsafeMutablePointer(to: &slice) { slice in
      var message = msghdr()
      message.msg_iov = slice
      message.msg_iovlen = 1
      withUnsafePointer(to: message) { message in
        var results: [Int32] = []
        for _ in 0..<1_000 where results.last ?? 0 >= 0 {
          line.ring.send(message, on: line.outer, mayWait: false, tag: Tag(Kind.write))
          line.ring.submit()
          while let completion = line.ring.nextCompletion() { results.append(completion.result) }
        }
        #expect(results.last == -EAGAIN)
        #expect(results.dropLast().allSatisfy { $0 == 1_024 })
      }
    }
  }

  @Test func `too short to be one are none`() {
    var bytes = [UInt8](repeating: 0, count: 100)
    bytes.withUnsafeMutableBytes { bytes in
      #expect(ReceivedMessage(bytes, nameRoom: 28, controlRoom: 64) == nil)
      #expect(ReceivedMessage(bytes, nameRoom: 28, controlRoom: 56)?.payload.count == 0)
      #expect(ReceivedMessage(UnsafeMutableRawBufferPointer(start: nil, count: 0), nameRoom: 0, controlRoom: 0) == nil)
    }
  }
}

/// Two UDP sockets on the loopback interface, one of them received from through a ring.
private struct Sockets: ~Copyable {
  static let bufferLength = 2_048

  var ring: Ring
  let group: Ring.BufferGroup
  let receiver: Int32
  let sender: Int32
  let senderPort: UInt16
  let layout: UnsafeMutablePointer<msghdr>
  let memory: UnsafeMutableRawBufferPointer
  var overhead: Int { ReceivedMessage.headerLength + Int(layout.pointee.msg_namelen + 64) }

  init(buffers: Int) throws { self = try Sockets.make(buffers: buffers) }

  private init(_ ring: consuming Ring, _ group: Ring.BufferGroup, receiver: Int32, sender: Int32, senderPort: UInt16) {
    self.ring = ring
    self.group = group
    self.receiver = receiver
    self.sender = sender
    self.senderPort = senderPort
    layout = .allocate(capacity: 1)
    layout.initialize(to: msghdr())
    layout.pointee.msg_namelen = 32
    layout.pointee.msg_controllen = 64
    memory = .allocate(byteCount: group.capacity * Sockets.bufferLength, alignment: 64)
    for number in 0..<group.capacity {
      let start = number * Sockets.bufferLength
      self.ring.provide(
        UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Sockets.bufferLength]), number: UInt16(number),
        to: group)
    }
    self.ring.publish(group)
  }

  private static func make(buffers: Int) throws -> Sockets {
    var ring = try Ring.make(entries: 8, completions: 256, bufferGroups: 1)
    let group = try ring.makeBufferGroup(capacity: buffers)
    let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
    let (receiver, sender) = (socket(AF_INET, kind, 0), socket(AF_INET, kind, 0))
    _ = try bind(sender)
    var address = try bind(receiver)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(sender, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(connected == 0)
    return Sockets(ring, group, receiver: receiver, sender: sender, senderPort: try name(sender).sin_port)
  }

  deinit {
    close(receiver)
    close(sender)
    layout.deallocate()
    memory.deallocate()
  }

  private static func bind(_ descriptor: Int32) throws -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(bound == 0)
    return try name(descriptor)
  }

  private static func name(_ descriptor: Int32) throws -> sockaddr_in {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let named = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: $0), &length)
      }
    }
    try #require(named == 0)
    return address
  }

  mutating func receive() { ring.receive(receiver, into: group, layout: layout, tag: Tag(Kind.read)) }

  func send(_ bytes: [UInt8]) throws { try #require(Glibc.send(sender, bytes, bytes.count, 0) == bytes.count) }

  func message(_ completion: Completion) -> ReceivedMessage? {
    guard let buffer = completion.buffer else { return nil }
    let start = Int(buffer) * Sockets.bufferLength
    return ReceivedMessage(
      UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Int(completion.result)]), layout: layout)
  }
}

/// Two ends of a packet line in this process, the inner one with buffers for a repeating read.
private struct Line: ~Copyable {
  static let bufferLength = 2_048

  var ring: Ring
  let outer: Int32
  let inner: Int32
  let group: Ring.BufferGroup
  let memory: UnsafeMutableRawBufferPointer

  init(buffers: Int, without: Ring.Feature = []) throws { self = try Line.make(buffers: buffers, without: without) }

  private init(_ ring: consuming Ring, _ group: Ring.BufferGroup, _ ends: [Int32]) {
    self.ring = ring
    outer = ends[0]
    inner = ends[1]
    self.group = group
    memory = .allocate(byteCount: group.capacity * Line.bufferLength, alignment: 64)
    lendAll()
  }

  private static func make(buffers: Int, without: Ring.Feature) throws -> Line {
    var ends: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
    var ring = try Ring.make(entries: 8, completions: 256, bufferGroups: 1, without: without)
    let group = try ring.makeBufferGroup(capacity: buffers)
    return Line(ring, group, ends)
  }

  deinit {
    close(outer)
    close(inner)
    memory.deallocate()
  }

  mutating func lendAll() {
    for number in 0..<group.capacity { lend(UInt16(number)) }
  }

  mutating func lend(_ number: UInt16) {
    let start = Int(number) * Line.bufferLength
    ring.provide(
      UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Line.bufferLength]), number: number, to: group)
    ring.publish(group)
  }

  func send(_ size: Int) {
    let bytes = [UInt8](repeating: 0x5a, count: size)
    #expect(Glibc.send(outer, bytes, size, 0) == size)
  }

  mutating func nextRead() -> Completion? {
    while let completion = ring.nextCompletion() {
      if completion.tag.kind(Kind.self) == .read { return completion }
    }
    return nil
  }

  /// The sizes of all packets that wait at the inner end; asks again as often as the buffers run out.
  mutating func receiveAll() -> [Int32] {
    var sizes: [Int32] = []
    ring.read(inner, into: group, tag: Tag(Kind.read))
    while true {
      var (isSilent, hasEnded) = (true, false)
      ring.submit()
      while let completion = nextRead() {
        isSilent = false
        if completion.result > 0 { sizes.append(completion.result) }
        if let buffer = completion.buffer { lend(buffer) }
        if !completion.isRepeating { hasEnded = true }
      }
      if hasEnded { ring.read(inner, into: group, tag: Tag(Kind.read)) }
      if isSilent { return sizes }
    }
  }
}
