//  System.swift — small questions to Linux: the beginning of a file of /proc, the name of an error.

import Glibc
import POSIX

/// The first bytes of a file; nil when it cannot be read. A limit, because /proc/cpuinfo of a large machine is half a
/// megabyte and repeats itself.
func contents(of path: String, limit: Int = 16_384) -> String? { FileContents.text(path, atMost: limit) }

/// A file that holds one number.
func number(in path: String) -> Int? {
  contents(of: path).flatMap { Int($0.prefix { !$0.isNewline }) }
}

/// The value of a line "Name:   value".
func field(_ name: String, in text: String) -> String? {
  for line in text.split(separator: "\n") {
    let halves = line.split(separator: ":", maxSplits: 1)
    if halves.count == 2, halves[0].filter({ $0 != "\t" && $0 != " " }) == name {
      return String(halves[1].drop { $0 == " " || $0 == "\t" })
    }
  }
  return nil
}

/// "EPERM, Operation not permitted"
func described(_ error: Int32) -> String {
  let sentence = String(cString: strerror(error))
  return strerrorname_np(error).map { "\(String(cString: $0)), \(sentence)" } ?? sentence
}
