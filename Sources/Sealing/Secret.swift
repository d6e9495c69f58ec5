//  Secret.swift — bytes that nobody may see, and that are gone when nobody needs them.
//
//  A value of this type cannot be copied by accident and is wiped before its memory goes back. What is computed from
//  it in passing belongs to the library that computes; what is kept is kept here.

/// 32 bytes: a private key, a chaining key, a key of a session.
@safe public struct Secret: ~Copyable, Sendable {
  public static let length = 32

  @usableFromInline nonisolated(unsafe) let storage: UnsafeMutableRawPointer

  /// Zeros, to be filled by whoever computes the secret.
  public init() {
    unsafe storage = UnsafeMutableRawPointer.allocate(byteCount: Secret.length, alignment: 16)
    unsafe storage.initializeMemory(as: UInt8.self, repeating: 0, count: Secret.length)
  }

  /// A second secret with the same bytes. To copy must be a decision.
  public init(copying other: borrowing Secret) {
    self.init()
    unsafe storage.copyMemory(from: other.storage, byteCount: Secret.length)
  }

  /// From 32 bytes; nil when they are more or fewer. The caller's bytes remain his to wipe.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Secret.length, let start = bytes.baseAddress else { return nil }
    self.init()
    unsafe storage.copyMemory(from: start, byteCount: Secret.length)
  }

  deinit {
    unsafe wipe(UnsafeMutableRawBufferPointer(start: storage, count: Secret.length))
    unsafe storage.deallocate()
  }

  public var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: storage, count: Secret.length)
  }

  public mutating func withMutableBytes<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeMutableRawBufferPointer(start: storage, count: Secret.length))
  }
}

/// Overwrites bytes for good: no optimiser looks into it, so none can find that nobody reads them again.
@inline(never) @_optimize(none)
public func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
  unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
}

/// Whether two strings of bytes of one length are the same, in a time that does not depend on where they differ.
@inline(never)
public func isEqualInConstantTime(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
  guard one.count == other.count else { return false }
  var difference: UInt8 = 0
  for index in one.indices { unsafe difference |= one[index] ^ other[index] }
  return difference == 0
}
