//  Engine.swift — a whole gateway without a single system call: packets and datagrams in, datagrams and packets out.
//
//  Why.  Everything that a gateway decides is here, and nothing that it touches: so two of them and the network between
//  run in one test, from a seed, and the program that drives real descriptors is thin.
//
//  How.  One turn of the loop that drives it:
//
//      packet(…)    for each packet that the virtual NIC brought       flow ─▶ plan ─▶ the flow's queue
//      receive(…)   for each read of a socket                          session ─▶ opened into its segment ─▶ in order
//      flush(…)     once                                               queues ─▶ segments ─▶ parts ─▶ sealed batches
//      nextBatch / nextDelivery / nextFreeBuffer / nextEvent           what the driver has to do now
//      deadline, expire(at:)                                           when nothing else happens
//
//  The memory of all that is handed in once; a turn allocates nothing. A batch or a delivery belongs to the driver until
//  he gives it back (`sent`, `written`); a packet's buffer comes back through `nextFreeBuffer`, usually in the same turn.
//
//  The folders are the picture of a virtual stack: Analysis looks at a packet, Decision chooses its flow's stack, Flows
//  remembers flows and what waits in them, Stacks carries; Peers knows the other side, Control tells what is going on.
//
//  Always true.  (1) What arrives from outside ends in a verdict and a counter. (2) Everything that waits is bounded:
//  packets by their buffers, datagrams by batches, segments by the resequencer's memory.

import Handshake
public import Packets
public import Primitives
public import Resequencer
public import Sealing
import Striper
import Wire

public struct Engine: ~Copyable {
  /// Where its data lives. All of it is touched only as far as it is used.
  public struct Memory {
    /// 64 KiB for each batch.
    public var batches: UnsafeMutableRawBufferPointer
    /// Segments that wait for the rest of them, or for the one before.
    public var segments: UnsafeMutableRawBufferPointer
    public var flows: UnsafeMutableRawBufferPointer

    public init(
      batches: UnsafeMutableRawBufferPointer, segments: UnsafeMutableRawBufferPointer,
      flows: UnsafeMutableRawBufferPointer
    ) {
      self.batches = batches
      self.segments = segments
      self.flows = flows
    }
  }

  // The other side.
  var peers: FixedArray<Peer>
  var sessions: Sessions
  var peerOfKey: [PublicKey: Int]
  var peerOfLanes: [Int]
  var gatekeeper: Gatekeeper
  let identity: Identity
  let cryptography: any Cryptography
  let incarnation: UInt64
  let localPaths: [LocalPath]

  // What is on its way.
  var batches: SendBatches
  var resequencer: Resequencer
  var draft = SegmentDraft()
  let masks: UnsafeMutableRawPointer
  static let mostMasks = 128

  /// Paths with an open batch: at most one entry for each.
  var openBatches: RingBuffer<OpenBatch>
  struct OpenBatch: BitwiseCopyable {
    var peer: UInt32
    var place: UInt8
  }

  var timers: DeadlineQueue
  public internal(set) var counters = Counters()

  deinit { masks.deallocate() }
}
