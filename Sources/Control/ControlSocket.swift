//  ControlSocket.swift — the Unix socket that a gateway is asked at: made safely, found again, never stolen.
//
//  A socket's file outlives its process. So whoever finds one knocks first: when somebody answers it is in use, when
//  nobody does it is what a killed gateway left behind, and is replaced. The mode is 0660 from its first moment on:
//  the file is born without rights for others and never loses any afterwards.

import Glibc

enum ControlSocket {
  /// The owner and a group that he chooses; the file's group is the process's.
  static let mode: mode_t = 0o660
  /// More wait in vain only while all connections are busy.
  static let backlog: Int32 = 16

  /// A listening socket at this path, in place of a dead one.
  static func listen(at path: String) throws(ControlFailure) -> Int32 {
    try makeDirectory(of: path)
    try clear(path)
    let descriptor = try make(path, nonBlocking: true)
    // A socket that is bound gets the mode of its descriptor, without what the process's umask forbids.
    fchmod(descriptor, mode)
    guard let error = withAddress(path, { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }) else {
      close(descriptor)
      throw .pathTooLong(path: path)
    }
    if error == 0, chmod(path, mode) == 0, Glibc.listen(descriptor, backlog) == 0 { return descriptor }
    let code = error == 0 ? errno : error
    close(descriptor)
    throw .failed("listen on", path: path, errno: code)
  }

  /// A connection to whoever listens there.
  static func connect(to path: String) throws(ControlFailure) -> Int32 {
    let descriptor = try make(path, nonBlocking: false)
    guard let error = withAddress(path, { Glibc.connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) })
    else {
      close(descriptor)
      throw .pathTooLong(path: path)
    }
    if error == 0 { return descriptor }
    close(descriptor)
    if error == ENOENT || error == ECONNREFUSED || error == ENOTDIR { throw .nobody(path: path) }
    throw .failed("reach the gateway at", path: path, errno: error)
  }

  /// /run/hawser does not survive a restart of the machine; only the last directory is made.
  private static func makeDirectory(of path: String) throws(ControlFailure) {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
    let directory = String(path[..<slash])
    if mkdir(directory, 0o755) == 0 || errno == EEXIST { return }
    throw .failed("make", path: directory, errno: errno)
  }

  /// Removes what a dead gateway left; refuses what is alive or was never ours.
  private static func clear(_ path: String) throws(ControlFailure) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
    let connection: Int32
    do throws(ControlFailure) {
      connection = try connect(to: path)
    } catch {
      guard case .nobody = error else { throw error }
      if unlink(path) == 0 || errno == ENOENT { return }
      throw .failed("remove the old", path: path, errno: errno)
    }
    close(connection)
    throw .inUse(path: path)
  }

  private static func make(_ path: String, nonBlocking: Bool) throws(ControlFailure) -> Int32 {
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (nonBlocking ? SOCK_NONBLOCK.rawValue : 0)
    let descriptor = socket(AF_UNIX, Int32(type), 0)
    if descriptor < 0 { throw .failed("make a socket for", path: path, errno: errno) }
    return descriptor
  }

  /// 0 or the errno; nil when the path does not fit.
  private static func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
      guard path.utf8.count < room.count else { return false }
      room.copyBytes(from: path.utf8)
      return true
    }
    guard fits else { return nil }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        call($0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 ? 0 : errno
      }
    }
  }
}
