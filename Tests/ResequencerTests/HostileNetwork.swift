//  HostileNetwork.swift — a sender that cuts seeded segments over several paths, a network that spoils what it can, and
//  a receiver that keeps account of what the resequencer hands out.

import Packets
import Primitives
import Wire

@testable import Resequencer

/// A segment as its sender knows it.
struct SentSegment {
  struct Entry {
    var range: Range<Int>
    var headerLength: Int
    var isStream: Bool
    var isSuper: Bool
  }

  var lane: UInt16
  var number: UInt32
  var bytes: [UInt8]
  var entries: [Entry]
  var segmentSize: Int
  var needsChecksum: Bool

  func location(at offset: Int, resumes: Bool) -> Location {
    var flags: Location.Flags = needsChecksum ? .needsChecksum : []
    if resumes { flags.insert(.resumes) }
    return Location(
      lane: lane, flags: flags, segment: number, length: UInt32(bytes.count), offset: UInt32(offset),
      segmentSize: UInt16(segmentSize))
  }

  /// The datagrams of one part, each of at most `payload` bytes.
  func datagrams(of part: Range<Int>, payload: Int) -> [SentDatagram] {
    var result: [SentDatagram] = []
    var at = part.lowerBound
    while at < part.upperBound {
      var record: [UInt8] = []
      if at == part.lowerBound, let entry = entries.first(where: { $0.range.contains(at) }), entry.range.lowerBound < at
      {
        let resume = ResumeRecord(packetOffset: UInt32(entry.range.lowerBound), headerLength: entry.headerLength)
        record = [0, 0, 0, 0]
        record.withUnsafeMutableBytes { resume.write(to: $0.baseAddress!) }
        record += bytes[entry.range.lowerBound..<entry.range.lowerBound + entry.headerLength]
      }
      let end = min(part.upperBound, at + max(1, payload - record.count))
      result.append(
        SentDatagram(
          location: location(at: at, resumes: !record.isEmpty), text: record + bytes[at..<end], range: at..<end,
          resumesAt: record.isEmpty ? nil : Int(record[0]) | Int(record[1]) << 8 | Int(record[2]) << 16))
      at = end
    }
    return result
  }
}

struct SentDatagram {
  var location: Location
  var text: [UInt8]
  /// What of the segment it carries.
  var range: Range<Int>
  /// The packet's offset in its resume record.
  var resumesAt: Int?
  var path: UInt8 = 0
  var arrives = Instant.zero
}

/// Makes the segments of its lanes, one after the other.
struct SegmentMaker {
  var random: SeededRandom
  private var nextSegment: [UInt32]
  private var sequence: [UInt32]
  private var datagram: [UInt32]
  /// Of all lanes.
  var streamBytes: Int { sequence.reduce(0) { $0 + Int($1) - 1_000 } }
  var datagrams: Int { datagram.reduce(0) { $0 + Int($1) - 1 } }

  init(lanes: Int, random: SeededRandom) {
    self.random = random
    nextSegment = Array(repeating: 0, count: lanes)
    sequence = Array(repeating: 1_000, count: lanes)
    datagram = Array(repeating: 1, count: lanes)
  }

  mutating func next(lane: UInt16, mostPayload: Int = 6_000) -> SentSegment {
    let needsChecksum = random.below(4) > 0
    let segmentSize = needsChecksum && random.below(4) > 0 ? 100 + Int(random.below(400)) : 0
    var segment = SentSegment(
      lane: lane, number: nextSegment[Int(lane)], bytes: [], entries: [], segmentSize: segmentSize,
      needsChecksum: needsChecksum)
    nextSegment[Int(lane)] += 1
    for _ in 0..<1 + random.below(random.below(3) == 0 ? 8 : 2) {
      let family: IPAddress.Family = random.below(2) == 0 ? .ipv4 : .ipv6
      let isSuper = segmentSize > 0 && random.below(3) > 0
      let start = segment.bytes.count
      let header: Int
      let kind = random.below(9)
      if kind == 8 {
        // A row of datagrams that could be one.
        let size = 20 + Int(random.below(70))
        for index in 0..<2 + random.below(5) {
          let start = segment.bytes.count
          segment.bytes += InnerPackets.udp(
            family, lane: lane, number: datagram[Int(lane)], count: 1, size: size, lastSize: size - Int(index / 4),
            partial: needsChecksum)
          datagram[Int(lane)] += 1
          segment.entries.append(
            SentSegment.Entry(
              range: start..<segment.bytes.count, headerLength: (family == .ipv4 ? 20 : 40) + 8, isStream: false,
              isSuper: false))
        }
        continue
      }
      if kind < 4 {
        let payload = isSuper ? segmentSize + 1 + Int(random.below(UInt64(mostPayload))) : Int(random.below(100))
        segment.bytes += InnerPackets.tcp(
          family, lane: lane, sequence: sequence[Int(lane)], payload: payload, partial: needsChecksum)
        sequence[Int(lane)] += UInt32(payload)
        header = (family == .ipv4 ? 20 : 40) + 32
      } else if kind < 7 {
        let count = isSuper ? 2 + Int(random.below(UInt64(min(20, mostPayload / segmentSize)))) : 1
        let size = isSuper ? segmentSize : 8 + Int(random.below(90))
        let last = isSuper ? 8 + Int(random.below(UInt64(size - 8))) : size
        segment.bytes += InnerPackets.udp(
          family, lane: lane, number: datagram[Int(lane)], count: count, size: size, lastSize: last,
          partial: needsChecksum)
        datagram[Int(lane)] += UInt32(count)
        header = (family == .ipv4 ? 20 : 40) + 8
      } else {
        segment.bytes += InnerPackets.echo(lane: lane, number: datagram[Int(lane)])
        datagram[Int(lane)] += 1
        header = 28
      }
      segment.entries.append(
        SentSegment.Entry(
          range: start..<segment.bytes.count, headerLength: header, isStream: kind < 4, isSuper: isSuper && kind < 7))
    }
    return segment
  }

  /// Contiguous parts that cover the segment.
  mutating func parts(of segment: SentSegment, _ count: Int) -> [Range<Int>] {
    var cuts = [0, segment.bytes.count]
    for _ in 1..<max(1, count) { cuts.append(Int(random.below(UInt64(segment.bytes.count)))) }
    cuts.sort()
    return zip(cuts, cuts.dropFirst()).filter { $0.0 < $0.1 }.map { $0.0..<$0.1 }
  }
}

/// What came out so far, and whether it may.
struct Ledger {
  private(set) var complaints: [String] = []
  private(set) var streamBytes = 0
  private(set) var datagrams = 0
  private(set) var bytes = 0
  private var sequence: [UInt32]
  private var number: [UInt32]

  init(lanes: Int) {
    sequence = Array(repeating: 0, count: lanes)
    number = Array(repeating: 0, count: lanes)
  }

  mutating func complain(_ sentence: String) { complaints.append(sentence) }

  /// Takes a delivery, which must continue its lane.
  mutating func take(_ delivery: Delivery) {
    var packet: [UInt8] = []
    for index in 0..<delivery.sliceCount {
      let slice = delivery.slices[index]
      packet += UnsafeRawBufferPointer(start: slice.start, count: slice.count)
    }
    if packet.count != delivery.length { complain("a delivery of \(delivery.length) bytes has \(packet.count)") }
    bytes += packet.count - OffloadHeader.length
    let (content, complaint) = InnerPackets.check(packet, lane: delivery.lane)
    if let complaint { return complain("lane \(delivery.lane): \(complaint)") }
    let lane = Int(delivery.lane)
    switch content {
    case .stream(_, let first, let length, _):
      if first < sequence[lane] { complain("lane \(lane): \(first) after \(sequence[lane]) of the stream") }
      sequence[lane] = first + UInt32(length)
      streamBytes += length
    case .datagrams(_, let numbers, _):
      for one in numbers {
        if one <= number[lane] { complain("lane \(lane): datagram \(one) after \(number[lane])") }
        number[lane] = one
      }
      datagrams += numbers.count
    case nil: break
    }
  }
}

/// A resequencer with its memory, fed as an engine would.
final class Receiver {
  let memory: UnsafeMutableRawBufferPointer
  var core: Resequencer
  let set: Resequencer.LaneSet
  var ledger: Ledger
  private var outstanding: [Delivery.Handle] = []
  private var scratch = [UInt8](repeating: 0, count: 1 << 16)

  init(
    memory bytes: Int = 2 << 20, mostSegmentLength: Int = 120_000, lanes: Int = 8, window: Int = 16, deliveries: Int = 8
  ) {
    memory = .allocate(byteCount: bytes, alignment: 64)
    var limits = Resequencer.Limits(laneSets: 2, mostSegmentLength: mostSegmentLength, memory: memory)
    limits.lanesPerSet = lanes
    limits.windowSegments = window
    limits.mostDeliveries = deliveries
    core = Resequencer(limits)
    set = core.open() ?? Resequencer.LaneSet(index: .max, generation: 0)
    ledger = Ledger(lanes: lanes)
  }

  deinit { memory.deallocate() }

  func open() -> Resequencer.LaneSet? { core.open() }

  @discardableResult
  func receive(_ datagram: SentDatagram, congestion: Bool = false, at now: Instant) -> Verdict {
    switch core.place(datagram.location, textLength: datagram.text.count, from: set, at: now) {
    case .into(let place, let claim):
      datagram.text.withUnsafeBytes { place.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
      return core.accept(claim, path: datagram.path, congestion: congestion, at: now)
    case .aside(let claim):
      return datagram.text.withUnsafeBytes {
        core.accept(claim, path: datagram.path, congestion: congestion, text: $0, at: now)
      }
    case .refused(let verdict): return verdict
    }
  }

  /// A datagram that cannot be opened: what it writes is garbage.
  func receiveForged(_ location: Location, length: Int, at now: Instant) {
    switch core.place(location, textLength: length, from: set, at: now) {
    case .into(let place, let claim):
      place.initializeMemory(as: UInt8.self, repeating: 0xee, count: length)
      core.reject(claim)
    case .aside(let claim): core.reject(claim)
    case .refused: break
    }
  }

  /// Time passes up to `now`, and the resequencer is called when it wants to be.
  func run(until now: Instant) {
    while let deadline = core.deadline, deadline <= now {
      core.expire(at: deadline)
      if let next = core.deadline, next <= deadline { ledger.complain("the deadline did not move on") }
      drain()
    }
  }

  /// Fetches what there is; `keep` writes are not finished yet.
  func drain(keep: Int = 0) {
    while true {
      if let delivery = core.nextDelivery() {
        ledger.take(delivery)
        outstanding.append(delivery.handle)
      } else if outstanding.count > keep {
        core.finish(outstanding.removeFirst())
      } else {
        break
      }
    }
  }

  /// Fetches and checks, and looks at each packet with its offload header.
  func packets() -> [[UInt8]] {
    var result: [[UInt8]] = []
    while let delivery = core.nextDelivery() {
      result.append(
        (0..<delivery.sliceCount).flatMap { index in
          Array(UnsafeRawBufferPointer(start: delivery.slices[index].start, count: delivery.slices[index].count))
        })
      core.finish(delivery.handle)
    }
    return result
  }
}

/// Everything that is random about one run.
struct HostileRun {
  static let patience = Interval.milliseconds(20)

  var receiver: Receiver
  var sent: [SentSegment] = []
  var streamBytes = 0
  var datagrams = 0
  var arrivals: [SentDatagram] = []
  var lost = 0
  /// Datagrams of one path overtake each other.
  var reorders = false
  var paths = 0

  init(seed: UInt64, loses: Bool = true) {
    var random = SeededRandom(seed: seed)
    let lanes = 1 + Int(random.below(4))
    var maker = SegmentMaker(lanes: lanes, random: random.stream(named: "segments"))
    paths = 1 + Int(random.below(8))
    let isTight = loses && random.below(4) == 0
    receiver = Receiver(
      memory: isTight ? 600 << 10 : 4 << 20, lanes: lanes, window: loses ? 8 << random.below(3) : 64)
    var delays: [Interval] = []
    var payloads: [Int] = []
    for _ in 0..<paths {
      delays.append(.microseconds(500 + Int64(random.below(15_000))))
      payloads.append(200 + Int(random.below(1_200)))
    }
    let loss = loses ? random.below(12) : 0
    let duplication = random.below(8)
    let jitter = random.below(3) == 0 ? 2_000 : random.below(300)
    reorders = random.below(3) == 0
    var free = Array(repeating: Instant.zero, count: paths)
    var now = Instant.zero
    for _ in 0..<8 + random.below(24) {
      let segment = maker.next(lane: UInt16(random.below(UInt64(lanes))))
      sent.append(segment)
      let parts = maker.parts(of: segment, 1 + Int(random.below(UInt64(paths))))
      let first = Int(random.below(UInt64(paths)))
      for (index, part) in parts.enumerated() {
        let path = (first + index) % paths
        for var datagram in segment.datagrams(of: part, payload: payloads[path]) {
          datagram.path = UInt8(path)
          for copy in 0..<2 {
            if copy == 1 && random.below(100) >= duplication { break }
            datagram.arrives = now + delays[path] + .microseconds(Int64(random.below(jitter + 1)))
            if !reorders { datagram.arrives = max(datagram.arrives, free[path]) }
            free[path] = max(free[path], datagram.arrives)
            if random.below(100) < loss { lost += 1 } else { arrivals.append(datagram) }
          }
        }
      }
      now += .microseconds(Int64(random.below(3_000)))
    }
    (streamBytes, datagrams) = (maker.streamBytes, maker.datagrams)
    var order = Array(arrivals.indices)
    order.sort { (arrivals[$0].arrives, $0) < (arrivals[$1].arrives, $1) }
    arrivals = order.map { arrivals[$0] }
  }

  /// Feeds everything, and says what is wrong.
  mutating func run(seed: UInt64, audited: Bool) -> [String] {
    var random = SeededRandom(seed: seed).stream(named: "receiver")
    let receiver = receiver
    if random.below(2) == 0 { receiver.core.setPaths((1 << UInt32(paths)) - 1, for: receiver.set) }
    receiver.core.setPatience(HostileRun.patience, for: receiver.set)
    for datagram in arrivals {
      receiver.run(until: datagram.arrives)
      if random.below(8) == 0 {
        var forged = datagram.location
        if random.below(2) == 0 { forged.segment += UInt32(random.below(70)) }
        if random.below(4) == 0 { forged.offset = UInt32(random.below(UInt64(forged.length))) }
        let before = audited ? receiver.core.digest() : 0
        receiver.receiveForged(forged, length: datagram.text.count, at: datagram.arrives)
        if audited && receiver.core.digest() != before { receiver.ledger.complain("a forgery left a trace") }
      }
      receiver.receive(datagram, at: datagram.arrives)
      if let deadline = receiver.core.deadline, deadline > datagram.arrives + HostileRun.patience {
        receiver.ledger.complain("something may wait for longer than patience")
      }
      if audited { receiver.core.audit() }
      if random.below(3) > 0 { receiver.drain(keep: Int(random.below(8))) }
      if receiver.core.pool.bytesInUse > receiver.memory.count { receiver.ledger.complain("more memory than there is") }
    }
    receiver.run(until: Instant(nanoseconds: .max))
    receiver.drain()
    receiver.core.audit()
    if receiver.core.heldBytes != 0 { receiver.ledger.complain("\(receiver.core.heldBytes) bytes are held at the end") }
    if receiver.core.pool.bytesInUse != 0 { receiver.ledger.complain("memory did not come back") }
    if receiver.core.lanes.inUse != 0 { receiver.ledger.complain("a lane's state did not come back") }
    if receiver.core.deliveries.inUse != 0 { receiver.ledger.complain("a delivery did not come back") }
    return receiver.ledger.complaints
  }
}
