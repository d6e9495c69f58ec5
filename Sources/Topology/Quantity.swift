//  Quantity.swift — rates, times, sizes and shares as people write them: a decimal number and its unit, exactly.
//
//  A number becomes whole nanoseconds, bits, bytes or billionths by integer arithmetic, so that what is read is what is
//  printed again; "0.1ms" is 100,000 ns and not 99,999. Each reader throws one sentence that says what is wrong and
//  what would be right. The same words serve topology files, `netlab set` and the other programs' options.

public import Primitives

/// What is wrong with a written quantity, as a sentence without its place.
public struct QuantityError: Error, Equatable, CustomStringConvertible {
  public let description: String
}

extension BitRate {
  static let units: [(String, UInt64)] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000)]

  /// Reads `300mbit`, `1.5gbit`.
  public init(parsing word: String) throws(QuantityError) {
    let value = try Quantity.read(word, "rate", BitRate.units, example: "300mbit")
    guard value > 0 else {
      throw QuantityError(description: "a rate of 0 carries nothing; a link that is cut is 'down'")
    }
    guard value <= BitRate.maximum.bitsPerSecond else {
      throw QuantityError(description: "\(word) is beyond what can be emulated; at most 1000gbit")
    }
    self.init(bitsPerSecond: value)
  }

  /// As it is written: `300mbit`.
  public var printed: String { Quantity.print(bitsPerSecond, BitRate.units) }
}

extension Interval {
  static let units: [(String, UInt64)] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]

  /// Reads `30ms`, `0.3ms`, `5s`, `250us`; never negative.
  public init(parsing word: String, atMost limit: Interval = .seconds(86_400)) throws(QuantityError) {
    let value = try Quantity.read(word, "time", Interval.units, example: "30ms")
    guard value <= UInt64(limit.nanoseconds) else {
      throw QuantityError(description: "\(word) is too long; at most \(limit.printed)")
    }
    self.init(nanoseconds: Int64(value))
  }

  /// As it is written: `30ms`.
  public var printed: String { Quantity.print(UInt64(nanoseconds), Interval.units) }
}

extension ByteCount {
  static let units: [(String, UInt64)] = [
    ("mib", 1 << 20), ("kib", 1 << 10), ("mb", 1_000_000), ("kb", 1_000), ("b", 1),
  ]

  /// Reads `64kb`, `64kib`, `1500b`.
  public init(parsing word: String, atMost limit: ByteCount = ByteCount(1 << 30)) throws(QuantityError) {
    let value = try Quantity.read(word, "size", ByteCount.units, example: "64kb")
    guard value <= UInt64(limit.value) else {
      throw QuantityError(description: "\(word) is too much; at most \(limit.printed)")
    }
    self.init(Int(value))
  }

  /// As it is written: `64kib`.
  public var printed: String { Quantity.print(UInt64(value), ByteCount.units) }
}

extension Probability {
  static let units: [(String, UInt64)] = [("%", 10_000_000)]

  /// Reads `0.5%`.
  public init(parsing word: String) throws(QuantityError) {
    let value = try Quantity.read(word, "share", Probability.units, example: "0.5%")
    guard value <= 1_000_000_000 else { throw QuantityError(description: "\(word) is more than all; at most 100%") }
    self.init(partsPerBillion: UInt32(value))
  }

  /// As it is written: `0.5%`.
  public var printed: String { Quantity.print(UInt64(partsPerBillion), Probability.units) }
}

enum Quantity {
  /// Number and unit as a whole number of the base unit.
  static func read(
    _ word: String, _ kind: String, _ units: [(String, UInt64)], example: String
  ) throws(QuantityError) -> UInt64 {
    let bytes = Array(word.utf8)
    var digits: UInt64 = 0
    var decimals = 0
    var seenPoint = false
    var seenDigit = false
    var at = 0
    scan: while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        let (shifted, overflow) = digits.multipliedReportingOverflow(by: 10)
        // Eighteen digits are more than any unit here can use, and keep the arithmetic below in 64 bits.
        if overflow || shifted > 999_999_999_999_999_999 {
          throw QuantityError(description: "\(Quantity.quoted(word)) has too many digits for a \(kind)")
        }
        digits = shifted + UInt64(bytes[at] - UInt8(ascii: "0"))
        decimals += seenPoint ? 1 : 0
        seenDigit = true
      case UInt8(ascii: "."):
        if seenPoint { throw notOne(word, kind, units, example) }
        seenPoint = true
      default: break scan
      }
      at += 1
    }
    guard seenDigit, bytes[at - 1] != UInt8(ascii: ".") else { throw notOne(word, kind, units, example) }
    let unit = String(decoding: bytes[at...], as: UTF8.self)
    if unit.isEmpty {
      throw QuantityError(description: "\(quoted(word)) has no unit; write \(choices(units)), as in \(example)")
    }
    guard let factor = units.first(where: { $0.0 == unit })?.1 else {
      let right = "write \(choices(units)), as in \(example)"
      throw QuantityError(description: "\(quoted(word)) is no \(kind): unknown unit \(quoted(unit)); \(right)")
    }
    var scaled = digits.multipliedFullWidth(by: factor)
    for _ in 0..<decimals {
      let (high, rest) = scaled.high.quotientAndRemainder(dividingBy: 10)
      let low = UInt64(10).dividingFullWidth((rest, scaled.low))
      if low.remainder != 0 {
        throw QuantityError(description: "\(quoted(word)) is finer than we can count")
      }
      scaled = (high, low.quotient)
    }
    if scaled.high != 0 { throw QuantityError(description: "\(quoted(word)) is too large for a \(kind)") }
    return scaled.low
  }

  /// In the largest unit of which it is a whole number, else with decimals in the smallest.
  static func print(_ value: UInt64, _ units: [(String, UInt64)]) -> String {
    let (name, factor) = units.first { value >= $0.1 && value % $0.1 == 0 } ?? units[units.count - 1]
    let (whole, rest) = value.quotientAndRemainder(dividingBy: factor)
    if rest == 0 { return "\(whole)\(name)" }
    var text = "\(whole)."
    var remainder = rest
    while remainder > 0 {
      let (digit, next) = (remainder * 10).quotientAndRemainder(dividingBy: factor)
      text += String(digit)
      remainder = next
    }
    return text + name
  }

  private static func choices(_ units: [(String, UInt64)]) -> String {
    let names = units.reversed().map(\.0)
    return names.count == 1 ? names[0] : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
  }

  private static func notOne(
    _ word: String, _ kind: String, _ units: [(String, UInt64)], _ example: String
  ) -> QuantityError {
    QuantityError(description: "\(quoted(word)) is no \(kind); write a number and \(choices(units)), as in \(example)")
  }

  /// What somebody wrote, fit for one line of a message.
  static func quoted(_ word: String) -> String {
    var text = ""
    for scalar in word.unicodeScalars.prefix(40) {
      text.unicodeScalars.append(scalar.value < 32 || (127...159).contains(scalar.value) ? "?" : scalar)
    }
    return "'" + text + (word.unicodeScalars.count > 40 ? "…" : "") + "'"
  }
}
