//  Progress.swift — showing that something happens, on standard error: standard output stays what was asked for.
//
//  At a terminal one line is written over and over; elsewhere (a file, CI) every state is a line of its own, for
//  there nobody sees a line change, and carriage returns make logs unreadable.

import Glibc

public final class Progress {
  private let isTerminal: Bool
  private let isQuiet: Bool
  private var isLineOpen = false

  /// Without a terminal, a quiet one tells only what begins, and not every half second.
  public init(isQuiet: Bool = false) {
    self.isQuiet = isQuiet
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  deinit { finish() }

  /// What begins now.
  func say(_ text: String) { put(text) }

  /// How it goes.
  func update(_ text: String) {
    if isTerminal || !isQuiet { put(text) }
  }

  /// Before something else is written.
  func finish() {
    if isLineOpen { write("\r\u{1b}[K") }
    isLineOpen = false
  }

  private func put(_ text: String) {
    if isTerminal {
      write("\r\u{1b}[K  " + text)
      isLineOpen = true
    } else {
      write("  " + text + "\n")
    }
  }

  private func write(_ text: String) { writeAll(text, to: STDERR_FILENO) }
}

/// Writes text to a descriptor. A reader that went away is no reason to stop measuring.
func writeAll(_ text: String, to descriptor: Int32) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    if count <= 0 { return }
    rest = rest.dropFirst(count)
  }
}
