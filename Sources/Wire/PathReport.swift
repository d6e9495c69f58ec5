//  PathReport.swift — what a receiver says about one path: how far it heard, and what is missing on the way there.
//
//  Why.  All that a sender can learn of a path comes from here: what arrived (so that its memory can be reused), what
//  did not (so that it is sent again), when (so that delay and rate can be computed). So a report must be cheap enough
//  to come every few milliseconds, and must not need the one before it, since reports get lost.
//
//  How.  32 bytes, and 4 for each missing run, 16 of them at most:
//
//       0      1      2      3      4      6           8         12     16       20       26      32
//       │ kind │ path │ runs │ zero │ span │ reordered │ arrival │ hold │ marked │ newest │ bytes │ back, count │ …
//       └──────┴──────┴──────┴──────┴──────┴───────────┴─────────┴──────┴────────┴────────┴───────┴─────────────┴──
//
//      newest = 1,000 and span = 100: it speaks of 901 … 1,000. Missing: back 5, count 3 is 993, 994, 995.
//
//         900 │ 901                       992 │ 993 994 995 │ 996                  1,000
//      silent │ ◀────────── arrived ────────▶ │   missing   │ ◀───── arrived ──────▶ newest
//
//  What lies within the span and is not listed has arrived. Counts are since ever, modulo their width, so that a report
//  that was lost takes nothing with it. `newest` is the greatest counter of something that asks for a report: reports
//  themselves do not, or two idle gateways would report to each other for ever.
//
//  `arrival` is by the receiver's clock, whose origin only he knows: differences between paths are what it is for.
//
//  Rejected.  A bit for each datagram (1,024 datagrams without a loss would cost 128 bytes). Acknowledging in the
//  headers of data (a path with traffic one way only would have none). Variable-length integers (2 to 8 bytes saved of
//  the 104 that a report costs on the wire, for a parser with ten ways to end).
//
//  Always true.  Whatever is read has at most 16 runs; whether they make sense is asked of `isConsistent`, without a
//  trap for any bytes.

public struct PathReport: Equatable, Sendable, BitwiseCopyable {
  /// Datagrams in a row that are missing: `newest` − `back` is the last of them.
  public struct MissingRun: Equatable, Sendable, BitwiseCopyable {
    public var back: UInt16
    public var count: UInt16

    @inlinable public init(back: UInt16, count: UInt16) {
      self.back = back
      self.count = count
    }
  }

  /// More would be rare (a report leaves when 5 new ones opened) and would make the longest report longer than what it
  /// shares a datagram with.
  public static let mostMissingRuns = 16
  public static let fixedLength = 32
  public static let runLength = 4
  public static let mostLength = fixedLength + mostMissingRuns * runLength
  static let mostBytes: UInt64 = 0xffff_ffff_ffff

  public var path: UInt8
  /// The greatest counter that arrived, of those that ask for a report.
  public var newest: UInt64
  /// The report speaks of newest − span + 1 ... newest.
  public var span: UInt16
  /// When `newest` arrived, by the receiver's clock: microseconds modulo 2³².
  public var arrival: UInt32
  /// Microseconds from then until the report was written.
  public var hold: UInt32
  /// UDP payload bytes that arrived on the path, ever, modulo 2⁴⁸.
  public var bytes: UInt64
  /// Datagrams that arrived marked with CE, ever, modulo 2³².
  public var marked: UInt32
  /// Datagrams that arrived after something that was sent later, ever, modulo 2¹⁶.
  public var reordered: UInt16
  public private(set) var missingRuns = 0
  private var missing = InlineArray<16, MissingRun>(repeating: MissingRun(back: 0, count: 0))

  public init(
    path: UInt8, newest: UInt64, span: UInt16, arrival: UInt32, hold: UInt32, bytes: UInt64, marked: UInt32,
    reordered: UInt16
  ) {
    self.path = path
    self.newest = newest & DataHeader.mostCounter
    self.span = span
    self.arrival = arrival
    self.hold = hold
    self.bytes = bytes & PathReport.mostBytes
    self.marked = marked
    self.reordered = reordered
  }

  /// From the newest to the oldest.
  public subscript(run: Int) -> MissingRun { missing[run] }

  /// Older than those that are listed. False when the list is full.
  public mutating func append(_ run: MissingRun) -> Bool {
    guard missingRuns < PathReport.mostMissingRuns else { return false }
    missing[missingRuns] = run
    missingRuns += 1
    return true
  }

  /// In bytes, on the wire.
  public var length: Int { PathReport.fixedLength + missingRuns * PathReport.runLength }

  /// The smallest counter that it speaks of; only for a consistent one.
  public var oldest: UInt64 { newest &- UInt64(span) &+ 1 }

  /// Whether the numbers can all be true at once: runs have datagrams, lie within the span, one behind the other with
  /// something between them that arrived, and `newest` itself is not missing.
  public var isConsistent: Bool {
    guard span > 0, UInt64(span) <= newest &+ 1 else { return false }
    var end = 0
    for index in 0..<missingRuns {
      let run = missing[index]
      guard run.count > 0, Int(run.back) > end else { return false }
      end = Int(run.back) + Int(run.count)
    }
    return end <= Int(span)
  }

  public static func == (a: PathReport, b: PathReport) -> Bool {
    guard
      a.path == b.path, a.newest == b.newest, a.span == b.span, a.arrival == b.arrival, a.hold == b.hold,
      a.bytes == b.bytes, a.marked == b.marked, a.reordered == b.reordered, a.missingRuns == b.missingRuns
    else { return false }
    for index in 0..<a.missingRuns where a.missing[index] != b.missing[index] { return false }
    return true
  }

  // MARK: Bytes

  /// From the front of what is left of a control message's text; nil when it ends too early or lists too many runs.
  init?(_ text: UnsafeRawBufferPointer) {
    guard text.count >= PathReport.fixedLength else { return nil }
    let runs = unsafe Int(text[2])
    guard runs <= PathReport.mostMissingRuns, text.count >= PathReport.fixedLength + runs * PathReport.runLength
    else { return nil }
    let low = unsafe UInt64(littleEndian: text.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    let high = unsafe UInt64(littleEndian: text.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    self.init(
      path: unsafe text[1], newest: low >> 32 | (high & 0xffff) << 32,
      span: unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 4, as: UInt16.self)),
      arrival: unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: 8, as: UInt32.self)),
      hold: unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: 12, as: UInt32.self)),
      bytes: high >> 16, marked: UInt32(truncatingIfNeeded: low),
      reordered: unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 6, as: UInt16.self)))
    missingRuns = runs
    for index in 0..<runs {
      let place = PathReport.fixedLength + index * PathReport.runLength
      let word = unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: place, as: UInt32.self))
      missing[index] = MissingRun(back: UInt16(truncatingIfNeeded: word), count: UInt16(word >> 16))
    }
  }

  /// Writes `length` bytes.
  func write(to bytes: UnsafeMutableRawPointer) {
    let head = UInt32(ControlKind.report.rawValue) | UInt32(path) << 8 | UInt32(missingRuns) << 16
    unsafe bytes.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe bytes.storeBytes(of: span.littleEndian, toByteOffset: 4, as: UInt16.self)
    unsafe bytes.storeBytes(of: reordered.littleEndian, toByteOffset: 6, as: UInt16.self)
    unsafe bytes.storeBytes(of: arrival.littleEndian, toByteOffset: 8, as: UInt32.self)
    unsafe bytes.storeBytes(of: hold.littleEndian, toByteOffset: 12, as: UInt32.self)
    let low = UInt64(marked) | newest << 32
    let high = newest >> 32 & 0xffff | self.bytes << 16
    unsafe bytes.storeBytes(of: low.littleEndian, toByteOffset: 16, as: UInt64.self)
    unsafe bytes.storeBytes(of: high.littleEndian, toByteOffset: 24, as: UInt64.self)
    for index in 0..<missingRuns {
      let word = UInt32(missing[index].back) | UInt32(missing[index].count) << 16
      let place = PathReport.fixedLength + index * PathReport.runLength
      unsafe bytes.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt32.self)
    }
  }
}
