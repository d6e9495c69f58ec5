import Glibc
import Primitives
import Sealing
import Testing

@Suite struct `Keys as people see them` {
  /// From RFC 7748's Alice, as `base64` prints her private key.
  private let alice = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="

  @Test func `are the base64 that every other program prints`() throws {
    let bytes = try #require(KeyText.bytes(alice))
    #expect(bytes.count == 32)
    #expect(bytes.prefix(4) == [0x77, 0x07, 0x6d, 0x0a] && bytes.suffix(2) == [0x2c, 0x2a])
    #expect(KeyText.text(bytes) == alice)
    #expect(KeyText.text([UInt8](repeating: 0, count: 32)) == String(repeating: "A", count: 43) + "=")
    #expect(KeyText.text([UInt8](repeating: 255, count: 32)) == String(repeating: "/", count: 42) + "8=")
  }

  @Test func `come back as they were, whatever their bytes`() throws {
    var generator = SeededRandom(seed: 1)
    for _ in 0..<500 {
      let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let text = KeyText.text(bytes)
      #expect(text.utf8.count == KeyText.length)
      #expect(KeyText.bytes(text) == bytes)
      let key = try #require(PublicKey(text))
      #expect(key.bytes == bytes && key.description == text)
      #expect(bytes.withUnsafeBytes { PublicKey($0) } == key)
    }
  }

  @Test(arguments: [
    "", "=", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo==",
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoA", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC==",
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25 Co=",
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25L-o=", "=wdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo\n", " dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR2ßCo=",
  ])
  func `are refused when they are anything else, even when only unused bits are set`(text: String) {
    #expect(KeyText.bytes(text) == nil)
    #expect(PublicKey(text) == nil)
  }

  @Test func `are equal and hash alike when all their bytes are, and only then`() throws {
    let one = try #require(PublicKey(alice))
    var keys: Set<PublicKey> = [one]
    for bit in 0..<256 {
      var bytes = one.bytes
      bytes[bit / 8] ^= 1 << (bit % 8)
      let other = try #require(bytes.withUnsafeBytes { PublicKey($0) })
      #expect(other != one)
      keys.insert(other)
    }
    #expect(keys.count == 257)
    #expect(keys.contains(try #require(PublicKey(alice))))
    #expect([UInt8](repeating: 0, count: 31).withUnsafeBytes { PublicKey($0) } == nil)
    #expect([UInt8](repeating: 0, count: 33).withUnsafeBytes { PublicKey($0) } == nil)
  }
}

@Suite struct `Secrets` {
  private let bytes = (0..<32).map { UInt8($0 * 7 + 3) }

  @Test func `have 32 bytes, zeros at first, and a copy has its own`() throws {
    var secret = Secret()
    #expect(Array(secret.bytes) == [UInt8](repeating: 0, count: 32))
    secret.withMutableBytes { $0.copyBytes(from: bytes) }
    var copy = Secret(copying: secret)
    #expect(Array(copy.bytes) == bytes)
    copy.withMutableBytes { $0[0] = 0xff }
    #expect(Array(secret.bytes) == bytes)
    for count in [0, 31, 33] {
      let isSecret = [UInt8](repeating: 1, count: count).withUnsafeBytes { Secret($0) != nil }
      #expect(!isSecret)
    }
  }

  @Test func `are gone from memory when nobody holds them`() throws {
    func address() throws -> Int {
      var secret = Secret()
      secret.withMutableBytes { $0.copyBytes(from: bytes) }
      let address = Int(bitPattern: secret.bytes.baseAddress)
      #expect(try Self.memory(at: address) == bytes, "as long as it lives, it is there")
      return address
    }
    // What the allocator does with the first bytes is its business; nothing of the rest may be left.
    let left = try Self.memory(at: try address())
    #expect(zip(left, bytes).count { $0 == $1 } <= 4)
    #expect(!left.suffix(16).elementsEqual(bytes.suffix(16)))
  }

  @Test func `wiping leaves zeros, of exactly what was given`() {
    var place = [UInt8](repeating: 7, count: 100)
    place.withUnsafeMutableBytes { wipe(UnsafeMutableRawBufferPointer(rebasing: $0[10..<90])) }
    #expect(
      place == [UInt8](repeating: 7, count: 10) + [UInt8](repeating: 0, count: 80) + [UInt8](repeating: 7, count: 10))
  }

  @Test func `are compared to the last bit, and by length`() {
    #expect(equal(bytes, bytes))
    #expect(equal([], []))
    #expect(!equal(bytes, Array(bytes.dropLast())))
    #expect(!equal([], [0]))
    for bit in 0..<256 {
      var other = bytes
      other[bit / 8] ^= 1 << (bit % 8)
      #expect(!equal(bytes, other))
    }
  }

  private func equal(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.withUnsafeBytes { one in other.withUnsafeBytes { isEqualInConstantTime(one, $0) } }
  }

  /// 32 bytes of this process, read from outside as a debugger would, whether they are allocated or not.
  private static func memory(at address: Int) throws -> [UInt8] {
    let file = open("/proc/self/mem", O_RDONLY)
    try #require(file >= 0)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(file, &bytes, bytes.count, off_t(address))
    try #require(count == bytes.count)
    return bytes
  }
}

@Suite struct `Sets of cipher suites` {
  @Test func `hold what was put in, one bit for each`() {
    #expect(CipherSuites().contains(.aes128GCM) == false)
    for suite in CipherSuite.allCases {
      let one = CipherSuites(suite)
      for other in CipherSuite.allCases { #expect(one.contains(other) == (one == CipherSuites(other))) }
    }
    let all = CipherSuite.allCases.reduce(into: CipherSuites()) { $0.formUnion(CipherSuites($1)) }
    #expect(CipherSuite.allCases.allSatisfy { all.contains($0) })
    #expect(CipherSuites(rawValue: 0b1111_1001).isDisjoint(with: all))
    #expect(CipherSuites(.aes128GCM).rawValue == 2 && CipherSuites(.chaCha20Poly1305).rawValue == 4)
  }

  @Test func `suites are named as the world names them`() {
    #expect(CipherSuite.allCases.map(\.description) == ["AES-128-GCM", "ChaCha20-Poly1305"])
    #expect(CipherSuite(rawValue: 0) == nil && CipherSuite(rawValue: 3) == nil)
  }
}
