//  Asked.swift — the functions of the handshake, for arrays of bytes.

import Sealing
import Testing

@testable import Crypto

struct Asked {
  let cryptography: LibraryCryptography

  init() throws { cryptography = try LibraryCryptography.make() }

  func shared(_ privateKey: [UInt8], _ publicKey: [UInt8]) throws -> [UInt8]? {
    let other = try #require(publicKey.withUnsafeBytes { PublicKey($0) })
    guard let secret = cryptography.sharedSecret(secret(privateKey), other) else { return nil }
    return Array(secret.bytes)
  }

  private func parts<Result>(_ parts: [[UInt8]], _ body: ([UnsafeRawBufferPointer]) -> Result) -> Result {
    let whole = parts.flatMap { $0 }
    return whole.withUnsafeBytes { whole in
      var start = 0
      return body(
        parts.map { part in
          defer { start += part.count }
          return UnsafeRawBufferPointer(rebasing: whole[start..<(start + part.count)])
        })
    }
  }

  private func filled(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> String {
    var place = [UInt8](repeating: 0, count: count)
    place.withUnsafeMutableBytes { body($0) }
    return text(place)
  }

  func hash(_ strings: [UInt8]...) -> String {
    filled(32) { digest in parts(strings) { cryptography.hash($0, into: digest) } }
  }

  func authenticate(key: [UInt8], _ strings: [UInt8]...) -> String {
    filled(32) { code in
      key.withUnsafeBytes { key in parts(strings) { cryptography.authenticate(key: key, $0, into: code) } }
    }
  }

  func shortCode(key: [UInt8], _ strings: [UInt8]...) -> String {
    filled(16) { code in
      key.withUnsafeBytes { key in parts(strings) { cryptography.shortCode(key: key, $0, into: code) } }
    }
  }

  func seal(_ key: [UInt8], _ nonce: UInt64, _ header: [UInt8], _ text: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: text.count + 16)
    parts([header, text]) { parts in
      result.withUnsafeMutableBytes {
        cryptography.seal(key: secret(key), nonce: nonce, header: parts[0], parts[1], into: $0)
      }
    }
    return result
  }

  func open(_ key: [UInt8], _ nonce: UInt64, _ header: [UInt8], _ sealed: [UInt8]) -> [UInt8]? {
    var text = [UInt8](repeating: 0, count: max(0, sealed.count - 16))
    let isOpen = parts([header, sealed]) { parts in
      text.withUnsafeMutableBytes {
        cryptography.open(key: secret(key), nonce: nonce, header: parts[0], parts[1], into: $0)
      }
    }
    return isOpen ? text : nil
  }

  func sealCookie(_ key: [UInt8], _ nonce: [UInt8], _ header: [UInt8], _ text: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: text.count + 16)
    parts([key, nonce, header, text]) { parts in
      result.withUnsafeMutableBytes {
        cryptography.sealCookie(key: parts[0], nonce: parts[1], header: parts[2], parts[3], into: $0)
      }
    }
    return result
  }

  func openCookie(_ key: [UInt8], _ nonce: [UInt8], _ header: [UInt8], _ sealed: [UInt8]) -> [UInt8]? {
    var text = [UInt8](repeating: 0, count: max(0, sealed.count - 16))
    let isOpen = parts([key, nonce, header, sealed]) { parts in
      text.withUnsafeMutableBytes {
        cryptography.openCookie(key: parts[0], nonce: parts[1], header: parts[2], parts[3], into: $0)
      }
    }
    return isOpen ? text : nil
  }
}
