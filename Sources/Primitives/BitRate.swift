//  BitRate.swift — how fast, and how much: bits per second and bytes, and the arithmetic between them and time.

/// A length in bytes.
public struct ByteCount: Comparable, Hashable, Sendable {
  public var value: Int

  @inlinable public init(_ value: Int) { self.value = value }

  public static let zero = ByteCount(0)

  @inlinable public static func < (a: ByteCount, b: ByteCount) -> Bool { a.value < b.value }
  @inlinable public static func + (a: ByteCount, b: ByteCount) -> ByteCount { ByteCount(a.value + b.value) }
  @inlinable public static func - (a: ByteCount, b: ByteCount) -> ByteCount { ByteCount(a.value - b.value) }
  @inlinable public static func += (a: inout ByteCount, b: ByteCount) { a.value += b.value }
  @inlinable public static func -= (a: inout ByteCount, b: ByteCount) { a.value -= b.value }
}

/// A rate in bits per second; never zero.
public struct BitRate: Comparable, Hashable, Sendable {
  public let bitsPerSecond: UInt64

  /// The fastest rate that we can state: beyond it, `time(toSend:)` of a packet rounds to nothing.
  public static let maximum = BitRate(bitsPerSecond: 1_000_000_000_000)

  @inlinable public init(bitsPerSecond: UInt64) {
    precondition(bitsPerSecond > 0, "a rate of zero is a link that is down: say so instead")
    self.bitsPerSecond = bitsPerSecond
  }

  @inlinable public static func < (a: BitRate, b: BitRate) -> Bool { a.bitsPerSecond < b.bitsPerSecond }

  /// How long these bytes occupy the line, rounded to the nearest nanosecond.
  @inlinable public func time(toSend bytes: ByteCount) -> Interval { time(toSendBits: UInt64(bytes.value) * 8) }

  @inlinable public func time(toSendBits bits: UInt64) -> Interval {
    let scaled = bits.multipliedFullWidth(by: 1_000_000_000)
    let (low, carry) = scaled.low.addingReportingOverflow(bitsPerSecond / 2)
    let high = scaled.high + (carry ? 1 : 0)
    precondition(high < bitsPerSecond, "longer than 584 years")
    return Interval(nanoseconds: Int64(bitsPerSecond.dividingFullWidth((high, low)).quotient))
  }

  /// The same for bits that follow each other without a pause, rounded down. What is left below a nanosecond is carried
  /// over in
  /// `fraction` (billionths of a bit, 0 at first), so that a million packets take as long as their sum: at 10 Gbit/s
  /// the rounding of each for itself would make the rate wrong by one in ten thousand.
  @inlinable public func time(toSendBits bits: UInt64, carrying fraction: inout UInt64) -> Interval {
    let (product, isLong) = bits.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isOver) = product.addingReportingOverflow(fraction)
    if !isLong && !isOver {
      let (whole, rest) = sum.quotientAndRemainder(dividingBy: bitsPerSecond)
      fraction = rest
      return Interval(nanoseconds: Int64(whole))
    }
    let scaled = bits.multipliedFullWidth(by: 1_000_000_000)
    let (low, carry) = scaled.low.addingReportingOverflow(fraction)
    let high = scaled.high + (carry ? 1 : 0)
    precondition(high < bitsPerSecond, "longer than 584 years")
    let (whole, rest) = bitsPerSecond.dividingFullWidth((high, low))
    fraction = rest
    return Interval(nanoseconds: Int64(whole))
  }

  /// How many whole bytes pass in this time.
  @inlinable public func bytes(in interval: Interval) -> ByteCount { ByteCount(Int(bits(in: interval) / 8)) }

  /// How many whole bits pass in this time.
  @inlinable public func bits(in interval: Interval) -> UInt64 {
    precondition(interval >= .zero, "nothing passes backwards")
    let product = bitsPerSecond.multipliedFullWidth(by: UInt64(interval.nanoseconds))
    precondition(product.high < 1_000_000_000, "more bits than we can count")
    return UInt64(1_000_000_000).dividingFullWidth((product.high, product.low)).quotient
  }
}

/// A share between nothing and all, in billionths: 0.5 % is exactly 5,000,000 of them.
public struct Probability: Comparable, Hashable, Sendable {
  public let partsPerBillion: UInt32

  public static let never = Probability(partsPerBillion: 0)
  public static let always = Probability(partsPerBillion: 1_000_000_000)

  @inlinable public init(partsPerBillion: UInt32) {
    precondition(partsPerBillion <= 1_000_000_000, "a probability above one")
    self.partsPerBillion = partsPerBillion
  }

  @inlinable public var fraction: Double { Double(partsPerBillion) / 1e9 }

  @inlinable public static func < (a: Probability, b: Probability) -> Bool { a.partsPerBillion < b.partsPerBillion }
}
