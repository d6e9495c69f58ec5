//  WireControl.swift — the wire's ear: a datagram socket in the topology's directory.
//
//  A path and not an abstract name, because the wire lives in a network namespace and those who ask it do not, and
//  abstract names end at the namespace. For the same reason who asks must bind a path of his own, or the answer does
//  not find him.

import Glibc

struct WireControl: ~Copyable {
  struct Sender {
    fileprivate var address: sockaddr_un
    fileprivate var length: socklen_t
  }

  let descriptor: Int32
  private let path: String

  /// Binds `path`, in place of a socket that a dead wire left there.
  init(path: String) throws(LabError) {
    let descriptor = try UnixDatagram.bound(to: path)
    self.descriptor = descriptor
    self.path = path
    chmod(path, 0o600)
  }

  deinit {
    close(descriptor)
    unlink(path)
  }

  /// The next request, or nil when none is waiting.
  func receive() -> (text: String, sender: Sender)? {
    var bytes = [UInt8](repeating: 0, count: WireRequest.mostBytes + 1)
    var sender = Sender(address: sockaddr_un(), length: socklen_t(MemoryLayout<sockaddr_un>.size))
    let count = withUnsafeMutablePointer(to: &sender.address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(
          descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT), __SOCKADDR_ARG(__sockaddr__: $0),
          &sender.length)
      }
    }
    guard count >= 0 else { return nil }
    return (String(decoding: bytes[..<count], as: UTF8.self), sender)
  }

  /// Whoever does not take his answer goes without.
  func reply(_ text: String, to sender: Sender) {
    var sender = sender
    withUnsafeMutablePointer(to: &sender.address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(
          descriptor, text, text.utf8.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL),
          __CONST_SOCKADDR_ARG(__sockaddr__: $0), sender.length)
      }
    }
  }
}

/// Unix datagram sockets by path.
enum UnixDatagram {
  static func bound(to path: String) throws(LabError) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .failed("make a socket", errno) }
    unlink(path)
    let error = withAddress(path) { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
    guard error == 0 else {
      close(descriptor)
      throw .failed("bind \(path)", error)
    }
    return descriptor
  }

  static func connect(_ descriptor: Int32, to path: String) -> Int32 {
    withAddress(path) { Glibc.connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
  }

  /// 0, or the errno.
  private static func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
      guard path.utf8.count < room.count else { return false }
      room.copyBytes(from: path.utf8)
      return true
    }
    guard fits else { return ENAMETOOLONG }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        call($0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 ? 0 : errno
      }
    }
  }
}
