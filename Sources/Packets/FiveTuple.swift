//  FiveTuple.swift — what makes packets one flow: addresses, ports, protocol.

public import Primitives

public struct FiveTuple: Hashable, Sendable {
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
}
