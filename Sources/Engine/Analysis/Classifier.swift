//  Classifier.swift — what a packet from the virtual NIC is: whose flow, how urgent, fit for which segment, or why not.
//
//      offload header + packet ─▶ whole? ─▶ PacketView ─▶ one destination? ─▶ describable? ─▶ Classification
//                                   │           │               │                │
//                                tooShort    malformed      multicast,      finished here, or
//                                                           broadcast       unknownOffload
//
//  Urgent is what somebody waits for, and what costs others nothing to let pass: the packets that open, acknowledge and
//  close a connection, questions to name servers, pings, and all that is small (a call's frame, a keystroke). Urgency
//  is never a matter of order: within its flow a packet stays where it is, see FlowQueues.
//
//  Fragments of one packet belong together, but only the first says its ports. So a fragment's flow has none: all
//  fragments between two addresses are one flow for each protocol. (An IPv6 packet whose fragments begin with further
//  extension headers may be spread over two; they are sorted out where they are put together.)
//
//  A checksum in an unusual place (of a packet within a packet, as VXLAN has it) cannot be described in the 16 bytes
//  that travel with a datagram; it is finished here, and the packet travels as a plain one.
//
//  Not here.  Flows, rules, and whether the destination belongs to anyone.

import Packets
import Primitives

struct Classification: BitwiseCopyable {
  let view: PacketView
  /// Of the flow: the packet's, but for fragments.
  let key: FiveTuple
  /// Of the pieces of a super-packet; 0 when it is none.
  let segmentSize: UInt16
  let needsChecksum: Bool
  let isUrgent: Bool

  @inline(__always) var length: Int { view.totalLength }
  @inline(__always) var facts: FlowFacts { FlowFacts(key, dscp: view.dscp, length: view.totalLength) }

  /// What this packet changes about how long its flow may be silent; nil: nothing.
  @inline(__always) var changedRest: FlowTable.Rest? {
    if view.tcpFlags.isDisjoint(with: [.syn, .fin, .rst]) { return nil }
    return view.tcpFlags.isDisjoint(with: [.fin, .rst]) ? .long : .closing
  }
}

struct Classifier: ~Copyable {
  /// A call's frame (20 ms of G.711) has 200 bytes with its headers, a game's tick less. Much more, and bulk flows with
  /// small packets would all be urgent, so that nothing is.
  static let mostSmallLength = 256

  struct Counters: Equatable, Sendable {
    var classified: UInt64 = 0
    /// Of these, without ports of their own.
    var fragments: UInt64 = 0
    /// Not even an offload header.
    var tooShort: UInt64 = 0
    /// No IP packet that we carry; `PacketView.Defect` by number.
    var malformed = InlineArray<8, UInt64>(repeating: 0)
    /// Of those malformed, carried as they are.
    var unreadable: UInt64 = 0
    /// For a group: there is no tree of gateways to send it along.
    var multicast: UInt64 = 0
    var broadcast: UInt64 = 0
    /// A kind of super-packet that we cannot describe to the far side.
    var unknownOffload: UInt64 = 0

    var malformedSum: UInt64 { malformed.indices.reduce(0) { $0 + malformed[$1] } }

    static func == (a: Counters, b: Counters) -> Bool {
      a.classified == b.classified && a.fragments == b.fragments && a.unreadable == b.unreadable
        && a.tooShort == b.tooShort
        && a.multicast == b.multicast && a.broadcast == b.broadcast && a.unknownOffload == b.unknownOffload
        && a.malformed.indices.allSatisfy { a.malformed[$0] == b.malformed[$0] }
    }
  }

  private(set) var counters = Counters()

  /// `frame`: an offload header, and the packet behind it. nil when it is refused, and counted. The packet changes only
  /// when its checksum has to be finished here.
  @inline(__always)
  mutating func classify(_ frame: UnsafeMutableRawBufferPointer) -> Classification? {
    guard let offload = OffloadHeader(UnsafeRawBufferPointer(frame)) else {
      counters.tooShort += 1
      return nil
    }
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    let view: PacketView
    do throws(PacketView.Defect) { view = try PacketView(packet) } catch {
      counters.malformed[Int(error.rawValue)] += 1
      return nil
    }
    if view.isMulticast {
      counters.multicast += 1
      return nil
    }
    if view.isLimitedBroadcast {
      counters.broadcast += 1
      return nil
    }
    guard let described = SuperPacket.describe(offload, view) ?? finish(frame, offload) else {
      counters.unknownOffload += 1
      return nil
    }
    counters.classified += 1
    var key = view.tuple
    if view.isFragment {
      counters.fragments += 1
      key.sourcePort = 0
      key.destinationPort = 0
    }
    return Classification(
      view: view, key: key, segmentSize: UInt16(truncatingIfNeeded: described.segmentSize),
      needsChecksum: described.needsChecksum,
      isUrgent: described.segmentSize == 0 && Classifier.isUrgent(view))
  }

  /// What a packet is that `classify` could not read: where it goes and how long it is, by its IP header alone. nil
  /// when even that makes no sense, or its checksum was to be finished by an adapter.
  @inline(never)
  mutating func unreadable(_ frame: UnsafeMutableRawBufferPointer) -> (key: FiveTuple, length: Int)? {
    guard let offload = OffloadHeader(UnsafeRawBufferPointer(frame)), offload.flags == 0, offload.segmentKind == 0
    else { return nil }
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    // A tuple of its own, which no readable packet has: 255 is reserved.
    guard (try? PacketView(packet)) == nil, let ends = IPEnds(packet), !ends.destination.isMulticast else { return nil }
    counters.unreadable += 1
    let key = FiveTuple(
      source: ends.source, destination: ends.destination, sourcePort: 0, destinationPort: 0, transport: 255)
    return (key, ends.length)
  }

  @inline(__always)
  private static func isUrgent(_ view: PacketView) -> Bool {
    if view.totalLength <= mostSmallLength { return true }
    if view.isFragment { return false }
    switch view.transport {
    case PacketView.Transport.tcp:
      return view.payloadLength == 0 || !view.tcpFlags.isDisjoint(with: [.syn, .rst])
    case PacketView.Transport.udp: return view.tuple.destinationPort == 53 || view.tuple.sourcePort == 53
    case PacketView.Transport.icmp, PacketView.Transport.icmpv6: return true
    default: return false
    }
  }

  /// Makes a plain packet of one whose checksum we cannot describe; nil when it is a super-packet, or its header lies.
  @inline(never)
  private func finish(
    _ frame: UnsafeMutableRawBufferPointer, _ offload: OffloadHeader
  ) -> (segmentSize: Int, needsChecksum: Bool)? {
    guard offload.segmentKind == 0, OffloadHeader.completeChecksum(of: frame) else { return nil }
    return (0, false)
  }
}

/// The two addresses and the length of a packet, all that its IP header must say.
struct IPEnds {
  let source: IPAddress
  let destination: IPAddress
  let length: Int

  init?(_ bytes: UnsafeRawBufferPointer) {
    func half(_ place: Int) -> Int { Int(bytes[place]) << 8 | Int(bytes[place + 1]) }
    guard bytes.count >= 20 else { return nil }
    switch bytes[0] >> 4 {
    case 4:
      length = half(2)
      source = IPAddress(bytes: bytes[12..<16])
      destination = IPAddress(bytes: bytes[16..<20])
      guard length >= 20 else { return nil }
    case 6:
      guard bytes.count >= 40 else { return nil }
      length = 40 + half(4)
      source = IPAddress(bytes: bytes[8..<24])
      destination = IPAddress(bytes: bytes[24..<40])
    default: return nil
    }
    if length > bytes.count { return nil }
  }
}
