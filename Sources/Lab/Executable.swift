//  Executable.swift — where the file of this program lies, and hence where the others of the same build are.

import Glibc

enum Executable {
  /// `/proc/self/exe` would do to run it again, but then process lists would call it "exe".
  static var path: String {
    get throws(LabError) {
      let path = try linked
      // It was replaced since it started (a new build): the old file has no name any more.
      return SmallFile.exists(path) ? path : "/proc/self/exe"
    }
  }

  /// The path of a program in the same directory as this one (or as `other`), whether it is there or not.
  static func beside(_ name: String, of other: String? = nil) throws(LabError) -> String {
    let own: String
    if let other { own = other } else { own = try linked }
    return own.prefix(through: own.lastIndex(of: "/") ?? own.startIndex) + name
  }

  /// Where this program lies.
  static var directory: String {
    get throws(LabError) { String(try beside("").dropLast()) }
  }

  private static var linked: String {
    get throws(LabError) {
      var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
      let count = readlink("/proc/self/exe", &bytes, bytes.count - 1)
      if count < 0 { throw .failed("find this program's file", errno) }
      return String(terminated: bytes)
    }
  }
}
