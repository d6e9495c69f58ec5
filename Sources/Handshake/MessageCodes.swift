//  MessageCodes.swift — the two codes at the end of an initiation and of a response.
//
//  mac1 is keyed with the receiver's public key: who cannot compute it is not answered, so a scan finds nothing. mac2
//  is keyed with a cookie that the receiver, when busy, gives to who can receive at the address that he sends from;
//  without one it is zeros. Both cover all bytes before them.

import Sealing
import Wire

struct MessageCodes {
  let mac1: Int
  var mac2: Int { mac1 + HandshakeHeader.macLength }

  static let initiation = MessageCodes(mac1: Initiation.mac1)
  static let response = MessageCodes(mac1: Response.mac1)

  /// Completes a message whose other bytes are written.
  func seal(
    _ message: inout HandshakeMessage, firstKey: borrowing Secret, cookie: Cookie?, _ cryptography: any Cryptography
  ) {
    let key = unsafe firstKey.bytes
    unsafe message.withMutableBytes { bytes in
      unsafe cryptography.shortCode(
        key: key, [UnsafeRawBufferPointer(bytes.part(0, mac1))], into: bytes.part(mac1, HandshakeHeader.macLength))
      unsafe bytes.part(mac2, HandshakeHeader.macLength).initializeMemory(as: UInt8.self, repeating: 0)
    }
    if let cookie { prove(&message, cookie, cryptography) }
  }

  /// Adds, or renews, the proof that we receive at our address.
  func prove(_ message: inout HandshakeMessage, _ cookie: Cookie, _ cryptography: any Cryptography) {
    unsafe message.withMutableBytes { bytes in
      unsafe cookie.withBytes { key in
        unsafe cryptography.shortCode(
          key: key, [UnsafeRawBufferPointer(bytes.part(0, mac2))], into: bytes.part(mac2, HandshakeHeader.macLength))
      }
    }
  }
}

/// 16 bytes that a busy gateway gives to an address.
struct Cookie: BitwiseCopyable {
  var words: (UInt64, UInt64) = (0, 0)

  func withBytes<Result: ~Copyable>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    unsafe withUnsafeBytes(of: words) { unsafe body($0) }
  }

  mutating func withMutableBytes<Result: ~Copyable>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    unsafe withUnsafeMutableBytes(of: &words) { unsafe body($0) }
  }
}
