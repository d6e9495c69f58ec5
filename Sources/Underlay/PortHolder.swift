//  PortHolder.swift — which program has a UDP port: for the one sentence that says why we did not get it.
//
//  /proc lists the sockets with their ports and inode numbers, and each process's descriptors as links that name
//  inodes. That is all that `ss -p` does. Without root we see our own processes only; then there is nobody to name.

import Glibc
import POSIX

struct PortHolder: CustomStringConvertible {
  let process: Int32
  let name: String

  var description: String { "\(name) (process \(process))" }

  /// It has the port on another interface, as a rule.
  var isOurselves: Bool { process == getpid() }

  /// nil when it cannot be told.
  static func of(port: UInt16) -> PortHolder? {
    let inodes = ["udp", "udp6"].flatMap {
      PortHolder.inodes(in: FileContents.text("/proc/thread-self/net/\($0)", atMost: 4 << 20) ?? "", port: port)
    }
    guard !inodes.isEmpty, let process = process(holding: Set(inodes.map { "socket:[\($0)]" })) else { return nil }
    let name = FileContents.text("/proc/\(process)/comm", atMost: 64).map { $0.prefix { $0 != "\n" } } ?? "a program"
    return PortHolder(process: process, name: String(name))
  }

  /// The lines of /proc/net/udp: number, local address:port, … and the inode as the tenth field.
  static func inodes(in table: String, port: UInt16) -> [Substring] {
    table.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count > 9, let hex = fields[1].split(separator: ":").last, UInt16(hex, radix: 16) == port else {
        return nil
      }
      return fields[9]
    }
  }

  private static func process(holding links: Set<String>) -> Int32? {
    for process in names(in: "/proc").compactMap({ Int32($0) }) {
      let directory = "/proc/\(process)/fd"
      for descriptor in names(in: directory) {
        var target = [CChar](repeating: 0, count: 64)
        let count = readlink("\(directory)/\(descriptor)", &target, target.count)
        if count > 0, links.contains(String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)) {
          return process
        }
      }
    }
    return nil
  }

  private static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names
  }
}
