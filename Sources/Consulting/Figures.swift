//  Figures.swift — how times, losses, rates and prices are written for people, and how they are read from others' JSON.
//
//  What others send is taken within bounds that no network reaches, and is nothing beyond them: a hostile server may
//  tell wrong figures, but none that overflow. Its texts are shown without characters that move a terminal's cursor.

import JSON
public import Primitives

public enum Figures {
  /// 0.85 ms, 20.1 ms, 140 ms: three digits.
  public static func time(_ interval: Interval) -> String {
    let value = interval.inMilliseconds
    return plainDecimal(value, decimals: value < 10 ? 2 : value < 100 ? 1 : 0) + " ms"
  }

  /// 0.12 %, 1.5 %, 12 %.
  public static func share(_ share: Double) -> String {
    let value = share * 100
    if value > 0 && value < 0.001 { return "< 0.001 %" }
    return plainDecimal(value, decimals: value < 0.1 ? 3 : value < 1 ? 2 : value < 10 ? 1 : 0) + " %"
  }

  public static func rate(_ rate: BitRate) -> String {
    let value = Double(rate.bitsPerSecond)
    func text(_ unit: Double, _ name: String) -> String {
      let scaled = value / unit
      return plainDecimal(scaled, decimals: scaled < 10 ? 1 : 0) + " " + name
    }
    if value >= 999.5e6 { return text(1e9, "Gbit/s") }
    if value >= 99.5e3 { return text(1e6, "Mbit/s") }
    return text(1e3, "kbit/s")
  }

  public static func memory(_ bytes: Double) -> String {
    if bytes < 1e3 { return plainDecimal(bytes, decimals: 0) + " B" }
    if bytes < 1e6 { return plainDecimal(bytes / 1e3, decimals: bytes < 1e4 ? 1 : 0) + " kB" }
    return plainDecimal(bytes / 1e6, decimals: bytes < 1e7 ? 2 : 1) + " MB"
  }

  public static func number(_ value: Double) -> String {
    let size = value.magnitude
    return plainDecimal(value, decimals: size < 1 ? 4 : size < 100 ? 2 : 0)
  }

  /// Longer texts are no names and no reasons.
  static let mostCharacters = 200

  /// Fit for one line of a terminal, whoever wrote it.
  public static func shown(_ text: String) -> String {
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(mostCharacters) { shown.append(isPlain(scalar) ? scalar : "?") }
    return String(shown) + (text.unicodeScalars.count > mostCharacters ? "..." : "")
  }

  /// No control character, and none that turns the direction of writing or has no width.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: false
    default: true
    }
  }

  // MARK: Reading

  /// An hour: what takes longer is no delay.
  private static let mostMicroseconds = 3.6e9
  private static let mostBits = 1e15

  static func interval(microseconds value: Double?) -> Interval? {
    guard let value, value >= 0, value <= mostMicroseconds else { return nil }
    return Interval(nanoseconds: Int64(value * 1e3))
  }

  static func rate(bitsPerSecond value: Double?) -> BitRate? {
    guard let value, value >= 1, value <= mostBits else { return nil }
    return BitRate(bitsPerSecond: UInt64(value))
  }

  static func share(_ value: Double?) -> Double? { value.flatMap { (0...1).contains($0) ? $0 : nil } }

  static func amount(_ value: Double?) -> Double? { value.flatMap { (0...1e15).contains($0) ? $0 : nil } }
}

/// What a server's answers may be at most. A map of two hundred nodes has forty thousand costs in a megabyte.
enum Bounds {
  static let bytes = 16 << 20

  static var reading: JSONLimits {
    var limits = JSONLimits()
    limits.bytes = bytes
    limits.values = 1 << 20
    return limits
  }
}
