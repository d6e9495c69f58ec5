//  Leftovers.swift — which addresses and routes an interface has that was there before us.
//
//  Read from /proc, where the kernel shows them to everybody: asked once, at a start, for one interface. Link-local
//  addresses and the kernel's own routes of a table are no business of ours.

import Glibc
import POSIX
import Primitives

struct Leftovers {
  private(set) var addresses: Set<IPPrefix> = []
  private(set) var routes: Set<IPPrefix> = []

  /// Of an interface that is new.
  init() {}

  init(of interface: String) {
    readAddresses(interface)
    readRoutes(interface)
    readRoutes6(interface)
  }

  /// More than a gateway has: 64 addresses and 4,096 peers with some networks each take less than this.
  private static let mostBytes = 16 << 20

  private mutating func readAddresses(_ interface: String) {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return }
    defer { freeifaddrs(list) }
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let name = entry.ifa_name, String(cString: name) == interface, let address = entry.ifa_addr,
        let mask = entry.ifa_netmask, let known = IPAddress(address), let bits = IPAddress(mask)
      else { continue }
      if known.family == .ipv6 && known.high >> 48 == 0xfe80 { continue }
      addresses.insert(IPPrefix(known, length: bits.high.nonzeroBitCount + bits.low.nonzeroBitCount))
    }
  }

  /// Interface, destination, gateway, flags, three counters, mask: numbers in the machine's order of bytes.
  private mutating func readRoutes(_ interface: String) {
    let text = FileContents.text("/proc/net/route", atMost: Leftovers.mostBytes) ?? ""
    for line in text.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: "\t").map { $0.filter { $0 != " " } }
      guard fields.count > 7, fields[0] == interface, let network = UInt32(fields[1], radix: 16),
        let mask = UInt32(fields[7], radix: 16)
      else { continue }
      routes.insert(IPPrefix(IPAddress(ipv4: UInt32(bigEndian: network)), length: mask.nonzeroBitCount))
    }
  }

  /// Destination and its length, source and its length, gateway, three counters, flags, interface.
  private mutating func readRoutes6(_ interface: String) {
    let text = FileContents.text("/proc/net/ipv6_route", atMost: Leftovers.mostBytes) ?? ""
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 10, fields[9] == interface, fields[0].count == 32,
        let high = UInt64(fields[0].prefix(16), radix: 16), let low = UInt64(fields[0].suffix(16), radix: 16),
        let length = Int(fields[1], radix: 16), let flags = UInt32(fields[8], radix: 16)
      else { continue }
      // Of its own addresses and of multicast: the kernel's, in tables that we do not write into.
      let isLocal = flags & 0x8000_0000 != 0
      if isLocal || high >> 56 == 0xff || high >> 48 == 0xfe80 { continue }
      routes.insert(IPPrefix(IPAddress(.ipv6, high: high, low: low), length: length))
    }
  }
}

extension IPAddress {
  /// nil for what is neither IPv4 nor IPv6.
  fileprivate init?(_ address: UnsafePointer<sockaddr>) {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      let known = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
      self.init(ipv4: UInt32(bigEndian: known.sin_addr.s_addr))
    case AF_INET6:
      let known = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
      let words = withUnsafeBytes(of: known.sin6_addr) {
        ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
      self.init(.ipv6, high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
    default: return nil
    }
  }
}
