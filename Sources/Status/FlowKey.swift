//  FlowKey.swift — a flow by its addresses and ports, and what people write when they mean one.
//
//      10.1.0.1:443 10.2.0.7:51234 tcp       this one, in either direction
//      - 10.2.0.7                            anything with that host
//      [fd00::1]:22 - -                      anything with that end
//
//  A flow here is one direction; whoever asks for one does not care which gateway he stands at, so both directions fit.

public import Primitives

public struct FlowKey: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var source: IPAddress
  public var destination: IPAddress
  /// 0 where the protocol has none.
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  /// IANA's number.
  public var transport: UInt8

  public init(
    source: IPAddress, sourcePort: UInt16, destination: IPAddress, destinationPort: UInt16, transport: UInt8
  ) {
    self.source = source
    self.destination = destination
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.transport = transport
  }

  public var reversed: FlowKey {
    FlowKey(
      source: destination, sourcePort: destinationPort, destination: source, destinationPort: sourcePort,
      transport: transport)
  }

  var sourceText: String { FlowKey.end(source, sourcePort) }
  var destinationText: String { FlowKey.end(destination, destinationPort) }
  var transportText: String { FlowKey.name(of: transport) }

  public var description: String { "\(sourceText) \(destinationText) \(transportText)" }

  private static func end(_ address: IPAddress, _ port: UInt16) -> String {
    port == 0 ? "\(address)" : "\(Endpoint(address, port: port))"
  }

  private static let names: [(number: UInt8, name: String)] = [
    (1, "icmp"), (6, "tcp"), (17, "udp"), (33, "dccp"), (47, "gre"), (50, "esp"), (58, "icmpv6"), (132, "sctp"),
    (136, "udplite"), (255, "unreadable"),
  ]

  public static func name(of transport: UInt8) -> String {
    names.first { $0.number == transport }?.name ?? "\(transport)"
  }

  static func number(of name: some StringProtocol) -> UInt8? {
    let lower = name.lowercased()
    return names.first { $0.name == lower }?.number ?? UInt8(name)
  }
}

/// Flows as people mean them. What is nil is anything.
public struct FlowPattern: Equatable, Sendable {
  public struct End: Equatable, Sendable {
    public var address: IPAddress?
    public var port: UInt16?

    func fits(_ address: IPAddress, _ port: UInt16) -> Bool {
      (self.address.map { $0 == address } ?? true) && (self.port.map { $0 == port } ?? true)
    }

    init?(_ text: some StringProtocol) {
      if text == "-" || text == "*" { return }
      if let address = IPAddress(text) {
        self.address = address
        return
      }
      guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
        return nil
      }
      self.port = port
      var host = text[..<colon]
      if host == "-" || host == "*" || host.isEmpty { return }
      if host.first == "[" && host.last == "]" { host = host.dropFirst().dropLast() }
      guard let address = IPAddress(host) else { return nil }
      self.address = address
    }
  }

  public var one: End
  public var other: End
  public var transport: UInt8?

  /// nil when these are no one, two or three words of a flow.
  public init?(_ text: String) {
    let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
    guard (1...3).contains(words.count), let one = End(words[0]) else { return nil }
    guard let other = words.count > 1 ? End(words[1]) : End("-") else { return nil }
    self.one = one
    self.other = other
    if words.count == 3, words[2] != "-", words[2] != "*" {
      guard let number = FlowKey.number(of: words[2]) else { return nil }
      transport = number
    }
  }

  public func fits(_ key: FlowKey) -> Bool {
    if let transport, transport != key.transport { return false }
    return one.fits(key.source, key.sourcePort) && other.fits(key.destination, key.destinationPort)
      || other.fits(key.source, key.sourcePort) && one.fits(key.destination, key.destinationPort)
  }

  /// The one flow that it can only mean; nil: it leaves something open.
  public var key: FlowKey? {
    guard let source = one.address, let destination = other.address, source.family == destination.family,
      let transport
    else { return nil }
    let hasPorts = [6, 17, 33, 132, 136].contains(transport)
    guard !hasPorts || one.port != nil && other.port != nil else { return nil }
    return FlowKey(
      source: source, sourcePort: one.port ?? 0, destination: destination, destinationPort: other.port ?? 0,
      transport: transport)
  }
}
