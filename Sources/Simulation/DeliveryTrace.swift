//  DeliveryTrace.swift — a recorded link: at which moments it could deliver a packet.
//
//  The format is mahimahi's: one line an opportunity, holding the millisecond at which one packet of 1,500 bytes could
//  be delivered; several lines may name the same millisecond; the file repeats from its start after the last of them.
//  An opportunity that nobody waits for is lost. Smaller packets share one, larger ones take several. Lines count whole
//  frames here as everywhere, so an opportunity carries the frame of a 1,500-byte packet: exactly one full packet a
//  line of the file.

public import Primitives

public struct DeliveryTrace: Equatable, Sendable {
  /// What one opportunity carries: 1,500 bytes and the frame's header.
  public static let opportunity = ByteCount(1_500) + LinkConditions.frameHeader
  /// A day of milliseconds, or ten million lines: what a recording may hold before it is a mistake.
  public static let largestMillisecond: UInt32 = 86_400_000
  public static let mostOpportunities = 10_000_000

  private let milliseconds: [UInt32]
  private var period: UInt64 { UInt64(milliseconds[milliseconds.count - 1]) * 1_000_000 }

  public enum ParseError: Error, Equatable {
    /// `line` is counted from 1.
    case malformed(line: Int, String)
  }

  public init(parsing text: [UInt8]) throws(ParseError) {
    var times: [UInt32] = []
    var line = 1
    var lastLine = 1
    var digits = 0
    var value: UInt32 = 0
    for index in 0...text.count {
      let byte = index < text.count ? text[index] : UInt8(ascii: "\n")
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
        digits += 1
        if value > DeliveryTrace.largestMillisecond {
          throw .malformed(line: line, "a time beyond a day; a trace counts milliseconds from its start")
        }
      case UInt8(ascii: "\n"):
        if digits > 0 {
          if let last = times.last, value < last {
            throw .malformed(line: line, "\(value) ms after \(last) ms; the lines of a trace must not go back in time")
          }
          if times.count == DeliveryTrace.mostOpportunities {
            throw .malformed(line: line, "more than \(DeliveryTrace.mostOpportunities) lines")
          }
          times.append(value)
          lastLine = line
        }
        digits = 0
        value = 0
        line += 1
      case UInt8(ascii: "\r") where index + 1 < text.count && text[index + 1] == UInt8(ascii: "\n"): break
      default: throw .malformed(line: line, "not a whole number of milliseconds")
      }
    }
    guard let last = times.last, last > 0 else {
      throw .malformed(line: lastLine, "no opportunity after millisecond 0; a trace needs one to repeat")
    }
    milliseconds = times
  }

  /// The rate that the trace carries when there is always something to send.
  public var meanRate: BitRate {
    let bits = UInt64(milliseconds.count) * UInt64(DeliveryTrace.opportunity.value) * 8
    return BitRate(bitsPerSecond: max(1, bits * 1_000 / UInt64(milliseconds[milliseconds.count - 1])))
  }

  /// A place in the endless repetition of the trace: the next opportunity, and how much of it is used.
  struct Cursor: Equatable, Sendable {
    var cycle: UInt64 = 0
    var index = 0
    var bitsUsed: UInt64 = 0
  }

  /// When `bits` have been delivered that wait since `start`, and where the cursor stands then.
  func cursor(after bits: UInt64, from begin: Cursor, notBefore start: UInt64) -> (time: UInt64, next: Cursor) {
    var at = begin
    if time(of: at) < start { at = first(notBefore: start) }
    let whole = UInt64(DeliveryTrace.opportunity.value) * 8
    var left = bits
    while left > whole - at.bitsUsed {
      left -= whole - at.bitsUsed
      step(&at)
    }
    let end = time(of: at)
    at.bitsUsed += left
    if at.bitsUsed == whole { step(&at) }
    return (end, at)
  }

  /// How many bits of a packet, waiting since `start`, were delivered by `end` (which is before its last).
  func bits(from begin: Cursor, notBefore start: UInt64, upTo end: UInt64) -> UInt64 {
    var at = begin
    if time(of: at) < start { at = first(notBefore: start) }
    var sum: UInt64 = 0
    while time(of: at) <= end {
      sum += UInt64(DeliveryTrace.opportunity.value) * 8 - at.bitsUsed
      step(&at)
    }
    return sum
  }

  private func time(of cursor: Cursor) -> UInt64 {
    cursor.cycle * period + UInt64(milliseconds[cursor.index]) * 1_000_000
  }

  private func step(_ cursor: inout Cursor) {
    cursor.bitsUsed = 0
    cursor.index += 1
    if cursor.index == milliseconds.count {
      cursor.index = 0
      cursor.cycle += 1
    }
  }

  /// The first opportunity at or after this time.
  private func first(notBefore start: UInt64) -> Cursor {
    // The end of a cycle belongs to it: its last opportunities lie there, before the next cycle's at 0.
    var (cycle, rest) = start.quotientAndRemainder(dividingBy: period)
    if rest == 0 && cycle > 0 {
      cycle -= 1
      rest = period
    }
    var low = 0
    var high = milliseconds.count
    while low < high {
      let middle = (low + high) / 2
      if UInt64(milliseconds[middle]) * 1_000_000 < rest { low = middle + 1 } else { high = middle }
    }
    return Cursor(cycle: cycle, index: low)  // rest ≤ period, so there is always one
  }
}
