//  PlainDecimal.swift — a number as people write it: digits and a point, never an exponent.
//
//  Swift prints 0.00001 as "1e-05" and 2⁵³ as "9007199254740992.0". We take the digits that it found, which are the
//  fewest that read back as the same value, and set the point ourselves. Rounding works on those digits and not on
//  the binary value behind them, so that 1.005 becomes 1.01, as whoever reads "1.005" expects.

/// A finite number in digits, without an exponent and without zeros at its end; rounded half away from zero when
/// `decimals` says to how many places, and never "-0".
public func plainDecimal(_ value: Double, decimals: Int? = nil) -> String {
  precondition(value.isFinite, "infinity has no digits")
  let digits = Digits(value)
  guard let decimals else { return digits.text }
  return digits.rounded(to: decimals).text
}

/// ±0.d₁d₂d₃… × 10^point, as exactly the digits that Swift prints for it: rounding works on them, so that 1.005
/// becomes 1.01 as whoever reads "1.005" expects.
private struct Digits {
  var isNegative: Bool
  /// Without zeros at either end; empty is zero.
  var digits: [UInt8] = []
  var point = 0

  init(_ value: Double) {
    isNegative = value < 0
    var exponent = 0
    var sawPoint = false
    let parts = value.magnitude.description.split(separator: "e", maxSplits: 1)
    if parts.count == 2 { exponent = Int(parts[1]) ?? 0 }
    for character in parts[0].utf8 {
      if character == UInt8(ascii: ".") {
        sawPoint = true
        continue
      }
      digits.append(character - UInt8(ascii: "0"))
      if !sawPoint { point += 1 }
    }
    point += exponent
    trim()
  }

  private mutating func trim() {
    while digits.last == 0 { digits.removeLast() }
    let zeros = digits.prefix { $0 == 0 }.count
    digits.removeFirst(zeros)
    point -= zeros
  }

  func rounded(to decimals: Int) -> Digits {
    let kept = point + decimals
    if kept >= digits.count { return self }
    var result = self
    if kept < 0 {
      result.digits = []
      return result
    }
    let roundsUp = digits[kept] >= 5
    result.digits.removeSubrange(kept...)
    if roundsUp {
      // 9.99 → 10: a digit in front takes the carry.
      result.digits.insert(0, at: 0)
      result.point += 1
      var at = result.digits.count - 1
      while result.digits[at] == 9 {
        result.digits[at] = 0
        at -= 1
      }
      result.digits[at] += 1
    }
    result.trim()
    return result
  }

  var text: String {
    if digits.isEmpty { return "0" }
    func zeros(_ count: Int) -> String { String(repeating: "0", count: max(0, count)) }
    func shown(_ some: ArraySlice<UInt8>) -> String {
      String(decoding: some.map { $0 + UInt8(ascii: "0") }, as: UTF8.self)
    }
    let whole = point <= 0 ? "0" : shown(digits.prefix(point)) + zeros(point - digits.count)
    let fraction = zeros(-point) + shown(digits.dropFirst(max(0, point)))
    return (isNegative ? "-" : "") + whole + (fraction.isEmpty ? "" : "." + fraction)
  }
}
