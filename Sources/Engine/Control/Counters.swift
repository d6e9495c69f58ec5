//  Counters.swift — one number for everything that the engine refuses, by reason.

public struct Counters: Sendable {
  public enum Verdict: Int, CaseIterable, Sendable {
    /// No message of our format.
    case malformed
    /// Names a session that does not exist.
    case stranger
    /// Seen before, or too old to say.
    case replayed
    /// Segments of a session whose other side has not shown itself yet.
    case unproven
    /// Was not sealed with the session's key.
    case forged
    /// A name for a path that is not the other side's to give.
    case foreignPath
    /// Both sides have found the path, and ours stays.
    case twinPath
    /// A path more than a peer may have.
    case tooManyPaths
    /// A report about a path that we do not have (any more).
    case unknownReport
    /// Wishes about such a path.
    case unknownTerms
    /// A gateway that nobody configured.
    case unknownPeer
    /// As many flows as may be, and all of them busy.
    case tooManyFlows
    /// As many packets wait as may, of this flow or of all.
    case queueFull
    /// The packet's destination belongs to no peer.
    case noRoute
    /// The peer has no session yet.
    case noSession
    /// No path of the peer is up.
    case noPath
    /// An inner packet from an address that is not the peer's.
    case foreignSource
    /// No batch was free: the kernel takes our datagrams more slowly than they come.
    case noBatch
    /// The answer to a question for a size that nobody asked, or that is not asked any more.
    case oddSize
    /// Full datagrams did not arrive any more, and small ones did.
    case blackHole
    /// Our own interface takes no datagrams of that size any more.
    case tooLarge
    /// Pieces of segments that were lost and sent again, and those that it was too late for.
    case repaired
    case unrepaired
    /// Parts that waited for a path that became much slower than others, and went over one of those.
    case moved
    /// Segments that were sent over a second path as well, and pieces of parity.
    case copied
    case parity
    /// Segments of which copies were sent to try a path.
    case tried
    /// Pieces of parity whose path had no room.
    case omitted
    /// Segments of a protected class that went without: too long, no second path, or more lanes than have room.
    case unprotected
    /// Genuine datagrams whose bytes were there already, or are not waited for any more: second copies, mostly.
    case needless
    /// Datagrams that were lost and came out of parity.
    case rebuilt
    /// A relay's answer to what nobody asked.
    case oddGrant
    /// A peer shall be reached over more relays than there are sockets for.
    case noSlot
    /// It came by a socket that is closed meanwhile.
    case closedSocket
    /// The kernel refused a send.
    case unsent
    /// The virtual NIC refused a packet.
    case unwritten
    /// More happened than the log can take.
    case unreported
  }

  private var values = InlineArray<48, UInt64>(repeating: 0)

  public init() {}

  public subscript(verdict: Verdict) -> UInt64 { values[verdict.rawValue] }

  @inline(__always)
  mutating func count(_ verdict: Verdict, times: Int = 1) { values[verdict.rawValue] &+= UInt64(times) }
}
