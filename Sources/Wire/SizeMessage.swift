//  SizeMessage.swift — does a datagram of this size get through?
//
//      0      1      2      4      8       16                          size − 44
//      │ kind │ zero │ size │ zero │ mark  │ padding of zeros …        │
//      └──────┴──────┴──────┴──────┴───────┴───────────────────────────┘
//
//  A question is padded until its datagram has the size that it asks for (UDP payload, with all that is ours in it), so
//  it is the last message of its text. An answer has 16 bytes and brings size and mark back, on the same path: the mark
//  is the asker's clock, so he need not remember what he asked.
//
//  The padding is skipped and never looked at: that so many bytes came, and which, is what the seal says. A question
//  whose datagram has another size than it says is none.

public struct SizeMessage: Equatable, Sendable, BitwiseCopyable {
  /// Of an answer, and of a question without its padding.
  public static let length = 16

  public var isAnswer: Bool
  /// Of the whole datagram of the question.
  public var size: UInt16
  public var mark: UInt64

  public static func question(_ size: UInt16, mark: UInt64) -> SizeMessage {
    SizeMessage(isAnswer: false, size: size, mark: mark)
  }

  /// To a question that arrived.
  public var answer: SizeMessage { SizeMessage(isAnswer: true, size: size, mark: mark) }

  public init(isAnswer: Bool, size: UInt16, mark: UInt64) {
    self.isAnswer = isAnswer
    self.size = size
    self.mark = mark
  }

  /// Bytes that it takes as the last message of a text that has so many before it; nil when they are fewer than the
  /// message needs.
  public func length(after written: Int) -> Int? {
    if isAnswer { return SizeMessage.length }
    let length = Int(size) - DataHeader.overhead - written
    return length >= SizeMessage.length ? length : nil
  }

  /// Without padding; there are at least `length` bytes.
  init(_ text: UnsafeRawBufferPointer, isAnswer: Bool) {
    self.isAnswer = isAnswer
    size = unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    mark = unsafe UInt64(littleEndian: text.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  /// Writes it with its padding.
  func write(to bytes: UnsafeMutableRawPointer, length: Int) {
    let kind = isAnswer ? ControlKind.sizeAnswer : ControlKind.sizeQuestion
    let head = UInt64(kind.rawValue) | UInt64(size) << 16
    unsafe bytes.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: mark.littleEndian, toByteOffset: 8, as: UInt64.self)
    unsafe (bytes + SizeMessage.length).initializeMemory(
      as: UInt8.self, repeating: 0, count: length - SizeMessage.length)
  }
}
