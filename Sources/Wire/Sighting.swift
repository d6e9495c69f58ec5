//  Sighting.swift — from which address and port the other side hears us.
//
//      0      1        2      4      8         24
//      │ kind │ family │ port │ zero │ address │
//
//  Whoever answers a ping says behind the pong where the ping came from, as he sees it. So a gateway behind an address
//  translator learns what it is outside, and whether that depends on whom it talks to: which is what people ask when
//  two sites do not find each other. Each pong has one, so a lost one does not matter and nobody has to remember what
//  was said; pings are rare.
//
//  What is said here is shown and never acted upon: who lies about it makes a table wrong, and sends no packet astray.
//
//  The address has sixteen bytes in network order, an IPv4 address the first four of them and zeros. The port is
//  little-endian like all numbers.

public import Primitives

public struct Sighting: Equatable, Sendable {
  public static let length = 24

  /// Without a scope: what a link-local address means is known only on its own link.
  public var endpoint: Endpoint

  public init(_ endpoint: Endpoint) { self.endpoint = Endpoint(endpoint.address, port: endpoint.port) }

  /// From the start of what follows; nil when it is not whole, or nobody sends from there.
  init?(_ text: UnsafeRawBufferPointer) {
    guard text.count >= Sighting.length, let address = unsafe WireAddress.read(text, family: text[1], at: 8) else {
      return nil
    }
    endpoint = Endpoint(
      address, port: unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    if !isPossible { return nil }
  }

  /// Somebody can send from there: the port is none of zero, the address is one host's.
  private var isPossible: Bool {
    let address = endpoint.address
    let isMany = address.family == .ipv4 ? address.high >> 60 >= 0xe : address.high >> 56 == 0xff
    return endpoint.port != 0 && !isMany && (address.high, address.low) != (0, 0)
  }

  /// Writes `length` bytes.
  func write(to bytes: UnsafeMutableRawPointer) {
    let family = WireAddress.family(of: endpoint.address)
    let head =
      UInt64(ControlKind.sighting.rawValue) | UInt64(family) << 8 | UInt64(endpoint.port) << 16
    unsafe bytes.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe WireAddress.write(endpoint.address, to: bytes + 8)
  }
}
