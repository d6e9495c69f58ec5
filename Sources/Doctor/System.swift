//  System.swift — small questions to Linux: the beginning of a file of /proc, the name of an error.

import Glibc

/// The first bytes of a file; nil when it cannot be read. A limit, because /proc/cpuinfo of a large machine is half a
/// megabyte and repeats itself.
func contents(of path: String, limit: Int = 16_384) -> String? {
  let fd = open(path, O_RDONLY | O_CLOEXEC)
  guard fd >= 0 else { return nil }
  defer { close(fd) }
  var bytes = [UInt8](repeating: 0, count: limit)
  var count = 0
  while count < limit {
    let more = bytes.withUnsafeMutableBytes {
      read(fd, UnsafeMutableRawBufferPointer(rebasing: $0[count...]).baseAddress, limit - count)
    }
    if more <= 0 { break }
    count += more
  }
  return String(decoding: bytes[..<count], as: UTF8.self)
}

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
