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

  /// A piece of a table that grows; its line may go on later.
  static func raw(_ text: String, isJSON: Bool) { write(Array(text.utf8), to: isJSON ? STDERR_FILENO : STDOUT_FILENO) }

  @discardableResult
  private static func write(_ text: String, to descriptor: Int32) -> Bool {
    write(Array(text.utf8) + (text.last == "\n" ? [] : [UInt8(ascii: "\n")]), to: descriptor)
  }

  @discardableResult
  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
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
