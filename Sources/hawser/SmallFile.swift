//  SmallFile.swift — a file, whole, with what its owner lets others do with it; wiped when nobody needs it any more.
//
//  There may be a secret in it. So the bytes get one place of the right size, since an array that grows leaves its old
//  contents behind, and whoever reads them keeps no copy.

import Glibc
import Sealing

final class SmallFile: Sendable {
  // Changed by its initialiser and its end only.
  nonisolated(unsafe) private(set) var bytes: [UInt8]
  /// The lower nine bits of its mode; nil for what is no regular file, such as a pipe.
  let permissions: UInt32?

  struct Failure: Error {
    let code: Int32
    /// "No such file or directory"
    var reason: String { String(cString: strerror(code)) }
  }

  /// Reads one byte more than `limit` at most, so that whoever has a limit sees that it was passed.
  convenience init(_ path: String, limit: Int) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(code: errno) }
    defer { close(descriptor) }
    try self.init(reading: descriptor, limit: limit)
  }

  init(reading descriptor: Int32, limit: Int) throws(Failure) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Failure(code: errno) }
    let isFile = status.st_mode & S_IFMT == S_IFREG
    permissions = isFile ? status.st_mode & 0o777 : nil
    let size = isFile ? min(limit, Int(status.st_size)) : limit
    bytes = [UInt8](repeating: 0, count: size + 1)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { place in
        let rest = UnsafeMutableRawBufferPointer(rebasing: place[filled...])
        return Glibc.read(descriptor, rest.baseAddress, rest.count)
      }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw Failure(code: errno) }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(bytes.count - filled)
  }

  deinit { bytes.withUnsafeMutableBytes { wipe($0) } }
}
