//  ListeningSocket.swift — a TCP socket that listens at an address; who reads it takes it over.

import Glibc
public import Primitives

public enum ListeningSocket {
  /// As many as may come in one moment: a fleet that reports to an oracle on the same second.
  private static let backlog: Int32 = 1_024

  public static func open(_ endpoint: Endpoint) throws(HTTPFailure) -> Int32 {
    let isSix = endpoint.address.family == .ipv6
    let descriptor = socket(
      isSix ? AF_INET6 : AF_INET,
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw failure("listen on", endpoint) }
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    // IPv4 is a line of its own in the file.
    if isSix { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<Int32>.size)) }
    let error = withAddress(endpoint) { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
    if error == 0 && listen(descriptor, backlog) == 0 { return descriptor }
    let failure = failure("listen on", endpoint)
    close(descriptor)
    throw failure
  }

  /// The port, where the kernel chose one.
  public static func port(of descriptor: Int32) -> UInt16 {
    var place = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &place) { bytes in
      guard let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: start), &length) == 0
      else { return 0 }
      // Of both families at the same place.
      return UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    }
  }

  private static func failure(_ what: String, _ endpoint: Endpoint) -> HTTPFailure {
    let code = errno
    let remedy =
      switch code {
      case EADDRINUSE: "; is another program there, or this one twice?"
      case EADDRNOTAVAIL: "; no interface of this machine has this address"
      case EACCES: "; a port below 1024 needs CAP_NET_BIND_SERVICE"
      default: ""
      }
    return HTTPFailure("cannot \(what) \(endpoint): \(String(cString: strerror(code)))\(remedy)")
  }

  private static func withAddress(
    _ endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    let address = endpoint.address
    if address.family == .ipv4 {
      var place = sockaddr_in()
      place.sin_family = sa_family_t(AF_INET)
      place.sin_port = endpoint.port.bigEndian
      place.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.high >> 32).bigEndian
      return withUnsafePointer(to: place) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
      }
    }
    var place = sockaddr_in6()
    place.sin6_family = sa_family_t(AF_INET6)
    place.sin6_port = endpoint.port.bigEndian
    withUnsafeMutableBytes(of: &place.sin6_addr) { $0.copyBytes(from: address.bytes) }
    place.sin6_scope_id = endpoint.scope
    return withUnsafePointer(to: place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
    }
  }
}
