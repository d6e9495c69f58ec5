//  Output.swift — to standard output what was asked for, to standard error what went wrong.

import Glibc

enum Output {
  /// Prints text, with the newline that it lacks. False when the reader is gone or the disk is full.
  @discardableResult
  static func write(_ text: String) -> Bool {
    write(Array(text.utf8) + (text.last == "\n" ? [] : [UInt8(ascii: "\n")]), to: STDOUT_FILENO)
  }

  /// What is wrong, a sentence a line.
  static func complain(_ text: String) {
    _ = write(Array(text.utf8) + (text.last == "\n" ? [] : [UInt8(ascii: "\n")]), to: STDERR_FILENO)
  }

  /// Bytes as they are.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }
}
