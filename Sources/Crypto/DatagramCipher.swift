//  DatagramCipher.swift — one way to seal datagrams: a suite as one library does it.
//
//  Why.  There are two libraries and two suites, and which is the fastest depends on the processor. What differs is
//  here: how a key is prepared, and two functions.
//
//  How.  Each way has `seal` and `open` with any nonce and a header of any length; the functions of a `SealingKey` call
//  them with the nonce made of path and counter, and 28 bytes. So published test vectors run through the same code as
//  datagrams. Inside of these functions nothing is allocated, retained or compared but the lengths and the tag.

import Sealing

struct DatagramCipher: Sendable {
  /// (context, nonce, header, its length, source, length of the text, destination)
  typealias SealAny =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeRawPointer, Int, UnsafeRawPointer, Int, UnsafeMutableRawPointer
    ) -> Void
  typealias OpenAny =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeRawPointer, Int, UnsafeRawPointer, Int, UnsafeMutableRawPointer
    ) -> Bool

  let suite: CipherSuite
  /// The library and its version, as `hawser status` shows them.
  let library: String
  let seal: SealingKey.Seal
  let open: SealingKey.Open
  let mask: SealingKey.Mask
  let sealAny: SealAny
  let openAny: OpenAny
  /// From the secrets for datagrams and for headers.
  let expand: @Sendable (borrowing Secret, borrowing Secret) -> UnsafeMutableRawPointer
}
