import Sealing
import Testing

@testable import Crypto

@Suite struct `Published vectors through the functions that seal datagrams` {
  /// Runs all of a file by one way of doing it; how many there were.
  private func check(_ file: String, _ way: Way) throws -> Int {
    let vectors = try Vectors.sealed(file)
    for vector in vectors {
      let key = TestKey(way, sealing: vector.key)
      let opened = key.open(nonce: vector.nonce, header: vector.header, vector.sealed)
      if vector.isValid {
        #expect(opened == vector.text, "\(vector.name)")
        #expect(key.seal(nonce: vector.nonce, header: vector.header, vector.text) == vector.sealed, "\(vector.name)")
      } else {
        #expect(opened == nil, "\(vector.name)")
      }
    }
    return vectors.count
  }

  @Test(arguments: Way.all(.aes128GCM))
  func `AES-128-GCM is NIST's`(way: Way) throws {
    #expect(try check("aes-128-gcm-nist", way) == 100)
  }

  @Test(arguments: Way.all(.aes128GCM))
  func `AES-128-GCM has none of the mistakes that Wycheproof knows`(way: Way) throws {
    #expect(try check("aes-128-gcm-wycheproof", way) == 67)
  }

  @Test(arguments: Way.all(.chaCha20Poly1305))
  func `ChaCha20-Poly1305 is that of RFC 8439, and has none of the mistakes that Wycheproof knows`(way: Way) throws {
    #expect(try check("chacha20-poly1305-rfc8439", way) == 1)
    #expect(try check("chacha20-poly1305-wycheproof", way) == 316)
  }

  @Test(arguments: Way.all(.aes128GCM))
  func `masks of AES are those of QUIC, RFC 9001 A.2, and of NIST SP 800-38A`(way: Way) {
    let quic = TestKey(way, sealing: [], masking: bytes("9f50449e04a0e810283a1e9933adedd2"))
    #expect(text(quic.masks(bytes("d1b1c98dd7689fb8ec11d242b123dc9b")).prefix(5)) == "437b9aec36")
    let nist = TestKey(way, sealing: [], masking: bytes("2b7e151628aed2a6abf7158809cf4f3c"))
    let blocks = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    #expect(text(nist.masks(bytes(blocks))) == "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf")
  }

  @Test(arguments: Way.all(.chaCha20Poly1305))
  func `masks of ChaCha20 are those of QUIC, RFC 9001 A.5`(way: Way) {
    let key = TestKey(
      way, sealing: [], masking: bytes("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4"))
    #expect(text(key.masks(bytes("5e5cd55c41f69080575d7999c25a5bfb")).prefix(5)) == "aefefe7d03")
  }
}
