//  Ring.swift — io_uring: many operations for one kernel call, and no allocation for any of them.
//
//  Why.  A packet costs two or three microseconds in the kernel; a system call, a wake-up or a malloc for each would
//  double that. So reads repeat by themselves into buffers that we lend, writes go in batches, and one call per turn
//  hands over the batch, waits, and brings all results.
//
//  How.  One ring belongs to one thread (SINGLE_ISSUER), and the kernel does our work when we enter it, not by
//  interrupting us (DEFER_TASKRUN).
//
//        read(file, into: group) ──▶ submission queue ──▶ ┌────────┐ ──▶ completion queue ──▶ nextCompletion()
//        write(file, from: bytes) ─▶  (entries)           │ kernel │      (completions)          tag, result, buffer
//                                                         └────────┘
//        provide(buffer) ─────────▶ buffer group, a ring of its own: a repeating read takes one for each packet
//
//  Waiting.  `wait(gathering:)` sleeps at least so long before it looks at results, however many come: on a busy device
//  the wake-ups cost more than the work (measured: 94 % of a core for 100,000 packets a second, 48 % when it gathers
//  for 100 µs). Kernels before 6.12 cannot; there it returns with the first result and costs more.
//
//  Older kernels.  Repeating reads came with Linux 6.7, and Debian 12 has 6.1: there the ring watches the file, and
//  reads by itself when something has come (PolledReads.swift). The caller sees the same completions.
//
//  After SIGKILL.  A ring may outlive its process by a moment, and what it was reading with it: a TUN interface is then
//  still there, and busy, though its program is dead. Measured: gone with the process 36 times of 40, else within 5 ms;
//  on a busy machine that may be seconds, as the kernel closes such files one after the other. Whoever opens one anew
//  must try again for a while.
//
//  Rejected.  Registered files: they save no measurable time (2 %, within the noise), and with them it is never gone
//  with the process. SQPOLL: a core for itself. Single reads: several in flight go to worker threads and come back out
//  of order. Buffers that are consumed bit by bit (INC): cut a packet at the buffer's end. A closure or a continuation
//  for each operation: 160 to 700 ns against 40.
//
//  Always true.  (1) Buffer groups live as long as the ring: their memory goes after the ring has gone. (2) What a
//  `write` or a `send` points to must stay until its completion, a receive's layout until its end; what a group was
//  given belongs to the kernel until a completion names it.
//
//  Not here.  What the bytes mean, who owns the buffers, when to wait.

public import CUring
import Glibc
public import Primitives

public struct Ring: ~Copyable {
  /// What newer kernels do, and older ones do in the next best way.
  public struct Feature: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A read that repeats (Linux 6.7). Without it each read is a system call.
    public static let repeatingReads = Feature(rawValue: 1)
    /// `wait(gathering:)` gathers (Linux 6.12). Without it each result may be a wake-up.
    public static let gathering = Feature(rawValue: 2)
  }

  /// A ring of lent buffers. A repeating read takes them first in, first out.
  public struct BufferGroup: Hashable, Sendable {
    @usableFromInline let number: UInt16
    public let capacity: Int
  }

  @usableFromInline struct Buffers {
    @usableFromInline var ring: UnsafeMutablePointer<io_uring_buf_ring>
    @usableFromInline var length: Int
    @usableFromInline var mask: Int32
    /// Added since the last `publish`.
    @usableFromInline var added: Int32
    var taker: Taker?
    /// The next buffer that we take; unused when the kernel takes them.
    var head: UInt16 = 0
  }

  /// Who takes a group's buffers. Only one can know which is next.
  enum Taker { case kernel, ourselves }

  /// On the heap, since the kernel's library keeps pointers into it.
  @usableFromInline let handle: UnsafeMutablePointer<io_uring>
  @usableFromInline let groups: UnsafeMutablePointer<Buffers>
  private let groupCapacity: Int
  private var groupCount = 0
  private let enterFlags: UInt32
  /// What this kernel can, of what we could do without.
  public let features: Feature
  @usableFromInline let readsByPolling: Bool
  var polledReads = PolledReads()

  private init(
    _ handle: UnsafeMutablePointer<io_uring>, features: Feature, enterFlags: UInt32, groups: Int
  ) {
    self.handle = handle
    self.features = features
    readsByPolling = !features.contains(.repeatingReads)
    self.enterFlags = enterFlags
    groupCapacity = groups
    self.groups = .allocate(capacity: max(1, groups))
  }

  deinit {
    io_uring_queue_exit(handle)
    for number in 0..<groupCount { munmap(groups[number].ring, groups[number].length) }
    groups.deallocate()
    handle.deallocate()
  }

  /// A ring for the calling thread. `entries` operations fit between two submissions; `completions` results between two
  /// looks. What is in `without` is not used, though the kernel may have it: to see what an older one would do.
  public static func make(
    entries: Int, completions: Int, bufferGroups: Int, without: Feature = []
  ) throws(RingFailure) -> Ring {
    let handle = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    handle.initialize(to: io_uring())
    var parameters = io_uring_params()
    parameters.flags = UInt32(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE)
    parameters.cq_entries = UInt32(completions)
    let made = io_uring_queue_init_params(UInt32(entries), handle, &parameters)
    guard made == 0 else {
      handle.deallocate()
      // The flags are all that an older kernel could find invalid here. One that knows them has all else that we need:
      // repeating receives are of 6.0, rings of buffers of 5.19.
      throw RingFailure(
        -made == EINVAL
          ? .lacks(feature: "deferred task work (DEFER_TASKRUN)", since: "6.1")
          : .refused(operation: "making the ring", errno: -made))
    }
    var enterFlags: UInt32 = 0
    if io_uring_register_ring_fd(handle) == 1 { enterFlags |= UInt32(IORING_ENTER_REGISTERED_RING) }
    // Else every sleep of ours would look like a disk that is slow.
    if parameters.features & hawser_feat_no_iowait != 0 { enterFlags |= hawser_enter_no_iowait }
    let features = Feature.found(handle).subtracting(without)
    return Ring(handle, features: features, enterFlags: enterFlags, groups: bufferGroups)
  }

  /// A sentence for the log for each thing that this kernel does in the next best way; empty on a new one.
  public var limitations: [String] { features.limitations(kernel: runningKernel()) }

  // MARK: Buffers

  /// A new group for `capacity` buffers, a power of two. A small group keeps the buffers in the cache.
  public mutating func makeBufferGroup(capacity: Int) throws(RingFailure) -> BufferGroup {
    precondition(groupCount < groupCapacity, "more buffer groups than the ring was made for")
    precondition(capacity > 0 && capacity <= 32_768 && capacity & (capacity - 1) == 0, "1 … 32,768, a power of two")
    let length = capacity * MemoryLayout<io_uring_buf>.stride
    let memory = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw RingFailure(.refused(operation: "memory for a buffer group", errno: errno))
    }
    var request = io_uring_buf_reg()
    request.ring_addr = UInt64(UInt(bitPattern: memory))
    request.ring_entries = UInt32(capacity)
    request.bgid = UInt16(groupCount)
    let done = io_uring_register_buf_ring(handle, &request, 0)
    guard done == 0 else {
      munmap(memory, length)
      throw RingFailure(.refused(operation: "registering a buffer group", errno: -done))
    }
    let ring = memory.assumingMemoryBound(to: io_uring_buf_ring.self)
    io_uring_buf_ring_init(ring)
    groups[groupCount] = Buffers(ring: ring, length: length, mask: Int32(capacity - 1), added: 0)
    groupCount += 1
    return BufferGroup(number: UInt16(groupCount - 1), capacity: capacity)
  }

  /// Lends a buffer; the kernel sees it after `publish`. `number` comes back with the data.
  @inlinable @inline(__always)
  public mutating func provide(_ bytes: UnsafeMutableRawBufferPointer, number: UInt16, to group: BufferGroup) {
    let buffers = groups + Int(group.number)
    io_uring_buf_ring_add(
      buffers.pointee.ring, bytes.baseAddress, UInt32(bytes.count), number, buffers.pointee.mask, buffers.pointee.added)
    buffers.pointee.added &+= 1
  }

  @inlinable @inline(__always)
  public mutating func publish(_ group: BufferGroup) {
    let buffers = groups + Int(group.number)
    if buffers.pointee.added == 0 { return }
    io_uring_buf_ring_advance(buffers.pointee.ring, buffers.pointee.added)
    buffers.pointee.added = 0
  }

  // MARK: Operations

  /// Reads again and again, each time into the next buffer of the group, until it fails: with -ENOBUFS when none is
  /// left. On kernels without repeating reads the file becomes a non-blocking one.
  public mutating func read(_ descriptor: Int32, into group: BufferGroup, tag: Tag) {
    claim(group, for: readsByPolling ? .ourselves : .kernel)
    if readsByPolling { return startPolledRead(descriptor, group, tag) }
    hawser_ring_prepare_read_multishot(entry(), descriptor, group.number, tag.bits)
  }

  /// Receives datagrams again and again, each into the next buffer of the group, until it fails: with -ENOBUFS when
  /// none is left. An empty datagram ends it as well, with its result like any other. `layout` says how many bytes of
  /// each buffer are for the name and the control data, and must stay; `ReceivedMessage` finds the parts again.
  public mutating func receive(
    _ descriptor: Int32, into group: BufferGroup, layout: UnsafePointer<msghdr>, tag: Tag
  ) {
    claim(group, for: .kernel)
    hawser_ring_prepare_receive_multishot(entry(), descriptor, layout, group.number, tag.bits)
  }

  private func claim(_ group: BufferGroup, for taker: Taker) {
    let buffers = groups + Int(group.number)
    precondition(
      buffers.pointee.taker == nil || buffers.pointee.taker == taker,
      "a buffer group is for reads or for receives, not for both")
    buffers.pointee.taker = taker
  }

  /// Sends a message. It and all that it points to must stay until the completion. When the socket's buffer is full
  /// the message waits for room, unless it may not: then the result is -EAGAIN.
  @inlinable @inline(__always)
  ///
  /// A linked one is followed by another operation that begins when it has ended, and is cancelled (-ECANCELED) when it
  /// has failed. The last of a chain is not linked, and a chain is prepared without a submission between: look at
  /// `room` before. Without a link, a send that has to wait for room in the socket is overtaken by those behind it.
  public mutating func send(
    _ message: UnsafePointer<msghdr>, on descriptor: Int32, mayWait: Bool = true, isLinked: Bool = false, tag: Tag
  ) {
    let entry = entry()
    hawser_ring_prepare_send(entry, descriptor, message, mayWait ? 0 : UInt32(MSG_DONTWAIT), tag.bits)
    if isLinked { entry.pointee.flags |= hawser_link }
  }

  @inlinable @inline(__always)
  public mutating func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, tag: Tag) {
    hawser_ring_prepare(
      entry(), Int32(IORING_OP_WRITE.rawValue), descriptor, bytes.baseAddress, UInt32(bytes.count), tag.bits)
  }

  /// Writes the bytes of all slices as one: one packet for a device. Slices and bytes must stay until the completion.
  @inlinable @inline(__always)
  public mutating func write(
    slices: UnsafePointer<iovec>, count: Int, to descriptor: Int32, tag: Tag
  ) {
    hawser_ring_prepare(
      entry(), Int32(IORING_OP_WRITEV.rawValue), descriptor, slices, UInt32(truncatingIfNeeded: count), tag.bits)
  }

  /// Completes each time when the file becomes readable.
  public mutating func watch(_ descriptor: Int32, tag: Tag) {
    hawser_ring_prepare_poll_multishot(entry(), descriptor, UInt32(POLLIN), tag.bits)
  }

  /// Completes each time when somebody calls `waker.wake()`; many calls may be one completion.
  public mutating func watch(_ waker: RingWaker, tag: Tag) { watch(waker.descriptor, tag: tag) }

  /// Ends the operations that have this tag.
  public mutating func cancel(_ target: Tag, tag: Tag) {
    if let ours = polledReads.poll(of: target) { return hawser_ring_prepare_cancel(entry(), ours.bits, tag.bits) }
    hawser_ring_prepare_cancel(entry(), target.bits, tag.bits)
  }

  /// How many operations fit until the next submission.
  @inlinable public var room: Int { Int(io_uring_sq_space_left(handle)) }

  @inlinable @inline(__always)
  mutating func entry() -> UnsafeMutablePointer<io_uring_sqe> {
    if let entry = hawser_ring_entry(handle) { return entry }
    submit()
    guard let entry = hawser_ring_entry(handle) else { preconditionFailure("the kernel took no operation") }
    return entry
  }

  // MARK: The kernel

  /// Hands over all operations and collects what has happened, without waiting.
  public mutating func submit() { enter(count: 0, least: 0, timeout: nil) }

  /// Hands over all operations and sleeps until something has happened, the timeout at most. With `gathering`, results
  /// collect for that long before it returns.
  public mutating func wait(gathering least: Interval = .zero, timeout: Interval? = nil) {
    var count: UInt32 = 1
    var microseconds: UInt32 = 0
    if least >= .microseconds(1) && features.contains(.gathering) {
      count = UInt32(Int32.max)  // more than there can be; the kernel reads it as a signed number
      microseconds = UInt32(clamping: least.nanoseconds / 1_000)
    }
    guard let timeout else { return enter(count: count, least: microseconds, timeout: nil) }
    let nanoseconds = max(timeout, .zero).nanoseconds
    var time = __kernel_timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    enter(count: count, least: microseconds, timeout: &time)
  }

  private mutating func enter(count: UInt32, least: UInt32, timeout: UnsafeMutablePointer<__kernel_timespec>?) {
    // With something left to read we only look in.
    let mustReturn = readsByPolling && polledReads.beginTurn()
    let result = hawser_ring_enter(handle, mustReturn ? 0 : count, mustReturn ? 0 : least, timeout, enterFlags)
    if result >= 0 { return }
    switch -result {
    // Time is up; a signal; the kernel wants us to take results first, which every caller does next.
    case ETIME, EINTR, EBUSY, EAGAIN: return
    case let code: preconditionFailure("io_uring_enter: \(String(cString: strerror(code)))")
    }
  }

  /// The next result, in the order in which they happened.
  @inlinable @inline(__always)
  public mutating func nextCompletion() -> Completion? {
    readsByPolling ? nextCompletionOrRead() : nextKernelCompletion()
  }

  @inlinable @inline(__always)
  mutating func nextKernelCompletion() -> Completion? {
    if io_uring_cq_ready(handle) == 0 { return nil }
    let queue = handle.pointee.cq
    let completion = Completion(queue.cqes[Int(queue.khead.pointee & queue.ring_mask)])
    io_uring_cq_advance(handle, 1)
    return completion
  }

  /// Whether `nextCompletion` has something, or should be asked whether it has.
  public var hasCompletion: Bool { io_uring_cq_ready(handle) != 0 || polledReads.isHungry }
}
