//  TextFile.swift — reads and writes small files, whole.

import Glibc

enum TextFile {
  static func read(_ path: String, atMost limit: Int) throws(Refused) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw .system("cannot open '\(path)': \(reason(errno))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var block = Array(repeating: UInt8(0), count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw .system("cannot read '\(path)': \(reason(errno))") }
      if count == 0 { return bytes }
      bytes += block[..<count]
      if bytes.count > limit { throw .usage("\(path): larger than \(limit) bytes; a histogram is much smaller") }
    }
  }

  static func write(_ text: String, to path: String) throws(Refused) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if descriptor < 0 { throw .system("cannot write '\(path)': \(reason(errno))") }
    if !put(text, on: descriptor) {
      let failure = errno
      close(descriptor)
      throw .system("cannot write '\(path)': \(reason(failure))")
    }
    // Some file systems tell only now that there was no room.
    if close(descriptor) != 0 { throw .system("cannot write '\(path)': \(reason(errno))") }
  }

  static func complain(_ line: String) { _ = put(line + "\n", on: STDERR_FILENO) }

  /// Everything, or false and errno.
  private static func put(_ text: String, on descriptor: Int32) -> Bool {
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      let count = bytes[at...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno != EINTR { return false }
      at += max(0, count)
    }
    return true
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
