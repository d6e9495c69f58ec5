//  WireControl.swift — the wire's ear: a datagram socket in the topology's directory, and a sign that somebody listens.
//
//  A path and not an abstract name, because the wire lives in a network namespace and those who ask it do not, and
//  abstract names end at the namespace. For the same reason who asks must bind a path of his own, or the answer does
//  not find him.
//
//  The sign of life is a lock on a file beside it. The socket is none: the ring watches it, and what a ring has to do
//  with is sometimes closed seconds after its process was killed (see Ring); until then one could still connect to it.

import Glibc

struct WireControl: ~Copyable {
  struct Sender {
    fileprivate var address: sockaddr_un
    fileprivate var length: socklen_t
  }

  let descriptor: Int32
  private let lock: Int32
  private let path: String

  static func socketPath(in directory: String) -> String { directory + "/wire.sock" }
  static func lockPath(in directory: String) -> String { directory + "/wire.lock" }

  /// Listens in this directory, in place of a wire that has died. A second one is refused.
  init(directory: String) throws(LabError) {
    let lockPath = WireControl.lockPath(in: directory)
    let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw .failed("make \(lockPath)", errno) }
    var request = WireControl.whole
    guard fcntl(lock, F_OFD_SETLK, &request) == 0 else {
      close(lock)
      throw .refused("\(directory) has a link emulator already")
    }
    let path = WireControl.socketPath(in: directory)
    do throws(LabError) {
      descriptor = try UnixDatagram.bound(to: path)
    } catch {
      close(lock)
      throw error
    }
    self.lock = lock
    self.path = path
    chmod(path, 0o600)
  }

  deinit {
    unlink(path)
    close(descriptor)
    close(lock)
  }

  enum Life {
    case alive, dead
    /// There never was a wire, or nobody knows of one any more.
    case none
  }

  static func life(in directory: String) -> Life {
    let lock = open(lockPath(in: directory), O_RDWR | O_CLOEXEC)
    guard lock >= 0 else { return .none }
    defer { close(lock) }
    // Asking takes no lock: it must not keep a wire from starting.
    var request = whole
    return fcntl(lock, F_OFD_GETLK, &request) == 0 && request.l_type == F_UNLCK ? .dead : .alive
  }

  private static var whole: flock {
    var request = flock()
    request.l_type = Int16(F_WRLCK)
    request.l_whence = Int16(SEEK_SET)
    return request
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
