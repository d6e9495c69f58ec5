//  LinkOutcome.swift — what a link says of each packet, at its entrance and at its exit, and how it counts.
//
//  Of what a link accepted, each packet is at any time delivered, lost or inside:
//
//      accepted == (delivered - duplicated) + lostByChance + cut + held

public import Primitives

extension Link {
  /// What became of a packet at the entrance.
  public enum Verdict: Equatable, Sendable {
    case queued
    /// The queue has no room.
    case queueFull
    /// Larger than the link's MTU.
    case tooBig
    case down
    /// More is in flight than `flightLimit`: a link without a rate must still be bounded.
    case flooded
  }

  public enum Outcome: Equatable, Sendable {
    /// Hand this packet over. `corruption`, when there is one, is a random number that says which bit to flip. The slot
    /// is the caller's again when `isLast`; before that, the same slot comes once more as a duplicate.
    case delivered(slot: UInt32, due: Instant, isLast: Bool, corruption: UInt64?)
    /// Gone; the slot is the caller's again.
    case lost(slot: UInt32, at: Instant, reason: Loss)
  }

  public enum Loss: Equatable, Sendable {
    case chance
    /// It was in the queue or in flight when the link went down.
    case cut
  }

  public struct Counters: Equatable, Sendable {
    public var accepted: UInt64 = 0
    /// Bytes that left the line, those of packets that were lost afterwards included: what used up the rate.
    public var carriedBytes: UInt64 = 0
    public var delivered: UInt64 = 0
    public var deliveredBytes: UInt64 = 0
    public var duplicated: UInt64 = 0
    public var corrupted: UInt64 = 0
    // Why a packet did not come out, one field for each reason.
    public var queueFull: UInt64 = 0
    public var tooBig: UInt64 = 0
    public var down: UInt64 = 0
    public var flooded: UInt64 = 0
    public var lostByChance: UInt64 = 0
    public var cut: UInt64 = 0

    public init() {}
  }
}
