//  PacketView.swift — what an IP packet says of itself, read once and checked.
//
//      0                    networkHeaderLength     headerLength                       totalLength        bytes.count
//      │ IP header, options │ transport's header    │ payload                          │ (not the packet) │
//      │ or extensions      │ TCP, UDP, ICMP, …     │                                  │                  │
//
//  Why.  Everything that we do to a packet (finding its flow, cutting it, coalescing it, quoting it in an error) needs
//  the same dozen numbers, and each of them may be a lie. So they are read in one place, and whoever holds a view may
//  use its offsets without a check, on the bytes that it was made from.
//
//  How.  A packet with a plain IPv4 or IPv6 header and TCP or UDP behind it takes one pass over its first bytes, about
//  5 ns; the walk through IPv6 extension headers is bounded and apart from it.
//
//  A ping is a flow: the identifier of an echo request is its source port, that of the reply the destination port, so
//  that the reply's tuple is the request's reversed.
//
//  Tolerated.  Bytes behind the packet (`isWhole` tells): a segment is a row of packets without framing, and some
//  adapters pad. Bytes behind a UDP datagram within its packet (RFC 9868 has options there; `hasSurplus`).
//
//  Refused.  Jumbograms, and every length that does not fit into the one around it. A first fragment that does not hold
//  its transport header (RFC 7112, RFC 1858: it would pass rules that look at ports).
//
//  Not here.  Whether checksums are right: the kernel looks, and whoever coalesces.

public import Primitives

public struct PacketView: BitwiseCopyable, Sendable {
  /// Why bytes are no packet that we carry by its flow.
  public enum Defect: UInt8, Error, CaseIterable, Sendable {
    /// Fewer bytes than an IP header.
    case tooShort
    /// Neither version 4 nor 6.
    case unknownVersion
    /// The IP header is shorter than possible, or longer than the packet.
    case headerLength
    /// The length is zero: a jumbogram, or nothing behind the header.
    case noLength
    /// The packet says that it is longer than the bytes given.
    case truncated
    /// IPv6 extension headers that do not end within the packet, or too many of them.
    case extensionHeaders
    /// The transport header does not fit in.
    case transportTooShort
    /// The transport header's own length is shorter than possible, or longer than the packet.
    case transportLength
  }

  public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable public static var fin: TCPFlags { TCPFlags(rawValue: 0x01) }
    @inlinable public static var syn: TCPFlags { TCPFlags(rawValue: 0x02) }
    @inlinable public static var rst: TCPFlags { TCPFlags(rawValue: 0x04) }
    @inlinable public static var psh: TCPFlags { TCPFlags(rawValue: 0x08) }
    @inlinable public static var ack: TCPFlags { TCPFlags(rawValue: 0x10) }
    @inlinable public static var urg: TCPFlags { TCPFlags(rawValue: 0x20) }
    @inlinable public static var ece: TCPFlags { TCPFlags(rawValue: 0x40) }
    @inlinable public static var cwr: TCPFlags { TCPFlags(rawValue: 0x80) }
  }

  /// IANA's numbers.
  public enum Transport {
    @inlinable public static var icmp: UInt8 { 1 }
    @inlinable public static var tcp: UInt8 { 6 }
    @inlinable public static var udp: UInt8 { 17 }
    @inlinable public static var dccp: UInt8 { 33 }
    @inlinable public static var icmpv6: UInt8 { 58 }
    @inlinable public static var sctp: UInt8 { 132 }
    @inlinable public static var udpLite: UInt8 { 136 }
  }

  @usableFromInline struct Marks: OptionSet, BitwiseCopyable, Sendable {
    @usableFromInline let rawValue: UInt8
    @inlinable init(rawValue: UInt8) { self.rawValue = rawValue }
    @inlinable static var fragment: Marks { Marks(rawValue: 1) }
    @inlinable static var laterFragment: Marks { Marks(rawValue: 2) }
    @inlinable static var whole: Marks { Marks(rawValue: 4) }
    @inlinable static var noFragmenting: Marks { Marks(rawValue: 8) }
    @inlinable static var surplus: Marks { Marks(rawValue: 16) }
  }

  public let tuple: FiveTuple
  /// By the IP header.
  public let totalLength: Int
  /// With options and extension headers. The transport's header begins here.
  public let networkHeaderLength: Int
  /// Network and transport header; without the latter when we do not know the transport, or in later fragments.
  public let headerLength: Int
  /// Type of service, or traffic class: DSCP and ECN.
  public let trafficClass: UInt8
  /// Or hop limit.
  public let ttl: UInt8
  /// Empty when it is not TCP.
  public let tcpFlags: TCPFlags
  @usableFromInline let marks: Marks

  /// From bytes that hold the packet, and perhaps more behind it.
  public init(_ bytes: UnsafeRawBufferPointer) throws(Defect) { try unsafe self.init(bytes, holdsAll: true) }

  /// From a copy of a packet's headers: the payload need not be there.
  public init(headers bytes: UnsafeRawBufferPointer) throws(Defect) { try unsafe self.init(bytes, holdsAll: false) }

  @inline(__always)
  private init(_ bytes: UnsafeRawBufferPointer, holdsAll: Bool) throws(Defect) {
    guard let start = bytes.baseAddress, bytes.count >= 20 else { throw .tooShort }
    var marks: Marks = []
    var network: Int
    var transport: UInt8
    let total: Int
    let source: IPAddress
    let destination: IPAddress

    switch unsafe start.byte(0) >> 4 {
    case 4:
      network = unsafe Int(start.byte(0) & 15) * 4
      total = unsafe Int(start.number16(2))
      guard total != 0 else { throw .noLength }
      guard network >= 20, network <= total else { throw .headerLength }
      guard network <= bytes.count else { throw .truncated }
      transport = unsafe start.byte(9)
      trafficClass = unsafe start.byte(1)
      ttl = unsafe start.byte(8)
      source = unsafe IPAddress(ipv4: start.number32(12))
      destination = unsafe IPAddress(ipv4: start.number32(16))
      let fragment = unsafe start.number16(6)
      if fragment & 0x4000 != 0 { marks.insert(.noFragmenting) }
      if fragment & 0x3fff != 0 { marks.insert(fragment & 0x1fff == 0 ? .fragment : [.fragment, .laterFragment]) }
    case 6:
      guard bytes.count >= 40 else { throw .tooShort }
      network = 40
      let length = unsafe Int(start.number16(4))
      guard length != 0 else { throw .noLength }
      total = 40 + length
      transport = unsafe start.byte(6)
      trafficClass = unsafe UInt8(truncatingIfNeeded: start.number16(0) >> 4)
      ttl = unsafe start.byte(7)
      source = unsafe IPAddress(.ipv6, high: start.number64(8), low: start.number64(16))
      destination = unsafe IPAddress(.ipv6, high: start.number64(24), low: start.number64(32))
      marks = .noFragmenting
      if ExtensionHeaders.includes(transport) {
        let walk = unsafe try ExtensionHeaders(start, next: transport, limit: min(total, bytes.count))
        network = walk.end
        transport = walk.transport
        marks.formUnion(walk.marks)
      }
    default: throw .unknownVersion
    }
    guard bytes.count >= total || !holdsAll else { throw .truncated }
    if bytes.count == total { marks.insert(.whole) }

    // Of the transport's header no more than is there is looked at; its lengths are held against the packet's own.
    let room = min(total, bytes.count) - network
    let here = unsafe start + network
    var length = 0
    var ports: UInt32 = 0
    var flags: TCPFlags = []
    if !marks.contains(.laterFragment) {
      switch transport {
      case Transport.tcp:
        guard room >= 20 else { throw .transportTooShort }
        length = unsafe Int(here.byte(12) >> 4) * 4
        guard length >= 20, network + length <= total else { throw .transportLength }
        guard length <= room else { throw .transportTooShort }
        ports = unsafe here.number32(0)
        flags = unsafe TCPFlags(rawValue: here.byte(13))
      case Transport.udp:
        guard room >= 8 else { throw .transportTooShort }
        length = 8
        ports = unsafe here.number32(0)
        let said = unsafe Int(here.number16(4))
        if !marks.contains(.fragment) {
          guard said >= 8, network + said <= total else { throw .transportLength }
          if network + said < total { marks.insert(.surplus) }
        }
      case Transport.icmp, Transport.icmpv6:
        guard room >= 8 else { throw .transportTooShort }
        length = 8
        switch unsafe (transport, here.byte(0)) {
        case (Transport.icmp, 8), (Transport.icmpv6, 128): ports = unsafe UInt32(here.number16(4)) << 16
        case (Transport.icmp, 0), (Transport.icmpv6, 129): ports = unsafe UInt32(here.number16(4))
        default: break
        }
      case Transport.sctp, Transport.dccp:
        guard room >= 12 else { throw .transportTooShort }
        length = 12
        ports = unsafe here.number32(0)
      case Transport.udpLite:
        guard room >= 8 else { throw .transportTooShort }
        length = 8
        ports = unsafe here.number32(0)
      default: break
      }
    }

    tuple = FiveTuple(
      source: source, destination: destination, sourcePort: UInt16(ports >> 16),
      destinationPort: UInt16(truncatingIfNeeded: ports), transport: transport)
    totalLength = total
    networkHeaderLength = network
    headerLength = network + length
    tcpFlags = flags
    self.marks = marks
  }
}

extension PacketView {
  @inlinable @inline(__always) public var family: IPAddress.Family { tuple.source.family }
  @inlinable @inline(__always) public var transport: UInt8 { tuple.transport }
  @inlinable @inline(__always) public var transportOffset: Int { networkHeaderLength }
  /// Behind the transport header, or behind the network header when we do not know the transport.
  @inlinable @inline(__always) public var payloadLength: Int { totalLength - headerLength }
  @inlinable @inline(__always) public var dscp: UInt8 { trafficClass >> 2 }
  /// 0 not capable, 1 and 2 capable, 3 congestion experienced.
  @inlinable @inline(__always) public var ecn: UInt8 { trafficClass & 3 }

  /// A part of a packet; not so an IPv6 packet with a fragment header that says "all of it".
  @inlinable @inline(__always) public var isFragment: Bool { marks.contains(.fragment) }
  /// The one with the transport header.
  @inlinable @inline(__always) public var isFirstFragment: Bool { isFragment && !marks.contains(.laterFragment) }
  /// Routers must not cut it: DF of IPv4; IPv6 always.
  @inlinable @inline(__always) public var mustNotFragment: Bool { marks.contains(.noFragmenting) }
  /// The bytes were the packet, no more and no fewer.
  @inlinable @inline(__always) public var isWhole: Bool { marks.contains(.whole) }
  /// UDP that ends before its packet does.
  @inlinable @inline(__always) public var hasSurplus: Bool { marks.contains(.surplus) }
  /// Neither IPv4 options nor IPv6 extension headers.
  @inlinable @inline(__always) public var hasPlainHeader: Bool {
    networkHeaderLength == (family == .ipv4 ? 20 : 40)
  }

  @inlinable public var isMulticast: Bool { tuple.destination.isMulticast }
  /// 255.255.255.255. Whether another address is the broadcast of its network only its network knows.
  @inlinable public var isLimitedBroadcast: Bool { tuple.destination.isLimitedBroadcast }

  /// Where in the transport header the checksum is that an adapter can finish; nil for what none finishes.
  @inlinable @inline(__always) public var checksumOffset: Int? {
    if isFragment { return nil }
    return transport == Transport.tcp ? 16 : transport == Transport.udp ? 6 : nil
  }
}

extension IPAddress {
  /// 224.0.0.0/4 or ff00::/8.
  @inlinable public var isMulticast: Bool { family == .ipv4 ? high >> 60 == 0xe : high >> 56 == 0xff }
  /// 255.255.255.255.
  @inlinable public var isLimitedBroadcast: Bool { family == .ipv4 && high >> 32 == 0xffff_ffff }
}
