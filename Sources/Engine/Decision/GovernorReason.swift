//  GovernorReason.swift — why a peer's paths are used as they are, in numbers, and as a sentence.

import Primitives

enum GovernorReason: Equatable, Sendable {
  struct Comparison: Equatable, Sendable {
    var delivered: BitRate
    var best: UInt8
    var alone: BitRate
  }

  case noPath
  /// Nothing is held against any.
  case everyPath
  /// Some came or went.
  case pathsChanged
  case harm(Comparison, until: Instant)
  /// The gain was not worth so much delay.
  case delay(Comparison, Interval, until: Instant)
  /// These, a bit for each, are tried again.
  case probing(UInt32, before: BitRate)
  /// Fewer paths were no better.
  case mistake(smaller: BitRate, larger: BitRate, until: Instant)

  /// `used`: the set; `name` of a path by its place.
  func sentence(used: UInt32, at now: Instant, name: (Int) -> String) -> String {
    let set = alone(used, name)
    switch self {
    case .noPath: return "no path is up"
    case .everyPath: return "every path that is up is used, and nothing is held against any"
    case .pathsChanged: return "paths came or went; using \(set)"
    case .harm(let compared, let until):
      return "\(text(compared, name)); using \(set)\(time(until, now))"
    case .delay(let compared, let extra, let until):
      let late = plainDecimal(extra.inMilliseconds, decimals: 0)
      return "\(text(compared, name)), and made bulk wait \(late) ms longer; using \(set)\(time(until, now))"
    case .probing(let added, let before):
      let fewer = alone(used & ~added, name)
      return "trying \(list(added, name)) again: without, \(fewer) delivered \(text(before))"
    case .mistake(let smaller, let larger, let until):
      return "fewer paths delivered \(text(smaller)) where the set had \(text(larger)); using \(set)\(time(until, now))"
    }
  }

  private func text(_ compared: Comparison, _ name: (Int) -> String) -> String {
    "the set delivered \(text(compared.delivered)) where \(name(Int(compared.best))) alone carries "
      + text(compared.alone)
  }

  private func text(_ rate: BitRate) -> String {
    let megabits = Double(rate.bitsPerSecond) / 1e6
    return "\(plainDecimal(megabits, decimals: megabits < 10 ? 1 : 0)) Mbit/s"
  }

  private func list(_ set: UInt32, _ name: (Int) -> String) -> String {
    let names = set.places.map(name)
    guard let last = names.last else { return "nothing" }
    return names.count == 1 ? last : names.dropLast().joined(separator: ", ") + " and " + last
  }

  private func alone(_ set: UInt32, _ name: (Int) -> String) -> String {
    list(set, name) + (set.nonzeroBitCount == 1 ? " alone" : "")
  }

  private func time(_ until: Instant, _ now: Instant) -> String {
    until > now ? " for \((until - now).nanoseconds / 1_000_000_000 + 1) s" : ""
  }
}

extension BitRate {
  /// A measured rate: never zero, and never more than can be stated.
  init(measured bitsPerSecond: Double) {
    self.init(bitsPerSecond: UInt64(min(max(bitsPerSecond, 1), Double(BitRate.maximum.bitsPerSecond))))
  }
}

/// Sets of paths, a bit for each.
extension UInt32 {
  @inline(__always) func has(_ place: Int) -> Bool { self & place.bit != 0 }

  /// The places whose bits are set, the lowest first.
  var places: BitPlaces { BitPlaces(rest: self) }
}

extension Int {
  @inline(__always) var bit: UInt32 { 1 << UInt32(self) }
}

struct BitPlaces: Sequence, IteratorProtocol {
  var rest: UInt32

  mutating func next() -> Int? {
    if rest == 0 { return nil }
    let place = rest.trailingZeroBitCount
    rest &= rest - 1
    return place
  }
}
