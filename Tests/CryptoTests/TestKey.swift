//  TestKey.swift — a key of datagrams for arrays of bytes, and a list of all who can make one here.

import Sealing
import Testing

@testable import Crypto

/// A suite as one library does it, on this processor.
struct Way: Sendable, CustomTestStringConvertible {
  let cryptography: LibraryCryptography
  let suite: CipherSuite

  var testDescription: String { "\(suite) by \(cryptography.implementation(of: suite))" }

  /// Everybody who can do something here; the preferred ones first, so that a processor without them tests less, not
  /// wrong.
  static let all: [Way] = LibraryCryptography.Library.allCases.flatMap { library -> [Way] in
    guard let cryptography = try? LibraryCryptography.make(preferring: library) else { return [] }
    return CipherSuite.allCases.map { Way(cryptography: cryptography, suite: $0) }
  }

  static func all(_ suite: CipherSuite) -> [Way] { all.filter { $0.suite == suite } }
}

/// Owns a key and destroys it.
final class TestKey {
  let way: Way
  let key: SealingKey
  private let cipher: DatagramCipher

  init(_ way: Way, sealing: [UInt8], masking: [UInt8] = []) {
    self.way = way
    cipher = way.cryptography.cipher(way.suite)
    key = way.cryptography.expand(way.suite, sealing: secret(sealing), masking: secret(masking))
  }

  deinit { way.cryptography.destroy(key) }

  /// Bytes behind the place that a function may write to, which it must leave alone.
  private static let guardByte: UInt8 = 0xc3

  /// As a datagram; `inPlace` reads from where it writes.
  func seal(_ path: UInt8, _ counter: UInt64, header: [UInt8], _ text: [UInt8], inPlace: Bool = false) -> [UInt8] {
    #expect(header.count == SealingKey.headerLength)
    return written(text, text.count + SealingKey.tagLength, inPlace) { source, destination in
      key.seal(key.context, path, counter, header, source, text.count, destination)
      return true
    } ?? []
  }

  func open(_ path: UInt8, _ counter: UInt64, header: [UInt8], _ sealed: [UInt8], inPlace: Bool = false) -> [UInt8]? {
    #expect(header.count == SealingKey.headerLength)
    let length = sealed.count - SealingKey.tagLength
    return written(sealed, length, inPlace) { source, destination in
      key.open(key.context, path, counter, header, source, length, destination)
    }
  }

  /// With any nonce and a header of any length.
  func seal(nonce: [UInt8], header: [UInt8], _ text: [UInt8]) -> [UInt8] {
    written(text, text.count + SealingKey.tagLength, false) { source, destination in
      cipher.sealAny(key.context, nonce, header, header.count, source, text.count, destination)
      return true
    } ?? []
  }

  func open(nonce: [UInt8], header: [UInt8], _ sealed: [UInt8]) -> [UInt8]? {
    let length = sealed.count - SealingKey.tagLength
    return written(sealed, length, false) { source, destination in
      cipher.openAny(key.context, nonce, header, header.count, source, length, destination)
    }
  }

  func masks(_ samples: [UInt8], inPlace: Bool = false) -> [UInt8] {
    let count = samples.count / SealingKey.sampleLength
    return written(samples, samples.count, inPlace) { source, destination in
      key.mask(key.context, source, count, destination)
      return true
    } ?? []
  }

  /// What `body` wrote, when it said so; nothing but that was written.
  private func written(
    _ source: [UInt8], _ count: Int, _ inPlace: Bool,
    _ body: (UnsafeRawPointer, UnsafeMutableRawPointer) -> Bool
  ) -> [UInt8]? {
    let room = max(source.count, count)
    var place = inPlace ? source : []
    place += [UInt8](repeating: TestKey.guardByte, count: room + 64 - place.count)
    let before = place
    let isDone = place.withUnsafeMutableBytes { place -> Bool in
      guard let start = place.baseAddress else { return false }
      if inPlace { return body(start, start) }
      return (source + [0]).withUnsafeBytes { source in
        guard let source = source.baseAddress else { return false }
        return body(source, start)
      }
    }
    #expect(place[count...] == before[count...], "\(way.testDescription) wrote behind its \(count) bytes")
    return isDone ? Array(place[..<count]) : nil
  }
}
