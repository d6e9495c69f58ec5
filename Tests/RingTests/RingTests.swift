import Glibc
import Primitives
import Testing

@testable import Ring

private enum Kind: UInt8 {
  case read = 7, write, watch, cancel
}

@Suite struct `One ring for many operations` {
  @Test func `what is written at one end of a line is read at the other, packet by packet`() throws {
    var line = try Line(buffers: 8)
    for size in [1, 700, 1_500] { line.send(size) }
    #expect(line.receiveAll() == [1, 700, 1_500])
  }

  @Test func `a repeating read ends when its buffers run out, and loses nothing when asked again`() throws {
    var line = try Line(buffers: 2)
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

  @Test func `more operations than the queue holds go out all the same, in their order`() throws {
    var line = try Line(buffers: 64)
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

  @Test func `an operation that is cancelled says so and repeats no more`() throws {
    var line = try Line(buffers: 1)
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
    let canGather = line.ring.canGather
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

/// Two ends of a packet line in this process, the inner one with buffers for a repeating read.
private struct Line: ~Copyable {
  static let bufferLength = 2_048

  var ring: Ring
  let outer: Int32
  let inner: Int32
  let group: Ring.BufferGroup
  let memory: UnsafeMutableRawBufferPointer

  init(buffers: Int) throws { self = try Line.make(buffers: buffers) }

  private init(_ ring: consuming Ring, _ group: Ring.BufferGroup, _ ends: [Int32]) {
    self.ring = ring
    outer = ends[0]
    inner = ends[1]
    self.group = group
    memory = .allocate(byteCount: group.capacity * Line.bufferLength, alignment: 64)
    lendAll()
  }

  private static func make(buffers: Int) throws -> Line {
    var ends: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
    var ring = try Ring.make(entries: 8, completions: 256, bufferGroups: 1)
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
    while true {
      var hasEnded = false
      ring.read(inner, into: group, tag: Tag(Kind.read))
      ring.submit()
      while let completion = nextRead() {
        if completion.result > 0 { sizes.append(completion.result) }
        if let buffer = completion.buffer { lend(buffer) }
        if !completion.isRepeating { hasEnded = true }
      }
      if !hasEnded { return sizes }
    }
  }
}
