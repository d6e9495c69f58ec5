//  resequencer-bench — what does it cost to put datagrams in order, next to opening them?
//
//  Prediction.  A datagram that follows its predecessor takes a dozen comparisons and a few stores, for `place` and for
//  `accept`: 5 ns together, some 60 instructions. A segment adds its slot, its lane's state, a deadline and a delivery:
//  100 ns. So 64 KiB in 44 datagrams cost about 0.3 µs, where opening them costs 6 µs and writing them 10.
//
//  Method.  Datagrams are placed, accepted and delivered as an engine would, but not opened: the place is named and
//  left alone, but for the packet's headers. Each case runs seven times; printed are the median and the spread, of this
//  process's CPU time. `resequencer-bench CASE` runs one case once (2,200 segments), for callgrind, which counts
//  instructions and names every allocation in the loop; there must be none:
//
//      valgrind --tool=callgrind --toggle-collect='*resequencer_bench*measured*' \
//        .build/release/resequencer-bench in-order

import Glibc
import Packets
import Primitives
import Resequencer
import Wire

struct Case {
  var name: String
  var packet: [UInt8]
  /// Packets in a segment, and what they are cut into.
  var packets = 1
  var segmentSize = 1_400
  var parts = 1
  /// Datagrams of the parts come in turns instead of part by part.
  var interleaved = false
}

struct Step {
  var location: Location
  var path: UInt8
  var length: Int
}

@main struct ResequencerBench {
  static let payload = 1_428

  static let cases = [
    Case(name: "in-order", packet: tcp(62_780)),
    Case(name: "three-parts", packet: tcp(62_780), parts: 3),
    Case(name: "in-turns", packet: tcp(62_780), parts: 3, interleaved: true),
    Case(name: "jumbo", packet: tcp(62_780), packets: 3, parts: 3),
    Case(name: "one-packet", packet: udp(1_400), segmentSize: 0),
    Case(name: "bundle", packet: udp(1_400), packets: 44, segmentSize: 0),
  ]

  static func main() {
    let only = CommandLine.arguments.dropFirst().first
    if let only, !cases.contains(where: { $0.name == only }) {
      print("no case '\(only)'; there are \(cases.map(\.name).joined(separator: ", "))")
      exit(64)
    }
    print("case           ns a datagram   ns a segment   datagrams   spread of 7")
    for one in cases where only == nil || one.name == only { run(one, once: only != nil) }
  }

  static func run(_ one: Case, once: Bool) {
    let bytes = [[UInt8]](repeating: one.packet, count: one.packets).flatMap { $0 }
    let steps = steps(one, length: bytes.count)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 20, alignment: 4_096)
    defer { memory.deallocate() }
    var core = Resequencer(Resequencer.Limits(laneSets: 4, mostSegmentLength: 3 * 62_832, memory: memory))
    guard let set = core.open() else { preconditionFailure("no lane set at the start") }
    core.setPaths((1 << UInt32(one.parts)) - 1, for: set)
    var segment: UInt32 = 0
    let rounds = once ? 2_000 : max(2_000, 1_000_000 / steps.count)
    measured(&core, set, steps, bytes, one.packet.count, &segment, 200)  // warm
    var costs: [Double] = []
    for _ in 0..<(once ? 1 : 7) {
      let start = processorTime()
      measured(&core, set, steps, bytes, one.packet.count, &segment, rounds)
      costs.append(Double(processorTime() - start) / Double(rounds))
    }
    precondition(core.counters.segments == UInt64(segment) && core.heldBytes == 0, "segments got lost")
    costs.sort()
    let median = costs[costs.count / 2]
    let spread = (costs[costs.count - 1] - costs[0]) / median * 100
    print(
      padded(one.name, 13, left: true), padded(tenths(median / Double(steps.count)), 14),
      padded("\(Int(median))", 14), padded("\(steps.count)", 11), padded("\(Int(spread)) %", 13))
  }

  /// One segment's datagrams in the order of their arrival.
  static func steps(_ one: Case, length: Int) -> [Step] {
    var parts: [[Step]] = []
    let share = (length / one.parts + payload - 1) / payload * payload
    for part in 0..<one.parts {
      var steps: [Step] = []
      var at = part * share
      let end = min(length, at + share)
      let isInside = at % one.packet.count != 0
      while at < end {
        var flags: Location.Flags = one.segmentSize > 0 ? .needsChecksum : []
        var text = min(payload, end - at)
        if isInside && steps.isEmpty {
          flags.insert(.resumes)
          text += ResumeRecord.fixedLength + 52
        }
        steps.append(
          Step(
            location: Location(
              lane: 3, flags: flags, segment: 0, length: UInt32(length), offset: UInt32(at),
              segmentSize: UInt16(one.segmentSize)), path: UInt8(part), length: text))
        at += payload
      }
      parts.append(steps)
    }
    if !one.interleaved { return parts.flatMap { $0 } }
    let most = parts.map(\.count).max() ?? 0
    return (0..<most).flatMap { index in parts.compactMap { index < $0.count ? $0[index] : nil } }
  }

  @inline(never) static func measured(
    _ core: inout Resequencer, _ set: Resequencer.LaneSet, _ steps: [Step], _ bytes: [UInt8], _ packet: Int,
    _ segment: inout UInt32, _ rounds: Int
  ) {
    let now = Instant.zero
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: 2_048, alignment: 64)
    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: 2_048)
    defer { scratch.deallocate() }
    steps.withUnsafeBufferPointer { steps in
      bytes.withUnsafeBytes { bytes in
        for _ in 0..<rounds {
          for index in steps.indices {
            var location = steps[index].location
            location.segment = segment
            take(&core, set, location, steps[index].length, steps[index].path, bytes, packet, scratch, now)
          }
          segment &+= 1
          while let delivery = core.nextDelivery() { core.finish(delivery.handle) }
        }
      }
    }
  }

  @inline(__always) static func take(
    _ core: inout Resequencer, _ set: Resequencer.LaneSet, _ location: Location, _ length: Int, _ path: UInt8,
    _ bytes: UnsafeRawBufferPointer, _ packet: Int, _ scratch: UnsafeMutableRawPointer, _ now: Instant
  ) {
    switch core.place(location, textLength: length, from: set, at: now) {
    case .into(let place, let claim):
      // Where a packet begins there must be one; the rest is not looked at. Where checksums are, all of it must be
      // there.
      let offset = Int(location.offset)
      if packet < 2_000 {
        place.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped + offset, byteCount: length)
      } else if (offset + packet - 1) / packet * packet < offset + length {
        let start = (offset + packet - 1) / packet * packet - offset
        (place + start).copyMemory(
          from: bytes.baseAddress.unsafelyUnwrapped + offset + start, byteCount: min(length - start, 52))
      }
      core.accept(claim, path: path, congestion: false, at: now)
    case .aside(let claim):
      ResumeRecord(packetOffset: location.offset / UInt32(packet) * UInt32(packet), headerLength: 52)
        .write(to: scratch)
      core.accept(
        claim, path: path, congestion: false, text: UnsafeRawBufferPointer(start: scratch, count: length), at: now)
    case .refused(let verdict): preconditionFailure("a datagram in order was refused: \(verdict)")
    }
  }

  // MARK: Packets

  static func number16(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xff), UInt8(number & 0xff)] }

  static func ip(_ transport: UInt8, _ length: Int) -> [UInt8] {
    [0x45, 0] + number16(20 + length) + [0, 0, 0x40, 0, 64, transport, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
  }

  static func tcp(_ payload: Int) -> [UInt8] {
    ip(6, 32 + payload) + [0, 80, 0, 90] + [UInt8](repeating: 0, count: 8) + [0x80, 0x10, 0xff, 0xff]
      + [UInt8](repeating: 0, count: 16 + payload)
  }

  static func udp(_ payload: Int) -> [UInt8] {
    var packet = ip(17, 8 + payload) + [0, 80, 0, 90] + number16(8 + payload) + [0, 0]
    packet += [UInt8](repeating: 7, count: payload)
    let length = packet.count - 20
    var sum = Checksum()
    packet[12...].withUnsafeBytes { sum.add($0) }
    sum.add(17)
    sum.add(UInt16(length))
    packet.replaceSubrange(26..<28, with: number16(Int(sum.complement)))
    return packet
  }

  static func processorTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  static func tenths(_ value: Double) -> String { "\(Int(value)).\(Int(value * 10) % 10)" }

  static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + blanks : blanks + text
  }
}
