//  ExtensionHeaders.swift — the way through IPv6's extension headers to the transport.
//
//      │ next │ length │ …         in units of 8 bytes, the first not counted; the authentication header counts in
//      └──────┴────────┴───        fours, and the fragment header has always 8 bytes
//
//  What follows ESP is sealed, so ESP is a transport like any that we do not know. At most eight headers: each
//  has its place in one order (RFC 8200 §4.1), and whoever sends more wants the walk to be long.

struct ExtensionHeaders {
  static let most = 8

  let transport: UInt8
  /// Offset behind the last of them.
  let end: Int
  let marks: PacketView.Marks

  private enum Kind {
    static var hopByHop: UInt8 { 0 }
    static var routing: UInt8 { 43 }
    static var fragment: UInt8 { 44 }
    static var authentication: UInt8 { 51 }
    static var destination: UInt8 { 60 }
    static var mobility: UInt8 { 135 }
    static var hostIdentity: UInt8 { 139 }
    static var shim: UInt8 { 140 }
  }

  @inline(__always) static func includes(_ number: UInt8) -> Bool {
    switch number {
    case Kind.hopByHop, Kind.routing, Kind.fragment, Kind.authentication, Kind.destination, Kind.mobility,
      Kind.hostIdentity, Kind.shim:
      true
    default: false
    }
  }

  /// Reads no byte at or behind `limit`.
  @inline(never)
  init(_ start: UnsafeRawPointer, next: UInt8, limit: Int) throws(PacketView.Defect) {
    var next = next
    var at = 40
    var marks: PacketView.Marks = []
    var count = 0
    while ExtensionHeaders.includes(next) {
      count += 1
      // Hop-by-hop options come first or not at all.
      guard count <= ExtensionHeaders.most, at + 8 <= limit, next != Kind.hopByHop || count == 1 else {
        throw .extensionHeaders
      }
      let kind = next
      next = unsafe start.byte(at)
      if kind == Kind.fragment {
        let place = unsafe start.number16(at + 2)
        at += 8
        if place & 0xfff9 != 0 { marks.insert(.fragment) }
        if place & 0xfff8 != 0 {
          // What comes next was said by the first fragment's headers; here only payload follows.
          marks.insert(.laterFragment)
          break
        }
      } else {
        let units = unsafe Int(start.byte(at + 1))
        at += kind == Kind.authentication ? (units + 2) * 4 : (units + 1) * 8
      }
      guard at <= limit else { throw .extensionHeaders }
    }
    transport = next
    end = at
    self.marks = marks
  }
}
