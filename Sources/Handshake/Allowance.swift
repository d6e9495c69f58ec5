//  Allowance.swift — so many a second, so many at once; for one thing, or for each of many sources.
//
//  The generic cell rate algorithm: one instant says when the next event would be on time, and an event may come before
//  it by the length of the burst. One word for each source, nothing to refill.
//
//  The table of sources is bounded: sets of four ways, chosen by a hash that an outsider cannot predict. When all four
//  are taken, the one that has been quiet for the longest gives way; it had its whole burst to spend anyway. Who floods
//  from many addresses can push others out of the table, which costs those nothing.

import Primitives

struct Allowance {
  private let spacing: Interval
  private let ahead: Interval
  private var nextOnTime = Instant.zero

  init(perSecond: Int, atOnce: Int) {
    precondition(perSecond > 0 && atOnce > 0, "an allowance of nothing")
    spacing = .seconds(1) / Int64(perSecond)
    ahead = spacing * Int64(atOnce - 1)
  }

  mutating func take(at now: Instant) -> Bool { Allowance.take(&nextOnTime, spacing: spacing, ahead: ahead, at: now) }

  static func take(_ nextOnTime: inout Instant, spacing: Interval, ahead: Interval, at now: Instant) -> Bool {
    let start = max(nextOnTime, now)
    guard start - now <= ahead else { return false }
    nextOnTime = start + spacing
    return true
  }
}

struct SourceAllowances: ~Copyable {
  // Not private: the compiler fails on a generic field of a private type that another file lays out.
  struct Entry {
    var name: UInt64
    var nextOnTime: Instant
  }

  private static let ways = 4
  private let spacing: Interval
  private let ahead: Interval
  private let sets: Int
  private var table: FixedArray<Entry>
  private let salt: UInt64

  /// `sources` are remembered at most. `salt` is a number that nobody can guess.
  init(perSecond: Int, atOnce: Int, sources: Int, salt: UInt64) {
    precondition(perSecond > 0 && atOnce > 0, "an allowance of nothing")
    spacing = .seconds(1) / Int64(perSecond)
    ahead = spacing * Int64(atOnce - 1)
    sets = max(1, sources / SourceAllowances.ways)
    table = FixedArray(count: sets * SourceAllowances.ways) { _ in Entry(name: 0, nextOnTime: .zero) }
    self.salt = salt
  }

  mutating func take(_ source: UnsafeRawBufferPointer, at now: Instant) -> Bool {
    let name = unsafe hash(SourceAllowances.network(of: source))
    let first = Int(truncatingIfNeeded: name.multipliedFullWidth(by: UInt64(sets)).high) * SourceAllowances.ways
    var place = first
    for way in first..<first + SourceAllowances.ways {
      if table[way].name == name {
        place = way
        break
      }
      if table[way].nextOnTime < table[place].nextOnTime { place = way }
    }
    if table[place].name != name { table[place] = Entry(name: name, nextOnTime: .zero) }
    return Allowance.take(&table[place].nextOnTime, spacing: spacing, ahead: ahead, at: now)
  }

  /// Who owns an IPv6 address owns its /64; an IPv4 address is whole, also in IPv6's clothes. The last two bytes are
  /// the port.
  private static func network(of source: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard source.count == 18 else { return unsafe UnsafeRawBufferPointer(rebasing: source.dropLast(2)) }
    let high = unsafe source.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
    let middle = unsafe source.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    let isMapped = high == 0 && middle == UInt32(bigEndian: 0xffff)
    return unsafe isMapped ? source.part(12, 4) : source.part(0, 8)
  }

  /// Zero stands for nobody.
  private func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state = salt
    for index in bytes.indices {
      let product = unsafe (state ^ UInt64(bytes[index])).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
      state = product.high ^ product.low &+ salt
    }
    return state | 1
  }
}
