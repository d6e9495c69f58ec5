//  SmallFiles.swift — reading and writing the few small files that the lab lives by.

import Glibc
import POSIX

enum SmallFile {
  /// No file of the lab's state is larger: a topology's text is bounded by `Topology.Limits`.
  static let mostBytes = 8 << 20

  static func read(_ path: String) throws(LabError) -> [UInt8] {
    let bytes: [UInt8]
    do throws(FileContents.Failure) {
      bytes = try FileContents.read(path, atMost: mostBytes + 1)
    } catch {
      throw .failed("read \(path)", error.errno)
    }
    if bytes.count > mostBytes { throw .refused("cannot read \(path): it is larger than \(mostBytes >> 20) MiB") }
    return bytes
  }

  static func readText(_ path: String) throws(LabError) -> String {
    String(decoding: try read(path), as: UTF8.self)
  }

  /// The file is there with all of its text, or it is not there: who reads it never sees half.
  static func write(_ text: String, to path: String) throws(LabError) {
    try write(Array(text.utf8), to: path, permissions: 0o644)
  }

  static func write(_ bytes: [UInt8], to path: String, permissions: mode_t) throws(LabError) {
    let draft = path + ".draft"
    // What an interrupted one left may have been for other eyes.
    unlink(draft)
    let fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions)
    if fd < 0 { throw .failed("write \(path)", errno) }
    let error = put(bytes, into: fd)
    close(fd)
    if error == 0, rename(draft, path) == 0 { return }
    let failure = LabError.failed("write \(path)", error == 0 ? errno : error)
    unlink(draft)
    throw failure
  }

  /// Into a file that exists already and is no ordinary one, such as those below /proc/sys.
  static func set(_ path: String, _ text: String) throws(LabError) {
    let fd = open(path, O_WRONLY | O_CLOEXEC)
    if fd < 0 { throw .failed("set \(path) to \(text)", errno) }
    let error = put(Array(text.utf8), into: fd)
    close(fd)
    if error != 0 { throw .failed("set \(path) to \(text)", error) }
  }

  /// The names in a directory, sorted; empty when there is no such directory.
  static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// 0, or an errno.
  private static func put(_ bytes: [UInt8], into fd: Int32) -> Int32 {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { return errno }
      done += count
    }
    return 0
  }
}

extension String {
  /// From a buffer that C wrote a string into.
  init(terminated buffer: [CChar]) {
    self.init(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
