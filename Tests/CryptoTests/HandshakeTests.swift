import Sealing
import Testing

@testable import Crypto

@Suite struct `What the handshake computes` {
  private let asked: Asked
  private let count = [UInt8](0...255)

  init() throws { asked = try Asked() }

  @Test func `X25519 is that of RFC 7748: Alice and Bob agree, and a thousand rounds end where they should`() throws {
    let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    let alicePublic = asked.cryptography.publicKey(of: secret(alice)).bytes
    let bobPublic = asked.cryptography.publicKey(of: secret(bob)).bytes
    #expect(text(alicePublic) == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    #expect(text(bobPublic) == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    #expect(try asked.shared(alice, bobPublic) == shared)
    #expect(try asked.shared(bob, alicePublic) == shared)

    var (scalar, point) = ([9] + [UInt8](repeating: 0, count: 31), [9] + [UInt8](repeating: 0, count: 31))
    for _ in 0..<1_000 {
      let result = try #require(try asked.shared(scalar, point))
      (scalar, point) = (result, scalar)
    }
    #expect(text(scalar) == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
  }

  @Test func `X25519 has none of the mistakes that Wycheproof knows, and a point of small order gives no secret`()
    throws
  {
    let vectors = try Vectors.agreed("x25519-wycheproof")
    #expect(vectors.count == 171)
    #expect(vectors.count { $0.shared.isEmpty } == 31)
    for vector in vectors {
      let shared = try asked.shared(vector.privateKey, vector.publicKey)
      #expect(shared == (vector.shared.isEmpty ? nil : vector.shared), "\(vector.name)")
    }
  }

  // What RFC 7693 does not list was computed with Python's hashlib, whose BLAKE2s is not OpenSSL's.

  @Test func `the hash is BLAKE2s of RFC 7693, of all strings one after the other`() {
    #expect(asked.hash(Array("abc".utf8)) == "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982")
    #expect(asked.hash() == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9")
    #expect(
      asked.hash(Array(count[..<10]), [], Array(count[10..<64]))
        == "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e")
    #expect(
      asked.hash(count, count, count, Array(count[..<232]))
        == "b5f9d7799111edafc9326fbf667be98140b5e20ce5e151793c59125bf654ac18")
  }

  @Test func `HMAC is with BLAKE2s, for keys shorter and longer than its block`() {
    #expect(
      asked.authenticate(key: [], []) == "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd")
    #expect(
      asked.authenticate(key: Array(count[..<32]), Array("a".utf8), Array("bc".utf8))
        == "82623be5bc0a391b24dce53e67d028eff92d586de0485ac37822e597d049c74f")
    #expect(
      asked.authenticate(key: Array(count[..<100]), Array(count[..<64]))
        == "9a7afa926e1b07e018a7f00c16fa54fd2443220f545a413f8316a9af6cac76ce")
  }

  @Test func `a short code is keyed BLAKE2s with 16 bytes of result, and keeps nothing of the one before`() {
    for _ in 0..<2 {
      #expect(asked.shortCode(key: [1]) == "95714fec355dea0dda4da4bebf429e17")
      #expect(asked.shortCode(key: Array(count[..<32]), Array("abc".utf8)) == "61ba5f165c194692e09d12520cc4c74a")
      #expect(asked.shortCode(key: Array(count[..<32]), Array(count[..<64])) == "f1efa90d2547036841ecd3627fafbc36")
      #expect(asked.shortCode(key: Array(count[..<32]), Array(count[..<65])) == "811ff8686d23a435ecbd0bdafcd27b1b")
      #expect(
        asked.shortCode(key: Array(count[..<16]), Array(count[..<100]), Array(count[100..<116]))
          == "b9b1bbba1b59e4349d1018f97d243fca")
      #expect(
        asked.shortCode(key: Array(count[..<32]), count, count, count, Array(count[..<232]))
          == "f69872b03760f95ddfb897eede223884")
    }
  }

  @Test func `several threads may compute short codes at once`() async {
    let (asked, key) = (asked, Array(count[..<32]))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          (0..<500).allSatisfy { _ in
            asked.shortCode(key: key, Array("abc".utf8)) == "61ba5f165c194692e09d12520cc4c74a"
          }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func `a message is sealed with four zeros and the count, little-endian, as nonce`() throws {
    let vector = try #require(try Vectors.sealed("chacha20-poly1305-rfc8439").first)
    #expect(vector.nonce == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    let nonce: UInt64 = 0x0807_0605_0403_0201
    #expect(asked.seal(vector.key, nonce, vector.header, vector.text) == vector.sealed)
    #expect(asked.open(vector.key, nonce, vector.header, vector.sealed) == vector.text)
    #expect(asked.open(vector.key, nonce + 1, vector.header, vector.sealed) == nil)
    #expect(asked.open(vector.key, nonce, vector.header + [0], vector.sealed) == nil)
    #expect(asked.open(vector.key, nonce, vector.header, vector.sealed + [0]) == nil)
  }

  @Test func `an empty message has a tag alone, and what is shorter than a tag is no message`() {
    let key = Array(count[..<32])
    let sealed = asked.seal(key, 0, [], [])
    #expect(sealed.count == 16)
    #expect(asked.open(key, 0, [], sealed) == [])
    for length in 0..<16 { #expect(asked.open(key, 0, [], Array(sealed[..<length])) == nil) }
  }

  @Test func `cookies are sealed with a nonce of 12 bytes, and none of the mistakes that Wycheproof knows`() throws {
    for vector in try Vectors.sealed("chacha20-poly1305-wycheproof") {
      let opened = asked.openCookie(vector.key, vector.nonce, vector.header, vector.sealed)
      #expect(opened == (vector.isValid ? vector.text : nil), "\(vector.name)")
      if vector.isValid {
        #expect(asked.sealCookie(vector.key, vector.nonce, vector.header, vector.text) == vector.sealed)
      }
    }
  }

  @Test func `random bytes fill their place, and never come twice`() {
    var draws: Set<[UInt8]> = []
    for _ in 0..<100 {
      var bytes = [UInt8](repeating: 0, count: 64)
      bytes.withUnsafeMutableBytes { asked.cryptography.random($0) }
      draws.insert(bytes)
    }
    #expect(draws.count == 100)
    // A place that nobody fills would be zero in all of them: by chance, once in 256¹⁰⁰.
    for place in 0..<64 { #expect(draws.contains { $0[place] != 0 }) }
    asked.cryptography.random(UnsafeMutableRawBufferPointer(start: nil, count: 0))
  }
}
