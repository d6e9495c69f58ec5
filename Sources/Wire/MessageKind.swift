//  MessageKind.swift — the first byte of everything that we send over UDP: format version and what follows.

/// High half: version of the format. Low half: the kind of message.
public enum MessageKind: UInt8, Sendable {
  case initiation = 0x11
  case response = 0x12
  case cookieReply = 0x13
  case data = 0x14
  case relayQuestion = 0x15

  public static let version: UInt8 = 1
}
