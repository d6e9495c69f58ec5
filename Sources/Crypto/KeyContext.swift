//  KeyContext.swift — the memory of one key of datagrams.
//
//  Why.  The engine holds a pointer and nothing else; what is behind it differs between libraries, but how it begins
//  does not, so that one function masks for all of them and one destroys whatever there is.
//
//      0                                128                         size
//      │ size, mask, OpenSSL's cipher   │ the part of the library   │      aligned to 64, a line of the cache
//
//  Always true.  (1) One thread at a time uses a key: every library keeps the state of a call in it. (2) All of it is
//  wiped before it goes back; OpenSSL wipes what it allocated itself.

import COpenSSL
import Sealing

enum KeyContext {
  /// Room for OpenSSL's part, and for as many bytes of another library.
  static func make(
    sealing: borrowing Secret, with cipher: Algorithm?, masking: borrowing Secret, with mask: Algorithm?,
    further: Int = 0
  ) -> UnsafeMutableRawPointer {
    let size = Int(hawser_key_size) + further
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    let key = memory.bindMemory(to: hawser_key.self, capacity: 1)
    key.pointee.size = size
    if let mask { key.pointee.mask = keyed(mask, masking) }
    if let cipher {
      key.pointee.cipher = keyed(cipher, sealing)
      hawser_key_name_tag(key)
    }
    return memory
  }

  static func destroy(_ memory: UnsafeMutableRawPointer) {
    let key = memory.assumingMemoryBound(to: hawser_key.self)
    EVP_CIPHER_CTX_free(key.pointee.mask)
    EVP_CIPHER_CTX_free(key.pointee.cipher)
    OPENSSL_cleanse(memory, key.pointee.size)
    memory.deallocate()
  }

  private static func keyed(_ cipher: Algorithm, _ secret: borrowing Secret) -> OpaquePointer {
    let context = EVP_CIPHER_CTX_new()
    let start = secret.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let context, EVP_EncryptInit_ex2(context, cipher.pointer, start, nil, nil) > 0 else {
      preconditionFailure("OpenSSL took no key; there must have been no memory")
    }
    EVP_CIPHER_CTX_set_padding(context, 0)
    return context
  }

  static let maskAES: SealingKey.Mask = { context, samples, count, masks in
    precondition(hawser_openssl_mask_aes(context, samples, count, masks) == 1, "OpenSSL always masks whole blocks")
  }

  static let maskChaCha20: SealingKey.Mask = { context, samples, count, masks in
    precondition(hawser_openssl_mask_chacha(context, samples, count, masks) == 1, "OpenSSL always masks")
  }
}

/// The 12 bytes that no two datagrams under one key share: a path, three zeros, the path's counter (little-endian).
struct Nonce: BitwiseCopyable {
  private var words: (UInt32, UInt32, UInt32)

  @inline(__always)
  init(path: UInt8 = 0, counter: UInt64) {
    words = (
      UInt32(path).littleEndian, UInt32(truncatingIfNeeded: counter).littleEndian,
      UInt32(truncatingIfNeeded: counter >> 32).littleEndian
    )
  }
}
