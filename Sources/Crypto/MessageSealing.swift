//  MessageSealing.swift — ChaCha20-Poly1305 for the few messages of a handshake and for cookies, each under a key of
//  its own, so nothing is worth keeping between them.

import COpenSSL
public import Sealing

struct MessageSealing: Sendable {
  private let cipher: Algorithm

  init() throws(CryptographyFailure) { cipher = try Algorithm.cipher("ChaCha20-Poly1305") }

  fileprivate func seal(
    _ key: UnsafeRawBufferPointer, _ nonce: UnsafeRawPointer, _ header: UnsafeRawBufferPointer,
    _ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) {
    precondition(result.count == text.count + SealingKey.tagLength, "what is sealed is 16 bytes longer")
    guard let place = result.baseAddress else { return }
    let isSealed = withContext(key) { context in
      hawser_openssl_seal(
        context, nonce, header.baseAddress ?? nonce, header.count, text.baseAddress ?? nonce, text.count, place)
    }
    precondition(isSealed == 1, "OpenSSL always seals")
  }

  fileprivate func open(
    _ key: UnsafeRawBufferPointer, _ nonce: UnsafeRawPointer, _ header: UnsafeRawBufferPointer,
    _ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let length = sealed.count - SealingKey.tagLength
    guard length >= 0, let start = sealed.baseAddress else { return false }
    precondition(text.count == length, "what is opened is 16 bytes shorter")
    let isOpen = withContext(key) { context in
      // Nothing is written to the place of an empty text.
      let place = text.baseAddress ?? context
      return hawser_openssl_open(context, nonce, header.baseAddress ?? nonce, header.count, start, length, place)
    }
    return isOpen == 1
  }

  /// A key context for this time only.
  private func withContext(_ key: UnsafeRawBufferPointer, _ body: (UnsafeMutableRawPointer) -> Int32) -> Int32 {
    guard let secret = Secret(key) else { preconditionFailure("a key has 32 bytes") }
    let context = KeyContext.make(sealing: secret, with: cipher, masking: secret, with: nil)
    defer { KeyContext.destroy(context) }
    return body(context)
  }
}

extension LibraryCryptography {
  public func seal(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer,
    into result: UnsafeMutableRawBufferPointer
  ) {
    var nonce = Nonce(counter: nonce)
    messages.seal(key.bytes, &nonce, header, text, into: result)
  }

  public func open(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ sealed: UnsafeRawBufferPointer,
    into text: UnsafeMutableRawBufferPointer
  ) -> Bool {
    var nonce = Nonce(counter: nonce)
    return messages.open(key.bytes, &nonce, header, sealed, into: text)
  }

  public func sealCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) {
    guard let start = nonce.baseAddress, nonce.count == 12 else { preconditionFailure("a nonce has 12 bytes") }
    messages.seal(key, start, header, text, into: result)
  }

  public func openCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let start = nonce.baseAddress, nonce.count == 12 else { preconditionFailure("a nonce has 12 bytes") }
    return messages.open(key, start, header, sealed, into: text)
  }
}
