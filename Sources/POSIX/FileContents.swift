//  FileContents.swift — the beginning of a file, in one read: a text that somebody wrote, or a file of /proc.
//
//  There is always a limit: a file that grows, or a device that never ends, is read no further. Whoever must know that
//  there is more asks for one byte more than he takes.

import Glibc

public enum FileContents {
  public struct Failure: Error, Equatable, CustomStringConvertible {
    public let errno: Int32
    /// "No such file or directory"
    public var description: String { String(cString: strerror(errno)) }
  }

  /// At most `limit` bytes, from the first on.
  public static func read(_ path: String, atMost limit: Int) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(errno: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: min(limit, 64 << 10))
    while bytes.count < limit {
      let count = Glibc.read(descriptor, &piece, min(piece.count, limit - bytes.count))
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw Failure(errno: errno) }
      if count == 0 { break }
      bytes += piece[..<count]
    }
    return bytes
  }

  /// For what may be missing: nil when it cannot be read.
  public static func text(_ path: String, atMost limit: Int) -> String? {
    (try? read(path, atMost: limit)).map { String(decoding: $0, as: UTF8.self) }
  }
}
