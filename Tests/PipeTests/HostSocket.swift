//  HostSocket.swift — a socket of somebody behind a gateway, in the hands of the test.
//
//  Every wait ends: what has not come within `patience` is not coming.

import CLinux
import COpenSSL
import Glibc
import Primitives

final class HostSocket: @unchecked Sendable {
  struct Failure: Error {
    let operation: String
    let errno: Int32
  }

  let descriptor: Int32
  let family: IPAddress.Family

  init(
    _ family: IPAddress.Family, _ type: __socket_type, in namespace: Int32, patience: Interval = .seconds(20)
  ) throws {
    self.family = family
    descriptor = hawser_socket_in_namespace(
      namespace, family == .ipv4 ? AF_INET : AF_INET6, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if descriptor < 0 { throw Failure(operation: "socket", errno: -descriptor) }
    waitAtMost(patience)
  }

  private init(taking descriptor: Int32, _ family: IPAddress.Family) {
    self.descriptor = descriptor
    self.family = family
    waitAtMost(.seconds(20))
  }

  deinit { close(descriptor) }

  func waitAtMost(_ patience: Interval) {
    var time = timeval(
      tv_sec: Int(patience.nanoseconds / 1_000_000_000), tv_usec: Int(patience.nanoseconds % 1_000_000_000 / 1_000))
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  func set(_ level: Int32, _ option: Int32, to value: Int32) throws {
    var value = value
    try check("setsockopt", setsockopt(descriptor, level, option, &value, 4))
  }

  // MARK: Addresses

  func bind(_ address: String, port: UInt16) throws {
    try check("bind", withAddress(address, port) { Glibc.bind(descriptor, $0, $1) })
  }

  func connect(_ address: String, port: UInt16) throws {
    try check("connect", withAddress(address, port) { Glibc.connect(descriptor, $0, $1) })
  }

  func listen() throws { try check("listen", Glibc.listen(descriptor, 16)) }

  func accept() throws -> HostSocket {
    let accepted = accept4(descriptor, __SOCKADDR_ARG(), nil, Int32(SOCK_CLOEXEC.rawValue))
    try check("accept", accepted)
    return HostSocket(taking: accepted, family)
  }

  /// Sends back whatever comes, to whoever sent it, until it is told to end. Returns how many datagrams came.
  func echo(until isOver: @escaping @Sendable () -> Bool) -> Int {
    var buffer = [UInt8](repeating: 0, count: 70_000)
    var address = sockaddr_storage()
    var count = 0
    while !isOver() {
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let received = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(descriptor, &buffer, buffer.count, 0, __SOCKADDR_ARG(__sockaddr__: $0), &length)
        }
      }
      if received < 0 { continue }
      count += 1
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(descriptor, buffer, received, 0, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length)
        }
      }
    }
    return count
  }

  // MARK: Datagrams

  /// 0, or an errno.
  func send(_ bytes: [UInt8]) -> Int32 {
    let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    return count == bytes.count ? 0 : count < 0 ? errno : EMSGSIZE
  }

  /// nil when nothing came, or an error did.
  func receive() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 70_000)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    return count < 0 ? nil : Array(bytes[..<count])
  }

  // MARK: Streams

  /// Sends so many bytes that nobody can guess, no two blocks of them equal; their SHA-256.
  func pour(_ total: Int) -> [UInt8]? {
    var block = [UInt8](repeating: 0, count: 1 << 20)
    RAND_bytes(&block, Int32(block.count))
    let digest = Digest()
    var sent = 0
    while sent < total {
      var number = UInt64(sent)
      for place in stride(from: 0, to: block.count, by: 4096) {
        block.withUnsafeMutableBytes {
          $0.storeBytes(of: number &* 0x9E37_79B9_7F4A_7C15, toByteOffset: place, as: UInt64.self)
        }
        number &+= 1
      }
      let length = min(block.count, total - sent)
      digest.add(block, length)
      var offset = 0
      while offset < length {
        let count = block.withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress.map { $0 + offset }, length - offset, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return nil }
        offset += count
      }
      sent += length
    }
    shutdown(descriptor, Int32(SHUT_WR))
    return digest.finish()
  }

  /// Reads to the end: how many bytes, and their SHA-256.
  func drain() -> (count: Int, digest: [UInt8]) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    let digest = Digest()
    var total = 0
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return (total, digest.finish()) }
      digest.add(buffer, count)
      total += count
    }
  }

  // MARK: C

  private func check(_ operation: String, _ result: Int32) throws {
    if result < 0 { throw Failure(operation: operation, errno: errno) }
  }

  private func withAddress(
    _ text: String, _ port: UInt16, _ body: (__CONST_SOCKADDR_ARG, socklen_t) -> Int32
  ) -> Int32 {
    guard let ip = IPAddress(text) else { return -1 }
    if ip.family == .ipv4 {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: ip.bytes) }
      return pass(&address, body)
    }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: ip.bytes) }
    return pass(&address, body)
  }

  private func pass<Address>(
    _ address: inout Address, _ body: (__CONST_SOCKADDR_ARG, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body(__CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<Address>.size))
      }
    }
  }
}

/// SHA-256, a piece at a time.
final class Digest {
  private let context = EVP_MD_CTX_new()

  init() { EVP_DigestInit_ex(context, EVP_sha256(), nil) }

  deinit { EVP_MD_CTX_free(context) }

  func add(_ bytes: [UInt8], _ count: Int) { EVP_DigestUpdate(context, bytes, count) }

  func finish() -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &result, nil)
    return result
  }
}
