//  KeyedHash.swift — SipHash: where a key goes in a table, so that nobody outside can choose it.
//
//  Strangers choose the addresses that are looked up, and a client chooses destinations: with a hash that they can
//  compute, ten thousand of them could be made to lie one behind the other. SipHash (Aumasson, Bernstein) is made for
//  this; one round for each word and three at the end are what language runtimes use. Some 10 ns for three words, once
//  for a whole read of datagrams.

struct KeyedHash: BitwiseCopyable {
  private let low: UInt64
  private let high: UInt64

  /// Numbers that nobody can guess.
  init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  @inline(__always)
  func callAsFunction(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> UInt64 {
    var state = SipState(low: low, high: high)
    state.take(a, rounds: 1)
    state.take(b, rounds: 1)
    state.take(c, rounds: 1)
    return state.finish(byteCount: 24, rounds: 1, last: 3)
  }
}

struct SipState {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  @inline(__always)
  init(low: UInt64, high: UInt64) {
    // The authors' constants: "somepseudorandomlygeneratedbytes".
    a = low ^ 0x736f_6d65_7073_6575
    b = high ^ 0x646f_7261_6e64_6f6d
    c = low ^ 0x6c79_6765_6e65_7261
    d = high ^ 0x7465_6462_7974_6573
  }

  @inline(__always)
  private mutating func round() {
    a &+= b
    c &+= d
    b = (b << 13 | b >> 51) ^ a
    d = (d << 16 | d >> 48) ^ c
    a = a << 32 | a >> 32
    c &+= b
    a &+= d
    b = (b << 17 | b >> 47) ^ c
    d = (d << 21 | d >> 43) ^ a
    c = c << 32 | c >> 32
  }

  @inline(__always)
  mutating func take(_ word: UInt64, rounds: Int) {
    d ^= word
    for _ in 0..<rounds { round() }
    a ^= word
  }

  /// Of whole words; the last block has nothing but their length.
  @inline(__always)
  mutating func finish(byteCount: UInt64, rounds: Int, last: Int) -> UInt64 {
    take(byteCount << 56, rounds: rounds)
    c ^= 0xff
    for _ in 0..<last { round() }
    return a ^ b ^ c ^ d
  }
}
