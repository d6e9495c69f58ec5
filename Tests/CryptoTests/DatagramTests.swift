import Primitives
import Sealing
import Testing

@testable import Crypto

@Suite struct `A sealed datagram` {
  private func random(_ count: Int, _ generator: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  @Test(arguments: Way.all)
  func `has a nonce of path, three zeros and counter, and authenticates 28 bytes before it`(way: Way) {
    var generator = SeededRandom(seed: 1)
    let key = TestKey(way, sealing: random(32, &generator))
    let header = random(28, &generator)
    let text = random(100, &generator)
    #expect(
      key.seal(0xab, 0x0102_0304_0506_0708, header: header, text)
        == key.seal(nonce: [0xab, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1], header: header, text))
  }

  @Test(arguments: CipherSuite.allCases)
  func `is the same from every library, whatever its length, in place or not, and each opens it`(suite: CipherSuite) {
    var generator = SeededRandom(seed: 2)
    let sealing = random(32, &generator)
    let keys = Way.all(suite).map { TestKey($0, sealing: sealing) }
    let lengths = Array(0...130) + Array(stride(from: 131, to: 3_000, by: 37)) + [1_428, 2_999, 3_000, 9_000, 65_000]
    for (index, length) in lengths.enumerated() {
      let (path, counter) = (UInt8(index % 16), UInt64(index) << 40 | 7)
      let header = random(28, &generator)
      let text = random(length, &generator)
      let sealed = keys[0].seal(path, counter, header: header, text)
      for key in keys {
        #expect(key.seal(path, counter, header: header, text) == sealed, "\(key.way.testDescription), \(length) bytes")
        #expect(key.seal(path, counter, header: header, text, inPlace: true) == sealed, "in place, \(length) bytes")
        #expect(key.open(path, counter, header: header, sealed) == text, "\(key.way.testDescription), \(length) bytes")
        #expect(key.open(path, counter, header: header, sealed, inPlace: true) == text, "in place, \(length) bytes")
      }
    }
  }

  @Test(arguments: Way.all)
  func `is refused when any bit of it changed, on another path, at another count, under another key`(way: Way) {
    var generator = SeededRandom(seed: 3)
    let sealing = random(32, &generator)
    let key = TestKey(way, sealing: sealing)
    let header = random(28, &generator)
    for length in [0, 1, 31, 64] {
      let text = random(length, &generator)
      var sealed = key.seal(3, 99, header: header, text)
      for bit in 0..<(sealed.count * 8) {
        sealed[bit / 8] ^= 1 << (bit % 8)
        #expect(key.open(3, 99, header: header, sealed) == nil, "bit \(bit) of \(length) bytes")
        sealed[bit / 8] ^= 1 << (bit % 8)
      }
      var other = header
      for bit in 0..<(header.count * 8) {
        other[bit / 8] ^= 1 << (bit % 8)
        #expect(key.open(3, 99, header: other, sealed) == nil, "bit \(bit) of the header, \(length) bytes")
        other[bit / 8] ^= 1 << (bit % 8)
      }
      #expect(key.open(2, 99, header: header, sealed) == nil)
      for bit in 0..<64 { #expect(key.open(3, 99 ^ 1 << bit, header: header, sealed) == nil) }
      // The suite takes the bytes that it needs, so the first one counts for both.
      let stranger = TestKey(way, sealing: [sealing[0] ^ 1] + sealing[1...])
      #expect(stranger.open(3, 99, header: header, sealed) == nil)
      #expect(key.open(3, 99, header: header, sealed) == text, "after all those refusals")
    }
  }

  @Test(arguments: Way.all)
  func `can be sealed and opened in turns under one key`(way: Way) {
    var generator = SeededRandom(seed: 4)
    let key = TestKey(way, sealing: random(32, &generator))
    let header = random(28, &generator)
    for counter: UInt64 in 0..<20 {
      let text = random(Int(counter) * 7, &generator)
      #expect(key.open(1, counter, header: header, key.seal(1, counter, header: header, text)) == text)
    }
  }

  @Test(arguments: CipherSuite.allCases)
  func `gets the same masks from every library, alone or with others, in place or not`(suite: CipherSuite) {
    var generator = SeededRandom(seed: 5)
    let masking = random(32, &generator)
    let keys = Way.all(suite).map { TestKey($0, sealing: [], masking: masking) }
    for count in [1, 2, 3, 7, 44, 128] {
      let samples = random(16 * count, &generator)
      let alone = stride(from: 0, to: samples.count, by: 16).flatMap { keys[0].masks(Array(samples[$0..<($0 + 16)])) }
      #expect(Set(stride(from: 0, to: alone.count, by: 16).map { text(alone[$0..<($0 + 16)]) }).count == count)
      for key in keys {
        #expect(key.masks(samples) == alone)
        #expect(key.masks(samples, inPlace: true) == alone)
      }
    }
    #expect(keys[0].masks([]) == [])
  }

  @Test(arguments: Way.all)
  func `may be sealed by several threads, each with a key of its own`(way: Way) async {
    let header = [UInt8](repeating: 7, count: 28)
    func messages(_ thread: UInt8) -> [[UInt8]] {
      let key = TestKey(way, sealing: [UInt8](repeating: thread, count: 32))
      return (0..<400).map { key.seal(thread, UInt64($0), header: header, [UInt8](repeating: thread, count: 3 * $0)) }
    }
    let expected = (0..<4).map { messages(UInt8($0)) }
    await withTaskGroup(of: (Int, Bool).self) { group in
      for thread in 0..<4 {
        group.addTask { (thread, messages(UInt8(thread)) == expected[thread]) }
      }
      for await (thread, isRight) in group { #expect(isRight, "thread \(thread) disturbed by another") }
    }
  }
}

@Suite struct `The choice of libraries` {
  @Test func `offers every suite once, and puts AES first where the processor has instructions for it`() throws {
    let cryptography = try LibraryCryptography.make()
    #expect(Set(cryptography.suites) == Set(CipherSuite.allCases))
    #expect(cryptography.suites.count == CipherSuite.allCases.count)
    let flags = Set(Processor.flags)
    try #require(!flags.isEmpty)
    let hasAES = flags.contains("aes") && (flags.contains("pclmulqdq") || flags.contains("pmull"))
    #expect(cryptography.suites.first == (hasAES ? .aes128GCM : .chaCha20Poly1305))
  }

  @Test func `can be told, and says who does it`() throws {
    let plain = try LibraryCryptography.make(preferring: .openSSL)
    for suite in CipherSuite.allCases { #expect(plain.implementation(of: suite).hasPrefix("OpenSSL 3.")) }
    #if arch(x86_64)
      let flags = Set(Processor.flags)
      let preferred = try LibraryCryptography.make(preferring: .multiBuffer)
      #expect(preferred.implementation(of: .chaCha20Poly1305).hasPrefix("Intel ipsec-mb "))
      let fastest = try LibraryCryptography.make()
      #expect(
        fastest.implementation(of: .aes128GCM).hasPrefix("Intel ipsec-mb ")
          == (flags.contains("aes") && flags.contains("pclmulqdq")))
      #expect(fastest.implementation(of: .chaCha20Poly1305).hasPrefix("Intel ipsec-mb "))
    #endif
  }

  @Test func `a refusal of OpenSSL's names what it lacks and where to look`() {
    #expect(throws: CryptographyFailure.self) { try Algorithm.cipher("ROT-13") }
    let failure = CryptographyFailure(algorithm: "BLAKE2S-256", library: "OpenSSL 3.0.17")
    #expect("\(failure)".hasPrefix("OpenSSL 3.0.17 does not offer BLAKE2S-256: "))
  }
}
