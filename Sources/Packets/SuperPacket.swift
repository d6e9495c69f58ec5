//  SuperPacket.swift — packets of up to 64 KiB with one header: told apart, described to the adapter, and cut.
//
//  Why.  A system call costs what it costs, so a sender hands down many packets' worth of payload with one header, and
//  we carry it like that. What the adapter on the far side needs to know (kind, header length, where the checksum goes)
//  follows from the headers themselves; only the payload of a piece, `segmentSize`, and whether checksums are still
//  partial travel with it. So the rule is the same on both sides:
//
//      A packet is a super-packet ⇔ it is TCP or UDP, no fragment, its checksum is partial,
//      and its payload is longer than segmentSize (which is not 0).
//
//  A cut.  When a part of a super-packet is lost for good, what did arrive is delivered:
//
//      │ headers │ ████████████████████████ │  lost  │ ██████████ │
//      │ headers │ ████████████████████████ │        ▲ headers │ ██████████ │
//                 0                          a        b                      n
//
//  A packet with payload bytes a ..< b has the original's headers with: the sequence number a further on; all lengths;
//  FIN and PSH only at the end (b = n); CWR only at the start (a = 0); urgent data as far as it reaches into what
//  follows; IPv4's identification a / segmentSize further on, as the kernel counts it when it cuts. UDP has boundaries,
//  so it is cut between pieces only. Checksums are changed by what changed, not made anew: a header that was wrong
//  stays wrong, and a routing header's final address stays in the sum without our knowing it.
//
//  A complete checksum covers the payload, so a packet with one cannot be cut by its headers alone; super-packets from
//  an adapter never have one.
//
//  Rejected.  Sending the adapter's own header along: 10 bytes in each datagram, and a peer could make our kernel look
//  at offsets of its choice.

public import Primitives

public enum SuperPacket {
  /// The kernel refuses a UDP super-packet with more pieces (128 since Linux 6.9).
  public static let mostDatagrams = 64

  // MARK: Describing

  /// What a packet from the adapter is to the far side; nil when that could not say the same again: a kind of
  /// super-packet that we do not know, or a checksum in an unusual place. `piece` finishes such a packet, if anything
  /// does.
  @inlinable
  public static func describe(
    _ offload: OffloadHeader, _ view: PacketView
  ) -> (segmentSize: Int, needsChecksum: Bool)? {
    let needsChecksum = offload.flags & OffloadHeader.needsChecksum != 0
    if needsChecksum {
      guard let offset = view.checksumOffset, Int(offload.checksumOffset) == offset,
        Int(offload.checksumStart) == view.transportOffset
      else { return nil }
    }
    if offload.segmentKind == 0 { return (0, needsChecksum) }
    guard needsChecksum, offload.segmentSize > 0, !view.hasSurplus,
      offload.segmentKind & ~OffloadHeader.congestionOnce == kind(of: view)
    else { return nil }
    let size = Int(offload.segmentSize)
    return (view.payloadLength > size ? size : 0, true)
  }

  /// What to write before a packet that goes to an adapter.
  @inlinable
  public static func offload(for view: PacketView, segmentSize: Int, needsChecksum: Bool) -> OffloadHeader {
    var offload = OffloadHeader()
    guard needsChecksum, let checksumOffset = view.checksumOffset else { return offload }
    offload.flags = OffloadHeader.needsChecksum
    offload.checksumStart = UInt16(truncatingIfNeeded: view.transportOffset)
    offload.checksumOffset = UInt16(truncatingIfNeeded: checksumOffset)
    if view.isSuperPacket(segmentSize: segmentSize) {
      offload.headerLength = UInt16(truncatingIfNeeded: view.headerLength)
      offload.segmentKind = kind(of: view)
      if view.tcpFlags.contains(.cwr) { offload.segmentKind |= OffloadHeader.congestionOnce }
      offload.segmentSize = UInt16(truncatingIfNeeded: segmentSize)
    }
    return offload
  }

  @inlinable static func kind(of view: PacketView) -> UInt8 {
    if view.transport == PacketView.Transport.udp { return OffloadHeader.udp }
    return view.family == .ipv4 ? OffloadHeader.tcpIPv4 : OffloadHeader.tcpIPv6
  }

  // MARK: Cutting

  public enum Cut: UInt8, CaseIterable, Sendable {
    case done
    /// Neither TCP nor UDP, a fragment, the start or the abort of a connection, or UDP with bytes behind it.
    case indivisible
    /// The checksum is complete: it would have to be summed over the payload.
    case checksumIsComplete
    /// An empty range, or not within the payload.
    case outOfRange
    /// UDP: not at a boundary between datagrams.
    case withinDatagram
  }

  /// Writes the headers of a packet that carries only `payload` of the original's payload, `view.headerLength` bytes.
  /// `headers` are the original's (the view may have been made from them alone); `out` may be the same memory. Nothing
  /// is written unless the answer is `done`.
  public static func cut(
    headers: UnsafeRawBufferPointer, of view: PacketView, payload: Range<Int>, segmentSize: Int, needsChecksum: Bool,
    into out: UnsafeMutableRawBufferPointer
  ) -> Cut {
    precondition(headers.count >= view.headerLength && out.count >= view.headerLength, "no room for the headers")
    guard let source = headers.baseAddress, let target = out.baseAddress else { return .outOfRange }
    guard payload.lowerBound >= 0, payload.upperBound <= view.payloadLength else { return .outOfRange }
    if payload.count == view.payloadLength {
      unsafe target.copyMemory(from: source, byteCount: view.headerLength)
      return .done
    }
    guard !payload.isEmpty else { return .outOfRange }
    let isTCP = view.transport == PacketView.Transport.tcp
    guard let checksumOffset = view.checksumOffset, !view.hasSurplus,
      !isTCP || view.tcpFlags.isDisjoint(with: [.syn, .rst])
    else { return .indivisible }
    guard needsChecksum else { return .checksumIsComplete }
    if !isTCP {
      guard segmentSize > 0 else { return .indivisible }
      let isAtEnd = payload.upperBound == view.payloadLength
      guard payload.lowerBound % segmentSize == 0, isAtEnd || payload.upperBound % segmentSize == 0 else {
        return .withinDatagram
      }
    }

    unsafe target.copyMemory(from: source, byteCount: view.headerLength)
    let total = view.headerLength + payload.count
    if view.family == .ipv4 {
      let pieces = segmentSize > 0 ? payload.lowerBound / segmentSize : 0
      unsafe rewriteIPv4(target, total: total, identificationStep: pieces)
    } else {
      unsafe target.write(UInt16(truncatingIfNeeded: total - 40), 4)
    }
    let transport = unsafe target + view.transportOffset
    let transportLength = UInt16(truncatingIfNeeded: total - view.transportOffset)
    if isTCP {
      unsafe rewriteTCP(
        transport, flags: view.tcpFlags, skipped: payload.lowerBound, isAtEnd: payload.upperBound == view.payloadLength)
    } else {
      unsafe transport.write(transportLength, 4)
    }
    let partial = unsafe Checksum.updated(
      partial: transport.number16(checksumOffset),
      replacing: UInt16(truncatingIfNeeded: view.totalLength - view.transportOffset), by: transportLength)
    unsafe transport.write(partial, checksumOffset)
    return .done
  }

  /// New total length and identification, and the header's checksum with them.
  @inline(__always)
  static func rewriteIPv4(_ header: UnsafeMutableRawPointer, total: Int, identificationStep: Int) {
    let oldTotal = unsafe header.number16(2)
    let oldIdentification = unsafe header.number16(4)
    let newTotal = UInt16(truncatingIfNeeded: total)
    let newIdentification = oldIdentification &+ UInt16(truncatingIfNeeded: identificationStep)
    var checksum = unsafe header.number16(10)
    checksum = Checksum.updated(checksum, replacing: oldTotal, by: newTotal)
    checksum = Checksum.updated(checksum, replacing: oldIdentification, by: newIdentification)
    unsafe header.write(newTotal, 2)
    unsafe header.write(newIdentification, 4)
    unsafe header.write(checksum, 10)
  }

  @inline(__always)
  private static func rewriteTCP(
    _ header: UnsafeMutableRawPointer, flags old: PacketView.TCPFlags, skipped: Int, isAtEnd: Bool
  ) {
    var flags = old
    if !isAtEnd { flags.subtract([.fin, .psh]) }
    if skipped > 0 {
      flags.remove(.cwr)
      let sequence = unsafe UnsafeRawPointer(header).number32(4)
      unsafe header.write(sequence &+ UInt32(truncatingIfNeeded: skipped), 4)
      if flags.contains(.urg) {
        // It counts from the sequence number, and says where the urgent data end.
        let urgent = unsafe Int(header.number16(18)) - skipped
        if urgent <= 0 { flags.remove(.urg) }
        unsafe header.write(UInt16(max(0, urgent)), 18)
      }
    }
    unsafe header.write(flags.rawValue, 13)
  }

  // MARK: Finishing without an adapter

  /// How many packets a packet is for whoever takes none that is larger than a piece: 1 unless it is a super-packet.
  @inlinable public static func pieces(of view: PacketView, segmentSize: Int) -> Int {
    view.isSuperPacket(segmentSize: segmentSize) ? (view.payloadLength + segmentSize - 1) / segmentSize : 1
  }

  /// Writes one of them, finished, and says its length; nil when it cannot be made or does not fit. `packet` holds all
  /// of the packet that `view` is of.
  public static func piece(
    _ number: Int, of packet: UnsafeRawBufferPointer, _ view: PacketView, segmentSize: Int, needsChecksum: Bool,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    precondition(packet.count >= view.totalLength, "a packet of which bytes are missing")
    let count = pieces(of: view, segmentSize: segmentSize)
    guard (0..<count).contains(number) else { return nil }
    let first = count == 1 ? 0 : number * segmentSize
    let payload = first..<(count == 1 ? view.payloadLength : min(first + segmentSize, view.payloadLength))
    let length = view.headerLength + payload.count
    guard out.count >= length else { return nil }
    let cut = unsafe cut(
      headers: packet, of: view, payload: payload, segmentSize: segmentSize, needsChecksum: needsChecksum, into: out)
    guard cut == .done, let source = packet.baseAddress, let target = out.baseAddress else { return nil }
    unsafe (target + view.headerLength).copyMemory(
      from: source + view.headerLength + payload.lowerBound, byteCount: payload.count)
    if needsChecksum, let place = view.checksumOffset {
      let transport = unsafe UnsafeMutableRawBufferPointer(rebasing: out[view.transportOffset..<length])
      unsafe Checksum.complete(transport, place: place, isUDP: view.transport == PacketView.Transport.udp)
    }
    return length
  }
}

extension PacketView {
  /// Longer than one piece, of a kind that is cut. Its checksum must be partial, too; the segment tells.
  @inlinable @inline(__always) public func isSuperPacket(segmentSize: Int) -> Bool {
    segmentSize > 0 && payloadLength > segmentSize && checksumOffset != nil && !hasSurplus
  }
}
