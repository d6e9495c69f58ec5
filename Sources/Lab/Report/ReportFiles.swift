//  ReportFiles.swift — writing a report where its reader asked for it.

import CLinux
import Glibc

enum ReportFiles {
  /// Makes the directory, and those above it.
  static func makeDirectory(_ path: String) throws(LabError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += made.isEmpty || made == "/" ? String(part) : "/\(part)"
      if mkdir(made, 0o755) != 0 && errno != EEXIST && errno != EISDIR {
        throw .failed("make the directory \(made)", errno)
      }
    }
    // A file of that name would fail only when hours of measuring are over.
    var status = stat()
    if stat(path, &status) != 0 { throw .failed("make the directory \(path)", errno) }
    if status.st_mode & S_IFMT != S_IFDIR { throw .refused("\(path) is a file, and the report needs a directory") }
  }

  static func write(_ files: [(name: String, text: String)], to directory: String) throws(LabError) {
    for file in files { try SmallFile.write(file.text, to: "\(directory)/\(file.name)") }
  }
}
