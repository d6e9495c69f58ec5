//  TextFile.swift — reads and writes small files, whole.

import Glibc
import POSIX

enum TextFile {
  static func read(_ path: String, atMost limit: Int, hint: String) throws(Refused) -> [UInt8] {
    let bytes: [UInt8]
    do throws(FileContents.Failure) {
      bytes = try FileContents.read(path, atMost: limit + 1)
    } catch {
      throw .system("cannot open '\(path)': \(error)")
    }
    if bytes.count > limit { throw .usage("\(path): larger than \(limit) bytes; \(hint)") }
    return bytes
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

  /// At once, and false when nobody reads any more.
  static func say(_ line: String) -> Bool { put(line + "\n", on: STDOUT_FILENO) }

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
