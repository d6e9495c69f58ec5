//  Verdict.swift — what became of a datagram, and of the bytes that were held.

/// What became of a datagram. Whatever a peer may send, one of them is the answer.
public enum Verdict: UInt8, CaseIterable, Sendable {
  /// In its place.
  case accepted
  /// All its bytes are there already.
  case duplicate
  /// Some of its bytes are there already: no honest sender cuts twice in different ways.
  case overlapping
  /// Its segment has been released or given up.
  case late
  /// It does not agree with the other datagrams of its segment about length, segment size or checksums.
  case contradiction
  /// Its segment is longer than any may be.
  case tooLong
  /// It reaches beyond the end of its segment.
  case outside
  /// No bytes, or a segment without any.
  case empty
  /// Its segment has more holes than we count.
  case fragmented
  /// Its lane set has as much memory as it may.
  case full
  /// A lane or a flag that does not exist.
  case unknown
  /// Its resume record is none.
  case badRecord
  /// The lane set was closed.
  case closed
}

/// Why a hole was not waited for any longer.
public enum GiveUpReason: UInt8, CaseIterable, Sendable {
  /// Every path has delivered something that was sent later.
  case proof
  case patience
  /// The sender is further ahead than the window reaches.
  case overrun
  /// The memory was needed.
  case memory
}

extension Resequencer {
  public struct Counters: Equatable, Sendable {
    public var accepted: UInt64 = 0
    public var duplicate: UInt64 = 0
    public var overlapping: UInt64 = 0
    public var late: UInt64 = 0
    public var contradiction: UInt64 = 0
    public var tooLong: UInt64 = 0
    public var outside: UInt64 = 0
    public var empty: UInt64 = 0
    public var fragmented: UInt64 = 0
    public var full: UInt64 = 0
    public var unknown: UInt64 = 0
    public var badRecord: UInt64 = 0
    public var closed: UInt64 = 0

    /// Packets handed out, super-packets as one; a UDP bundle as its packets.
    public var deliveredPackets: UInt64 = 0
    /// Theirs, as they were sent.
    public var deliveredBytes: UInt64 = 0
    /// Writes.
    public var deliveries: UInt64 = 0
    /// Released, complete or not.
    public var segments: UInt64 = 0
    /// Datagrams that a congested router had marked; packets in them are marked when their senders understand it.
    /// Others pass unchanged: our own control of the path has seen the mark.
    public var congested: UInt64 = 0

    /// Missing ranges of segments that had begun to arrive, and segments of which nothing came, by what ended the wait.
    public var holesByProof: UInt64 = 0
    public var holesByPatience: UInt64 = 0
    public var holesByOverrun: UInt64 = 0
    public var holesByMemory: UInt64 = 0

    /// Never came, of segments that had begun to arrive.
    public var missingBytes: UInt64 = 0
    /// Came, and could not be delivered since something around it was missing.
    public var strandedBytes: UInt64 = 0
    /// Of packets around a hole, delivered although not all of the packet came.
    public var salvagedBytes: UInt64 = 0
    /// Packets whose header we know and of which not all was delivered.
    public var damagedPackets: UInt64 = 0
    /// Dropped because they are no IP packets.
    public var malformedBytes: UInt64 = 0

    public init() {}

    /// All holes that were not waited for.
    public var holes: UInt64 { holesByProof + holesByPatience + holesByOverrun + holesByMemory }

    public func count(of verdict: Verdict) -> UInt64 {
      switch verdict {
      case .accepted: accepted
      case .duplicate: duplicate
      case .overlapping: overlapping
      case .late: late
      case .contradiction: contradiction
      case .tooLong: tooLong
      case .outside: outside
      case .empty: empty
      case .fragmented: fragmented
      case .full: full
      case .unknown: unknown
      case .badRecord: badRecord
      case .closed: closed
      }
    }

    mutating func note(_ verdict: Verdict) {
      switch verdict {
      case .accepted: accepted += 1
      case .duplicate: duplicate += 1
      case .overlapping: overlapping += 1
      case .late: late += 1
      case .contradiction: contradiction += 1
      case .tooLong: tooLong += 1
      case .outside: outside += 1
      case .empty: empty += 1
      case .fragmented: fragmented += 1
      case .full: full += 1
      case .unknown: unknown += 1
      case .badRecord: badRecord += 1
      case .closed: closed += 1
      }
    }

    mutating func note(_ reason: GiveUpReason, holes: Int) {
      switch reason {
      case .proof: holesByProof += UInt64(holes)
      case .patience: holesByPatience += UInt64(holes)
      case .overrun: holesByOverrun += UInt64(holes)
      case .memory: holesByMemory += UInt64(holes)
      }
    }
  }
}
