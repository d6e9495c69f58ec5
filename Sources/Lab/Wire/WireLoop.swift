//  WireLoop.swift — carries frames between pairs of TAPs: the ring, the devices and the one clock around a Carrier.
//
//  How.  Every end of an emulated link is a TAP, and every TAP has a few slots of the pool lent to the kernel:
//
//        TAP ──repeating read──▶ slot ──accept──▶ Carrier ──release, at its time──▶ slot ──write──▶ the other TAP
//                                 ▲                                                  │
//                                 └──────────── lent again ◀── pool ◀────────────────┘
//
//  A turn: hand what the last turn wrote to the kernel, ask again for reads that ended, wait; look at the clock once;
//  accept what was read, release what is due. A slot that came back filled is replaced at once, so the kernel always
//  has somewhere to put a frame and none waits in a device because the pool is empty: it is read, dropped and counted.
//
//  Frames move one by one, an MTU long at most. The kernel cuts super-packets at the sender, as an adapter would, and
//  every frame is an event of its own in the model. Checksums stay unfinished on the way (`VNIC.Offloads.checksum`).
//
//  Rejected.  Carrying super-packets whole: a copying loop did 24 Gbit/s that way, this one does 2.3, but loss, rate
//  and order would have to be worked out inside of packets, and a line of 1 Gbit/s needs none of it. Measured with
//  1,500-byte packets at 1 Gbit/s each way, 167,000 frames a second: 49 to 55 % of a core, 3.0 µs a frame, half of it
//  the receiver's own IP stack, which runs inside of our write (decision 0006).
//
//  Not here.  Who makes the TAPs and brings them up (Wire, `up`); what happens on a link (Simulation.Link).

import Glibc
import Netlink
import POSIX
import Packets
import Primitives
import Ring
import Simulation
import Topology
import VNIC

struct WireLoop: ~Copyable {
  private enum Kind: UInt8 {
    case read, write, lastWrite, control
  }

  /// Keeps a TAP open.
  private final class Device {
    let nic: VNIC
    init(_ nic: consuming VNIC) { self.nic = nic }
  }

  private struct Tap {
    var device: Device
    var descriptor: Int32
    var buffers: Ring.BufferGroup
    /// Its read is running.
    var isListening = false
    /// Its interface exists.
    var isAlive = true
  }

  /// What reads a trace that a `set` names.
  typealias TraceReader = (String) throws(LabError) -> DeliveryTrace

  /// Lent to the kernel for each TAP. A TCP's super-packets are cut into 44 frames: with 32 every second one ended the
  /// read, at 2 % more cost for asking again; with 128 the buffers of two busy TAPs fall out of the second-level cache.
  static let mostLentPerTap = 64
  /// In all: 12 MB at the usual MTU. Who has hundreds of links has hardly two busy ones at a time, and asks again.
  static let mostLent = 8_192

  /// Writes in one turn, 0.3 ms of work: longer turns would leave arrivals unread for more than the precision that we
  /// promise.
  static let mostWrites = 128
  /// Results that fit before the kernel must set some aside.
  static let mostCompletions = 4_096

  private var ring: Ring
  private var carrier: Carrier
  private var pool: FramePool
  private var drops: InterfaceDrops
  private let control: WireControl
  private let readTrace: TraceReader
  private var policy = WakePolicy()
  private var runDelay = RunDelay()

  private var taps: [Tap] = []
  private let lentPerTap: Int
  /// For each TAP and each number by which the kernel knows a buffer: the slot that is lent under it.
  private var lent: [UInt32]
  /// For each slot that holds a frame: its length, offload header included.
  private var lengths: [UInt32]
  private var unsubmitted = 0
  private var needsListening = true
  private var controlIsWatched = false
  private var lastHarvest: Instant
  /// What was read now may have waited for too long.
  private var readLate = false
  private var isStopping = false
  private var totals = WireTotals()

  /// For the calling thread, which must be the one to call `run`.
  init(
    ring: consuming Ring, carrier: consuming Carrier, pool: consuming FramePool, drops: consuming InterfaceDrops,
    control: consuming WireControl, readTrace: @escaping TraceReader
  ) {
    lengths = Array(repeating: 0, count: pool.slotCount)
    lentPerTap = WireLoop.lentPerTap(of: 2 * carrier.links.count)
    lent = Array(repeating: 0, count: 2 * carrier.links.count * lentPerTap)
    self.ring = ring
    self.carrier = carrier
    self.pool = pool
    self.drops = drops
    self.control = control
    self.readTrace = readTrace
    lastHarvest = MonotonicClock.now
  }

  /// A power of two, as the kernel wants it: at least 4, of which a read that was ended lets no frame wait for long.
  static func lentPerTap(of taps: Int) -> Int {
    var count = mostLentPerTap
    while count > 4 && count * taps > mostLent { count /= 2 }
    return count
  }

  /// Adds the TAP of the next end, in the carrier's order.
  mutating func add(_ nic: consuming VNIC) throws(LabError) {
    let buffers: Ring.BufferGroup
    do throws(RingFailure) {
      buffers = try ring.makeBufferGroup(capacity: lentPerTap)
    } catch {
      throw .refused("\(error)")
    }
    for number in 0..<lentPerTap {
      guard let slot = pool.take() else { preconditionFailure("the pool was made too small for what is lent") }
      lend(slot, as: number, at: taps.count, to: buffers)
    }
    let descriptor = nic.descriptor
    taps.append(Tap(device: Device(nic), descriptor: descriptor, buffers: buffers))
  }

  /// Counts what these interfaces drop among the totals.
  mutating func watchDrops(of interfaces: [String], in namespace: Int32, at place: String) throws(LabError) {
    do throws(NetlinkError) {
      try drops.add(interfaces, in: namespace)
    } catch {
      throw .network(place, error)
    }
  }

  /// Carries frames until it is told to stop, or until all interfaces are gone.
  mutating func run() {
    precondition(taps.count == 2 * carrier.links.count, "every end needs a TAP")
    while !isStopping {
      listen()
      if unsubmitted > 0 {
        // Before the time is taken that the next sleep is computed from: writing takes up to 0.3 ms.
        ring.submit()
        unsubmitted = 0
      }
      let now = wait()
      harvest(at: now)
      release(at: now)
    }
  }

  // MARK: A turn

  private mutating func listen() {
    if needsListening {
      needsListening = false
      var anyAlive = false
      for number in taps.indices where taps[number].isAlive {
        anyAlive = true
        if taps[number].isListening { continue }
        taps[number].isListening = true
        ring.read(taps[number].descriptor, into: taps[number].buffers, tag: Tag(Kind.read, place: UInt32(number)))
        unsubmitted += 1
      }
      if !anyAlive { isStopping = true }
    }
    if !controlIsWatched {
      controlIsWatched = true
      ring.watch(control.descriptor, tag: Tag(Kind.control))
      unsubmitted += 1
    }
  }

  /// Until something came or is due. Returns the time of this turn.
  private mutating func wait() -> Instant {
    let begin = MonotonicClock.now
    if ring.hasCompletion {
      readLate = begin - lastHarvest > Carrier.lateAfter
      policy.turn(at: begin, spunFor: .zero, wasIdle: false)
      return begin
    }
    switch policy.step(at: begin, deadline: carrier.deadline) {
    case .proceed:
      // A long series of due frames must not keep us from reading.
      ring.submit()
      let now = MonotonicClock.now
      readLate = now - lastHarvest > Carrier.lateAfter
      policy.turn(at: now, spunFor: .zero, wasIdle: false)
      return now
    case .spin(let until):
      var now = begin
      repeat {
        ring.submit()
        now = MonotonicClock.now
      } while now < until && !ring.hasCompletion
      readLate = begin - lastHarvest > Carrier.lateAfter
      policy.turn(at: now, spunFor: now - begin, wasIdle: false)
      return now
    case .wait(let gathering, let timeout):
      // Asking the scheduler costs some µs: of a short sleep we know the end ourselves.
      let isLong = timeout.map { $0 > Carrier.lateAfter } ?? true
      if isLong { _ = runDelay.sinceLastAsked() }
      ring.wait(gathering: gathering, timeout: timeout)
      let now = MonotonicClock.now
      let keptWaiting = isLong ? runDelay.sinceLastAsked() : now - begin - (timeout ?? .zero)
      readLate = begin - lastHarvest + max(keptWaiting, .zero) > Carrier.lateAfter
      policy.turn(at: now, spunFor: .zero, wasIdle: !ring.hasCompletion)
      return now
    }
  }

  private mutating func harvest(at now: Instant) {
    lastHarvest = now
    while let completion = ring.nextCompletion() {
      guard let kind = completion.tag.kind(Kind.self) else { preconditionFailure("a completion that nobody asked for") }
      switch kind {
      case .read: received(completion, at: now)
      case .write: if completion.result < 0 { totals.notTaken += 1 }
      case .lastWrite:
        if completion.result < 0 { totals.notTaken += 1 }
        pool.give(completion.tag.number)
      case .control:
        if !completion.isRepeating { controlIsWatched = false }
        while let request = control.receive() { control.reply(answer(request.text, at: now), to: request.sender) }
      }
    }
  }

  private mutating func received(_ completion: Completion, at now: Instant) {
    let number = Int(completion.tag.place)
    if !completion.isRepeating {
      taps[number].isListening = false
      needsListening = true
    }
    guard completion.result >= 0, let buffer = completion.buffer else {
      switch -completion.result {
      case ENOBUFS, EAGAIN, EINTR, ENOMEM: return
      default: return taps[number].isAlive = false  // the interface went, with its namespace or by hand
      }
    }
    let length = Int(completion.result)
    let slot = lent[number * lentPerTap + Int(buffer)]
    var replacement = slot
    if length >= pool.slotLength {
      totals.oversized += 1
    } else if let fresh = pool.take() {
      lengths[Int(slot)] = UInt32(length)
      let frame = ByteCount(max(0, length - OffloadHeader.length))
      if carrier.accept(slot: slot, length: frame, from: number, readLate: readLate, at: now) {
        replacement = fresh
      } else {
        pool.give(fresh)
      }
    } else {
      totals.noSlot += 1
    }
    lend(replacement, as: Int(buffer), at: number, to: taps[number].buffers)
  }

  private mutating func lend(_ slot: UInt32, as buffer: Int, at tap: Int, to group: Ring.BufferGroup) {
    lent[tap * lentPerTap + buffer] = slot
    ring.provide(pool[slot], number: UInt16(buffer), to: group)
    ring.publish(group)
  }

  private mutating func release(at now: Instant) {
    var writes = 0
    while writes < WireLoop.mostWrites, let output = carrier.nextOutput(at: now) {
      switch output {
      case .drop(let slot): pool.give(slot)
      case .release(let slot, let end, let harm, let isLast):
        let frame = UnsafeMutableRawBufferPointer(rebasing: pool[slot][..<Int(lengths[Int(slot)])])
        if let harm { damage(frame, random: harm) }
        let tag = Tag(isLast ? Kind.lastWrite : Kind.write, number: slot)
        ring.write(UnsafeRawBufferPointer(frame), to: taps[end].descriptor, tag: tag)
        writes += 1
      }
    }
    unsubmitted += writes
  }

  // MARK: Requests

  private mutating func answer(_ text: String, at now: Instant) -> String {
    do throws(LabError) {
      return "ok" + (try fulfil(WireRequest(parsing: text), at: now))
    } catch {
      return "error: \(error)"
    }
  }

  /// What follows the `ok`.
  private mutating func fulfil(_ request: WireRequest, at now: Instant) throws(LabError) -> String {
    switch request {
    case .start:
      if !carrier.start(at: now) { throw .refused("the events' clock runs already") }
    case .set(let name, let change):
      let link = try carried(name)
      for file in change.traceFiles where !carrier.knows(trace: file) {
        carrier.add(try readTrace(file), named: file)
      }
      carrier.apply(change, to: link, at: now)
    case .totals:
      var all = totals
      all.carried = carrier.counters.carried
      all.late = carrier.counters.late
      do throws(NetlinkError) { all.overrun = try drops.total() } catch { throw .refused("\(error)") }
      return " " + WireText.of(all, WireTotals.fields)
    case .statistics(let name):
      guard let both = carrier.statistics(of: try carried(name)) else { break }
      return " " + WireText.of(both.forward, LineStatistics.fields, prefix: "forward.")
        + " " + WireText.of(both.backward, LineStatistics.fields, prefix: "backward.")
    case .reset:
      totals = WireTotals()
      carrier.resetCounters()
      do throws(NetlinkError) { try drops.reset() } catch { throw .refused("\(error)") }
    case .stop: isStopping = true
    }
    return ""
  }

  private func carried(_ name: String) throws(LabError) -> Int {
    let topology = carrier.topology
    guard let link = topology.link(named: name) else {
      let near = nearestWord(to: name, in: topology.links.map(\.name)).map { "; did you mean \($0)?" } ?? ""
      throw .wrongUsage("\(topology.name) has no link \(name)\(near)")
    }
    guard carrier.links.contains(link) else {
      throw .refused(
        "link \(name) is a plain pair of interfaces, which nothing can change; give it a rate or an event in the file")
    }
    return link
  }
}

extension Topology.Change {
  fileprivate var traceFiles: [String] {
    guard case .attributes(let attributes) = self else { return [] }
    return attributes.flatMap { attribute -> [String] in
      guard case .rate(let pair) = attribute else { return [] }
      return [pair.forward, pair.backward].compactMap { if case .trace(let file) = $0 { file } else { nil } }
    }
  }
}
