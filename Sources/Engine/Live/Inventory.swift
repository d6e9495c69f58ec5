//  Inventory.swift — how much of everything is in use, for who wants to know whether it comes back.

import PathHealth
import Primitives

extension Engine {
  public struct Inventory: Equatable, Sendable {
    /// Parts that wait for a path.
    public var parts: Int
    /// Segments that are not settled, or not released yet.
    public var shipments: Int
    /// Batches that were sent and not reported.
    public var runs: Int
    /// Peers with lanes.
    public var laneSets: Int
    /// Places of peers and relays, also those that nobody has: they are used again.
    public var places: Int
    /// Sockets that somebody has, or that are not closed yet.
    public var sockets: Int
    public var sessions: Int
  }

  public var inventory: Inventory {
    Inventory(
      parts: PartQueues.mostParts - 1 - parts.freeCount, shipments: shipments.count, runs: runs.inUse,
      laneSets: peers.indices.count { peers[$0].laneSet != nil }, places: peers.count,
      sockets: localPlaces.used.nonzeroBitCount, sessions: (0..<sessions.count).count { sessions.isInUse($0) })
  }
}
