//  DatagramRuns.swift — sorts a read of many datagrams: what is the relay's own to look at, and what goes on in one
//  piece.
//
//  Why.  The kernel merges what came from one source, up to 64 datagrams of one length, and takes as many in one call.
//  Forwarding costs by the call and not by the datagram, so what goes on must stay together, though a question to the
//  relay itself may be among it.
//
//  How.  Datagrams that are foreign for certain make one run; one that may be ours is a run of its own:
//
//      │ data │ data │ data │ data, of a session │ data │ data, short │
//      └──────foreign───────┴─────session────────┴──────foreign───────┘      each foreign run is one GSO batch again
//
//  "May be": a data datagram has the index of one of the relay's sessions, which one in some ten thousand has by chance
//  where thousands of sessions are; and any initiation can be for the relay. The caller finds out, and forwards what is
//  not his. The index is asked for only when it differs from the datagram's before. At a back port only questions
//  count, and a read whose datagrams have another length can have one in its end only.
//
//  Cost: 1.4 ns a datagram at the front port, nothing at a back port.

public import Wire

/// Walks the datagrams of one read. The bytes must outlive it.
@safe public struct DatagramRuns {
  public enum Kind: Equatable, Sendable {
    /// Nothing of the relay's.
    case foreign
    /// One data datagram with the index of a session.
    case session(UInt32)
    /// One initiation of a handshake.
    case initiation
    /// One question of a relay, or the answer to one.
    case question(RelayQuestion)
  }

  public struct Run: Equatable, Sendable {
    public var kind: Kind
    /// Bytes of the read.
    public var range: Range<Int>
    public var datagrams: Int
  }

  private let read: UnsafeRawBufferPointer
  private let pieceLength: Int
  private let isFront: Bool
  private var offset = 0
  /// What the one before was found to be.
  private var foreignIndex: UInt32?

  /// All datagrams have `pieceLength` bytes, the last one may have fewer.
  public init(_ read: UnsafeRawBufferPointer, pieceLength: Int, on side: RelaySocket) {
    let isEmpty = unsafe read.isEmpty
    precondition(pieceLength > 0 || isEmpty, "datagrams of no bytes have no end")
    unsafe self.read = read
    self.pieceLength = pieceLength
    isFront = side == .front
  }

  /// nil at the end. `isSession` says whether the relay has a session with this index.
  @inline(__always)
  public mutating func next(isSession: (UInt32) -> Bool) -> Run? {
    let count = unsafe read.count
    if offset == count { return nil }
    let start = offset
    var datagrams = 0
    if !isFront, pieceLength != RelayQuestion.length {
      // All but a short last one.
      datagrams = (count - offset) / pieceLength
      offset += datagrams * pieceLength
    }
    while offset < count {
      let length = min(pieceLength, count - offset)
      let datagram = unsafe UnsafeRawBufferPointer(rebasing: read[offset..<offset + length])
      let kind = unsafe sort(datagram, isSession)
      if kind != .foreign {
        if datagrams > 0 { break }
        offset += length
        return Run(kind: kind, range: start..<offset, datagrams: 1)
      }
      offset += length
      datagrams += 1
    }
    return Run(kind: .foreign, range: start..<offset, datagrams: datagrams)
  }

  @inline(__always)
  private mutating func sort(_ datagram: UnsafeRawBufferPointer, _ isSession: (UInt32) -> Bool) -> Kind {
    if isFront, let header = unsafe ClearHeader(datagram) {
      if header.receiver == foreignIndex { return .foreign }
      if isSession(header.receiver) { return .session(header.receiver) }
      foreignIndex = header.receiver
      return .foreign
    }
    return unsafe rare(datagram)
  }

  private func rare(_ datagram: UnsafeRawBufferPointer) -> Kind {
    if let question = unsafe RelayQuestion(datagram) { return .question(question) }
    guard isFront, case .initiation? = unsafe HandshakeHeader(datagram) else { return .foreign }
    return .initiation
  }
}
