//  SeededRandom.swift — all chance in the project comes from a seed, so that every run can be run again.
//
//  Why.  The system's generator would make a failure unrepeatable, and the C library's logarithm may round
//  differently on the next machine; a simulation must give the same bytes everywhere.
//
//  How.  xoshiro256++ (Blackman, Vigna) filled by SplitMix64, as its authors advise. `stream(named:)` derives an
//  independent generator for a part of the world from its name: adding a link to a topology does not change what
//  happens on the others. Normal values come from Marsaglia's polar method, whose logarithm is computed here from
//  additions and divisions only.

public struct SeededRandom: RandomNumberGenerator, Sendable {
  @usableFromInline var state: (UInt64, UInt64, UInt64, UInt64)
  /// The second value of the polar method, which makes them in pairs.
  private var spareNormal: Double?
  private let seed: UInt64

  public init(seed: UInt64) {
    self.seed = seed
    var mixer = SplitMix64(state: seed)
    state = (mixer.next(), mixer.next(), mixer.next(), mixer.next())
  }

  /// A generator of its own for the part of the world with this name.
  public func stream(named name: String) -> SeededRandom {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a: names are few and short, and it is the same on every machine
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return stream(number: hash)
  }

  /// The same, for parts that have a number.
  public func stream(number: UInt64) -> SeededRandom {
    var mixer = SplitMix64(state: seed ^ (number &* 0x9e37_79b9_7f4a_7c15))
    return SeededRandom(seed: mixer.next())
  }

  @inlinable public mutating func next() -> UInt64 {
    let result = rotateLeft(state.0 &+ state.3, 23) &+ state.0
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotateLeft(state.3, 45)
    return result
  }

  @inlinable func rotateLeft(_ x: UInt64, _ by: UInt64) -> UInt64 { (x << by) | (x >> (64 - by)) }

  /// Whether something with this probability happens now. Certainty takes no draw.
  @inlinable public mutating func happens(_ probability: Probability) -> Bool {
    if probability == .never { return false }
    if probability == .always { return true }
    return next().multipliedFullWidth(by: 1_000_000_000).high < UInt64(probability.partsPerBillion)
  }

  /// Uniform in 0 ..< 1, from 53 random bits.
  @inlinable public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0 ..< bound.
  @inlinable public mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }

  /// Mean 0, standard deviation 1.
  public mutating func normal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    while true {
      let u = 2 * unit() - 1
      let v = 2 * unit() - 1
      let s = u * u + v * v
      if s >= 1 || s == 0 { continue }
      let factor = (-2 * naturalLogarithm(s) / s).squareRoot()
      spareNormal = v * factor
      return u * factor
    }
  }
}

/// ln x for x > 0: the exponent is exact, and the series of artanh over a mantissa within √½ … √2 has converged to the
/// last bit after 13 terms.
func naturalLogarithm(_ x: Double) -> Double {
  var exponent = Double(x.exponent)
  var mantissa = x.significand
  if mantissa > 1.414_213_562_373_095_1 {
    mantissa /= 2
    exponent += 1
  }
  let z = (mantissa - 1) / (mantissa + 1)
  let square = z * z
  var sum = 0.0
  var term = z
  var odd = 1.0
  while odd < 27 {
    sum += term / odd
    term *= square
    odd += 2
  }
  return 2 * sum + exponent * 0.693_147_180_559_945_3
}

/// Steele, Lea and Flood's mixer: turns any seed, even zero, into well spread state.
private struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
