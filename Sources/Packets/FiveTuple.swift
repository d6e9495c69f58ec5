//  FiveTuple.swift — what makes packets one flow: addresses, ports, protocol.

public import Primitives

public struct FiveTuple: Hashable, Sendable, BitwiseCopyable {
  public var source: IPAddress
  public var destination: IPAddress
  /// 0 where the protocol has none, or the packet is a later fragment.
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  /// IANA's number: 6 is TCP, 17 UDP.
  public var transport: UInt8

  @inlinable public init(
    source: IPAddress, destination: IPAddress, sourcePort: UInt16, destinationPort: UInt16, transport: UInt8
  ) {
    self.source = source
    self.destination = destination
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.transport = transport
  }

  /// The same flow as its other end sends it.
  @inlinable public var reversed: FiveTuple {
    FiveTuple(
      source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort,
      transport: transport)
  }

  /// What a table is indexed with. Whoever does not know the seed cannot choose flows that collide: two of them do so
  /// with a chance of 2⁻⁶⁴ before the last mixing (the hash NH of UMAC: sums of products, each factor under a key of
  /// its own).
  @inlinable public func hash64(seed: HashSeed) -> UInt64 {
    let rest =
      UInt64(sourcePort) | UInt64(destinationPort) << 16 | UInt64(transport) << 32
      | UInt64(source.family.rawValue) << 40
    let addresses = (source.high &+ seed.keys.0).multipliedFullWidth(by: source.low &+ seed.keys.1)
    let others = (destination.high &+ seed.keys.2).multipliedFullWidth(by: destination.low &+ seed.keys.3)
    let ports = (rest &+ seed.keys.4).multipliedFullWidth(by: seed.keys.5)
    // 128-bit sums; then a mixing in which every bit of both halves reaches every bit of the result.
    let (low, carry) = addresses.low.addingReportingOverflow(others.low)
    let (lower, carryAgain) = low.addingReportingOverflow(ports.low)
    let higher = addresses.high &+ others.high &+ ports.high &+ (carry ? 1 : 0) &+ (carryAgain ? 1 : 0)
    let mixed = (lower ^ seed.keys.6).multipliedFullWidth(by: higher ^ seed.keys.7)
    return mixed.low ^ mixed.high
  }

  /// The keys of a hash, made once from 64 random bits.
  public struct HashSeed: Sendable, BitwiseCopyable {
    @usableFromInline let keys: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    public init(_ random: UInt64) {
      var generator = SeededRandom(seed: random)
      keys = (
        generator.next(), generator.next(), generator.next(), generator.next(), generator.next(), generator.next(),
        generator.next(), generator.next()
      )
    }
  }
}
