//  HandshakeMessage.swift — a message that wants to be sent, with its bytes inside: it is copied, queued and repeated
//  without an allocation.

import Wire

public struct HandshakeMessage: Sendable {
  /// Room for the longest kind.
  private var storage: InlineArray<168, UInt8>
  public private(set) var count: Int
  /// It goes back to where the question came from, whatever else is known of the peer's addresses.
  public var isAnswer: Bool

  init(_ header: HandshakeHeader, isAnswer: Bool) {
    storage = InlineArray(repeating: 0)
    count = header.length
    self.isAnswer = isAnswer
    unsafe withMutableBytes { bytes in
      if let start = bytes.baseAddress { unsafe header.write(to: start) }
    }
  }

  public func withBytes<Result: ~Copyable>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    unsafe withUnsafeBytes(of: storage) { unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }

  mutating func withMutableBytes<Result: ~Copyable>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    let count = count
    return unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe body(UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
    }
  }
}

extension UnsafeRawBufferPointer {
  /// The bytes from here on, so many.
  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: self[offset..<offset + count])
  }
}

extension UnsafeMutableRawBufferPointer {
  func part(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: self[offset..<offset + count])
  }
}
