//  parity-bench — what do parity and its use cost, and is a library worth it where one XOR would do?
//
//  Prediction and method are in docs/benchmarks/parity.md. One core, hot caches, the processor time of this thread;
//  each figure is the best of nine runs with the median beside it.

import Erasure
import Glibc
import Parity
import Primitives
import Redundancy
import Wire

@main struct ParityBench {
  static let lengths = [200, 1_400]

  static func main() {
    print(columns("nanoseconds for each", lengths.map { "\($0) bytes" }))
    let place = UnsafeMutableRawPointer.allocate(byteCount: 16 << 10, alignment: 64)
    place.initializeMemory(as: UInt8.self, repeating: 0x5a, count: 16 << 10)
    let code = ReedSolomon.code
    for (name, rows) in [("one row", 1), ("two rows", 3), ("four rows", 15)] {
      print(
        columns(
          "add to \(name)",
          lengths.map { length in
            measured(100_000) { times in
              for index in 0..<times {
                code.add(code.context, UInt8(rows), index & 15, place, length, place + 2_048, 2_048)
              }
            }
          }))
    }
    print(
      columns(
        "the same by plain XOR, one row",
        lengths.map { length in
          measured(100_000) { times in for _ in 0..<times { xor(place + 2_048, place, length) } }
        }))
    for (count, rows, missing) in [(1, 1, 4), (1, 2, 4), (2, 3, 5), (4, 15, 0x1111)] {
      print(
        columns(
          "solve for \(count)\(rows == 2 ? ", multiplied" : "")",
          lengths.map { length in
            measured(50_000) { times in
              for _ in 0..<times {
                _ = code.solve(code.context, UInt8(rows), UInt16(missing), place, length, 2_048, place + 8_192)
              }
            }
          }))
    }
    for (members, parity) in [(4, 1), (4, 2), (10, 4)] { groups(members, parity) }
  }

  /// What one row would need without a library, as fast as the baseline of x86 allows.
  @inline(never) static func xor(_ sum: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ length: Int) {
    typealias Lane = SIMD8<UInt64>
    var at = 0
    while at + 64 <= length {
      let bits = sum.loadUnaligned(fromByteOffset: at, as: Lane.self)
      sum.storeBytes(
        of: bits ^ source.loadUnaligned(fromByteOffset: at, as: Lane.self), toByteOffset: at, as: Lane.self)
      at += 64
    }
    while at < length {
      let bits = sum.load(fromByteOffset: at, as: UInt8.self) ^ source.load(fromByteOffset: at, as: UInt8.self)
      sum.storeBytes(of: bits, toByteOffset: at, as: UInt8.self)
      at += 1
    }
  }

  static func groups(_ members: Int, _ parity: Int) {
    print(
      columns(
        "encode \(members) + \(parity), a datagram",
        lengths.map { length in
          var sender = Sender(members, parity, length)
          return measured(20_000, of: members) { times in for _ in 0..<times { sender.group(keep: false) } }
        }))
    for lost in parity == 1 ? [0, 1] : [0, 1, parity] {
      print(
        columns(
          "decode \(members) + \(parity) with \(lost) lost, a group",
          lengths.map { length in
            var sender = Sender(members, parity, length)
            sender.group(keep: true)
            var limits = ParityDecoder.Limits(mostText: length)
            limits.bytes = 64 << 10
            var decoder = ParityDecoder(code: ReedSolomon.code, limits: limits)
            var group: UInt32 = 0
            let pieces = sender.pieces
            let cost = measured(10_000) { times in
              for _ in 0..<times {
                for piece in pieces[lost...] {
                  var header = piece.header
                  header.group = group
                  piece.text.withUnsafeBytes { text in
                    _ = decoder.receive(header, sender.location, text, at: .zero)
                  }
                  while decoder.nextRebuilt() != nil {}
                }
                group = (group &+ 1) & ParityHeader.groupMask
              }
            }
            precondition(decoder.counters.rebuilt == UInt64(group) * UInt64(lost), "all that was lost is rebuilt")
            return cost
          }))
    }
  }

  struct Piece {
    var header: ParityHeader
    var text: [UInt8]
  }

  struct Sender: ~Copyable {
    var encoder: ParityEncoder
    var pieces: [Piece] = []
    let location = Location(lane: 1, flags: .begins, segment: 9, length: 200, offset: 0, segmentSize: 0)
    private let members: Int
    private let text: [UInt8]

    init(_ members: Int, _ parity: Int, _ length: Int) {
      self.members = members
      text = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
      encoder = ParityEncoder(code: ReedSolomon.code, mostText: length, openFor: .seconds(1))
      encoder.setShape(members: members, parity: parity)
    }

    mutating func group(keep: Bool) {
      for _ in 0..<members {
        let header = text.withUnsafeBytes { encoder.protect(location, $0, at: .zero) }
        if keep, let header { pieces.append(Piece(header: header, text: text)) }
      }
      while let piece = encoder.nextParity() {
        if keep { pieces.append(Piece(header: piece.header, text: Array(piece.text.dropFirst(4)))) }
      }
    }
  }

  /// "95.1 (102)": the best of nine runs and their median. Other programs can only slow a run down.
  static func measured(_ times: Int, of batch: Int = 1, _ body: (Int) -> Void) -> String {
    body(times / 10)  // warm
    var costs: [Double] = []
    for _ in 0..<9 {
      let start = processorTime()
      body(times)
      costs.append(Double(processorTime() - start) / Double(times * batch))
    }
    costs.sort()
    return "\(figure(costs[0])) (\(figure(costs[costs.count / 2])))"
  }

  static func figure(_ nanoseconds: Double) -> String {
    let tenths = Int((nanoseconds * 10).rounded())
    return tenths < 1_000 ? "\(tenths / 10).\(tenths % 10)" : "\((tenths + 5) / 10)"
  }

  static func processorTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  static func columns(_ name: String, _ figures: [String]) -> String {
    let name = name + String(repeating: " ", count: max(1, 40 - name.count))
    return name + figures.map { String(repeating: " ", count: max(1, 16 - $0.count)) + $0 }.joined()
  }
}
