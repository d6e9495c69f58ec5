//  Output.swift — to standard output what was asked for, to standard error what went wrong.

import Glibc

enum Output {
  /// Prints text, with the newline that it lacks. False when the reader is gone or the disk is full.
  @discardableResult
  static func write(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

  /// What is being done, for whoever watches.
  static func remark(_ text: String) { write(text, to: STDERR_FILENO) }

  /// One sentence about what is wrong.
  static func complain(_ sentence: String) { write(sentence, to: STDERR_FILENO) }

  @discardableResult
  private static func write(_ text: String, to descriptor: Int32) -> Bool {
    var bytes = Array(text.utf8)
    if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + sent, bytes.count - sent) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }
}
