//  Returns.swift — how many bytes come back for each flow, without looking at each packet.
//
//  Why.  A flow is one direction, and the table of a branch that downloads would list acknowledgements: its operator
//  asks who fills the line. But to find the flow of each packet that comes in costs a hash and a miss of the cache for
//  each, and only this table would ever need it.
//
//  How.  Bytes that came in are added up, and every 8 KB or so all of them are credited to the flow of the packet that
//  was just delivered. A flow with a tenth of the bytes is there in a tenth of the cases, so what it is credited with
//  is right in the mean; a super-packet pays for itself. How many bytes it takes changes each time, by chance, or two
//  flows that take turns would be one to us.
//
//      came      1.4 │ 1.4 │ 60 (of A) │ 0.1 │ 0.2 │ 1.4 …  KB         due after 4 to 12 KB
//      credited             62.8 to A                                 a download of 100 MB is right to 1 in 100
//
//  Rejected.  A count for each packet (60 instructions, 2 % of a small one's way in); to count by lanes (other flows
//  share them); to ask the peer (its version of this table is as old as the network is long).
//
//  Always true.  What all flows were credited with, and what was due when nobody was found, is what came, but for the
//  last 12 KB. Cost: an addition and a comparison for each write to the virtual NIC, and a look-up for 8 KB.
//
//  Not here.  Flows that only come in: nobody here opened them, and the table has no place for them.

import Packets
import Primitives
import Resequencer

struct Returns {
  /// Mean of what is credited at once. Less, and small packets pay for it; more, and small flows are guesswork.
  static let stride = 8_192

  private var credit = 0
  private var due = Returns.stride
  private var random: UInt64

  init(seed: UInt64) { random = seed | 1 }

  /// True when somebody has to be found for what came.
  @inline(__always)
  mutating func isDue(_ length: Int) -> Bool {
    credit &+= length
    return credit >= due
  }

  mutating func take() -> Int {
    defer {
      credit = 0
      // xorshift64: nothing hangs on it but that it does not beat in time with anybody.
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      due = Returns.stride / 2 + Int(random % UInt64(Returns.stride))
    }
    return credit
  }
}

extension Engine {
  /// The packet that was just delivered stands for all since the last one.
  @inline(never)
  mutating func noteReturn(_ packet: Slice, at now: Instant) {
    let bytes = returns.take()
    let start = UnsafeRawBufferPointer(start: packet.start, count: packet.count)
    guard let key = FiveTuple(beginning: start), let slot = flows.find(key.reversed) else { return }
    flows.noteReturn(bytes, of: slot, at: now)
  }
}

extension FiveTuple {
  /// Of a packet of which only the beginning is at hand. What is odd has no ports, and then no flow either.
  init?(beginning bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return nil }
    func half(_ place: Int) -> UInt16 {
      place + 2 <= bytes.count ? UInt16(bigEndian: start.loadUnaligned(fromByteOffset: place, as: UInt16.self)) : 0
    }
    func long(_ place: Int) -> UInt64 {
      UInt64(bigEndian: start.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }
    func address(_ place: Int, isSix: Bool) -> IPAddress {
      isSix
        ? IPAddress(.ipv6, high: long(place), low: long(place + 8))
        : IPAddress(ipv4: UInt32(bigEndian: start.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
    }
    guard bytes.count >= 20 else { return nil }
    let isSix = bytes[0] >> 4 == 6
    if isSix && bytes.count < 40 { return nil }
    let transport = isSix ? bytes[6] : bytes[9]
    let header = isSix ? 40 : Int(bytes[0] & 15) * 4
    let isFragment = !isSix && half(6) & 0x3fff != 0
    var ports: (source: UInt16, destination: UInt16) = (0, 0)
    switch transport {
    case PacketView.Transport.tcp, PacketView.Transport.udp, PacketView.Transport.dccp, PacketView.Transport.sctp,
      PacketView.Transport.udpLite:
      if !isFragment { ports = (half(header), half(header + 2)) }
    case PacketView.Transport.icmp, PacketView.Transport.icmpv6:
      // As PacketView has it: the identifier is a port of who asks.
      guard header < bytes.count, !isFragment else { break }
      let (request, reply): (UInt8, UInt8) = transport == PacketView.Transport.icmpv6 ? (128, 129) : (8, 0)
      if bytes[header] == request { ports.source = half(header + 4) }
      if bytes[header] == reply { ports.destination = half(header + 4) }
    default: break
    }
    self.init(
      source: address(isSix ? 8 : 12, isSix: isSix), destination: address(isSix ? 24 : 16, isSix: isSix),
      sourcePort: ports.source,
      destinationPort: ports.destination, transport: transport)
  }
}
