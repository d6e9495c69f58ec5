//  HandshakeMessages.swift — the three messages that make a session, byte by byte. What the sealed parts mean is known
//  to `Handshake` only; here is where they lie.
//
//      initiation    0      1       4        8           40              88               136    152    168
//                    │ kind │ zeros │ sender │ ephemeral │ static, sealed │ payload, sealed │ mac1 │ mac2 │
//      response      0      1       4        8          12          44                76     92     108
//                    │ kind │ zeros │ sender │ receiver │ ephemeral │ payload, sealed │ mac1 │ mac2 │
//      cookie reply  0      1       4          8       20               52
//                    │ kind │ zeros │ receiver │ nonce │ cookie, sealed │
//
//  Why.  Each kind has one length, so a length tells nobody anything and every offset is a constant. Each answer is
//  shorter than its question, so nobody can use a gateway to multiply a flood.
//
//  `sender` and `receiver` are session indices: a number that a gateway makes up for its own look-up, and that the
//  other one puts into everything that it sends. mac1 proves that the sender knows whom he talks to, mac2 that he can
//  receive at the address that he sends from; both are zero-allocation checks before any curve is touched.
//
//  All numbers are little-endian.

public enum Initiation {
  public static let length = 168
  public static let sender = 4
  public static let ephemeral = 8
  public static let sealedStatic = 40
  public static let sealedPayload = 88
  public static let mac1 = 136
  public static let mac2 = 152
}

public enum Response {
  public static let length = 108
  public static let sender = 4
  public static let receiver = 8
  public static let ephemeral = 12
  public static let sealedPayload = 44
  public static let mac1 = 76
  public static let mac2 = 92
}

public enum CookieReply {
  public static let length = 52
  public static let receiver = 4
  public static let nonce = 8
  public static let nonceLength = 12
  public static let sealedCookie = 20
  public static let cookieLength = 16
}

/// What anyone can read of such a message. Nothing of it is authentic.
public enum HandshakeHeader: Equatable, Sendable {
  case initiation(sender: UInt32)
  case response(sender: UInt32, receiver: UInt32)
  case cookieReply(receiver: UInt32)

  /// The longest of the three.
  public static let mostLength = Initiation.length
  public static let macLength = 16

  /// nil when it is none of the three, has another length than its kind, or has bits where zeros belong.
  @inlinable public init?(_ message: UnsafeRawBufferPointer) {
    guard message.count >= 8 else { return nil }
    // Kind and the three zeros in one comparison.
    let first = unsafe UInt32(littleEndian: message.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    let second = unsafe UInt32(littleEndian: message.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    switch (first, message.count) {
    case (UInt32(MessageKind.initiation.rawValue), Initiation.length):
      self = .initiation(sender: second)
    case (UInt32(MessageKind.response.rawValue), Response.length):
      let receiver = unsafe message.loadUnaligned(fromByteOffset: Response.receiver, as: UInt32.self)
      self = .response(sender: second, receiver: UInt32(littleEndian: receiver))
    case (UInt32(MessageKind.cookieReply.rawValue), CookieReply.length):
      self = .cookieReply(receiver: second)
    default:
      return nil
    }
  }

  @inlinable public func write(to message: UnsafeMutableRawPointer) {
    let words: (kind: MessageKind, second: UInt32) =
      switch self {
      case .initiation(let sender): (.initiation, sender)
      case .response(let sender, _): (.response, sender)
      case .cookieReply(let receiver): (.cookieReply, receiver)
      }
    unsafe message.storeBytes(of: UInt32(words.kind.rawValue).littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe message.storeBytes(of: words.second.littleEndian, toByteOffset: 4, as: UInt32.self)
    if case .response(_, let receiver) = self {
      unsafe message.storeBytes(of: receiver.littleEndian, toByteOffset: Response.receiver, as: UInt32.self)
    }
  }

  /// Of a message of this kind.
  @inlinable public var length: Int {
    switch self {
    case .initiation: Initiation.length
    case .response: Response.length
    case .cookieReply: CookieReply.length
    }
  }
}
