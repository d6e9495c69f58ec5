//  Server.swift — the oracle that is measured: started on a core of its own, and what the kernel says of it.

import Glibc
import Lab
import POSIX
import Primitives

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

final class Server {
  let port: UInt16
  let child: ChildProcess

  /// `core` nil: wherever it likes.
  init(_ program: String, configuration: String, port: UInt16, core: Int?) throws {
    self.port = port
    var options = ChildProcess.Options()
    (options.output, options.errorOutput) = (.null, .inherited)
    let pinned = core.map { ["taskset", "--cpu-list", "\($0)"] } ?? []
    child = try ChildProcess.spawn(pinned + [program, "serve", "--config", configuration], options: options)
    for _ in 0..<6_000 {
      if !child.isRunning { throw Trouble("the oracle has ended: \(child.wait().map { "\($0)" } ?? "")") }
      if Server.isListening(port) { return }
      _ = poll(nil, 0, 10)
    }
    throw Trouble("the oracle does not listen")
  }

  private static func isListening(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(
          descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  /// A port that nobody had a moment ago.
  static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length) == 0
          && getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: $0), &length) == 0
      }
    }
    if !isBound { throw Trouble("there is no free port") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// CPU that it has used so far.
  var used: Interval {
    let text = FileContents.text("/proc/\(child.processID)/stat", atMost: 4_096) ?? ""
    // Behind the name, which may have blanks in it: state is the first, utime the twelfth.
    let words = (text.split(separator: ")").last ?? "").split(separator: " ")
    guard words.count > 12, let user = Int64(words[11]), let system = Int64(words[12]) else { return .zero }
    return .milliseconds((user + system) * 1_000 / Int64(sysconf(Int32(_SC_CLK_TCK))))
  }

  /// In bytes: now, and the most it ever was.
  var resident: (now: Int, most: Int) {
    let text = FileContents.text("/proc/\(child.processID)/status", atMost: 8_192) ?? ""
    func bytes(_ key: String) -> Int {
      let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") } ?? ""
      return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }
    return (bytes("VmRSS"), bytes("VmHWM"))
  }

  /// Puts this process on one core.
  static func pinOurselves(to core: Int) {
    var set = cpu_set_t()
    withUnsafeMutableBytes(of: &set) { $0[core / 8] = 1 << UInt8(core % 8) }
    sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set)
  }
}
