//  SmallFile.swift — a file, whole, with what its owner lets others do with it. Secrets may be in it: the caller wipes.

import Glibc
import Sealing

struct SmallFile: ~Copyable {
  private(set) var bytes: [UInt8] = []
  /// The lower nine bits of its mode; nil for what is no regular file, such as a pipe.
  private(set) var permissions: UInt32?

  struct Failure: Error {
    let errno: Int32
    var reason: String { String(cString: strerror(self.errno)) }
  }

  /// Reads one byte more than `limit` at most, so that whoever has a limit sees that it was passed.
  init(_ path: String, limit: Int) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(errno: errno) }
    defer { close(descriptor) }
    try self.init(reading: descriptor, limit: limit)
  }

  init(reading descriptor: Int32, limit: Int) throws(Failure) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Failure(errno: errno) }
    permissions = status.st_mode & S_IFMT == S_IFREG ? status.st_mode & 0o777 : nil
    // One place for all of it: an array that grows leaves its old contents behind.
    let room = limit + 1
    let expected = status.st_mode & S_IFMT == S_IFREG ? min(room, Int(status.st_size) + 1) : room
    var place = [UInt8](repeating: 0, count: expected)
    var filled = 0
    var failure: Failure?
    while filled < place.count {
      let count = place[filled...].withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { failure = Failure(errno: errno) }
      if count <= 0 { break }
      filled += count
    }
    if let failure { throw failure }
    place.removeLast(place.count - filled)
    bytes = place
  }

  mutating func erase() { bytes.withUnsafeMutableBytes { wipe($0) } }

  deinit {
    // `erase` was for those who are done earlier; nobody leaves this without it.
    var bytes = bytes
    bytes.withUnsafeMutableBytes { wipe($0) }
  }
}
