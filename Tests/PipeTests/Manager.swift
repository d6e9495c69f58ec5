//  Manager.swift — a service manager as far as our programs talk to one: it hears what they say, keeps descriptors, and
//  gives them to the next process.
//
//  systemd does the same in many more lines (sd_notify(3), sd_listen_fds(3)). What is kept is closed when this object
//  goes, as it is when a service is stopped.

import Foundation
import Glibc
import Primitives
import Testing

final class Manager {
  struct Kept: Equatable {
    let name: String
    let descriptor: Int32
  }

  let path: String
  private let socket: Int32
  /// Every line that was said, in its order.
  private(set) var lines: [String] = []
  private(set) var kept: [Kept] = []
  private(set) var process: pid_t?

  init(_ folder: Folder) throws {
    path = folder.path + "/notify"
    socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    try #require(socket >= 0)
    try Manager.bind(socket, to: path)
  }

  deinit {
    if let process {
      kill(process, SIGKILL)
      waitpid(process, nil, 0)
    }
    letGo()
    close(socket)
  }

  /// As `systemctl stop` does with what it kept.
  func letGo() {
    for one in kept { close(one.descriptor) }
    kept = []
  }

  static func bind(_ socket: Int32, to path: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    try #require(path.utf8.count < MemoryLayout.size(ofValue: address.sun_path))
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(socket, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(result == 0)
  }

  // MARK: Processes

  /// Starts a program as a service does: with what was kept as descriptors from 3 on. `shell` are lines that run first.
  func start(
    _ command: [String], log: String, patience: Interval? = nil, shell: String = "", environment: [String] = []
  ) throws {
    try #require(process == nil)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    // Out of the way first: one of them may have the number of another's place.
    for (index, one) in kept.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, one.descriptor, 200 + Int32(index))
    }
    for index in kept.indices {
      posix_spawn_file_actions_adddup2(&actions, 200 + Int32(index), 3 + Int32(index))
      posix_spawn_file_actions_addclose(&actions, 200 + Int32(index))
    }
    var variables = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
    variables.append("NOTIFY_SOCKET=\(path)")
    variables += environment
    if !kept.isEmpty {
      variables += ["LISTEN_FDS=\(kept.count)", "LISTEN_FDNAMES=\(kept.map(\.name).joined(separator: ":"))"]
    }
    if let patience { variables.append("WATCHDOG_USEC=\(patience.nanoseconds / 1_000)") }
    // Threads of a pool block signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    // The shell has the process's number before the program has it.
    let script = "export LISTEN_PID=$$ WATCHDOG_PID=$$; \(shell)\nexec \"$@\""
    let words = (["/bin/sh", "-ec", script, "sh"] + command).map { strdup($0) } + [nil]
    let values = variables.map { strdup($0) } + [nil]
    defer { for word in words + values { free(word) } }
    var started: pid_t = 0
    try #require(posix_spawn(&started, "/bin/sh", &actions, &attributes, words, values) == 0)
    process = started
  }

  /// By a signal, and waits for its end.
  @discardableResult
  func end(_ signal: Int32) throws -> Int32 {
    let number = try #require(process)
    kill(number, signal)
    var status: Int32 = 0
    try #require(
      eventually(.seconds(10)) {
        listen()
        return waitpid(number, &status, WNOHANG) == number
      }, "it does not end")
    process = nil
    listen()
    return status
  }

  // MARK: What it says

  func waits(_ patience: Interval = .seconds(10), for line: String) -> Bool {
    eventually(patience) {
      listen()
      return lines.contains { $0.hasPrefix(line) }
    }
  }

  /// What was said since the last call.
  func takeLines() -> [String] {
    listen()
    defer { lines = [] }
    return lines
  }

  private func listen() {
    while let (text, descriptors) = receive() {
      let words = text.split(separator: "\n").map(String.init)
      lines += words
      let name = words.first { $0.hasPrefix("FDNAME=") }.map { String($0.dropFirst(7)) } ?? "stored"
      if words.contains("FDSTORE=1") {
        kept += descriptors.map { Kept(name: name, descriptor: $0) }
        continue
      }
      for descriptor in descriptors { close(descriptor) }
      if words.contains("FDSTOREREMOVE=1") {
        for one in kept where one.name == name { close(one.descriptor) }
        kept.removeAll { $0.name == name }
      }
    }
  }

  private func receive() -> (text: String, descriptors: [Int32])? {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    // One header and at most some descriptors behind it; aligned as the kernel wants it.
    var control = [UInt64](repeating: 0, count: 32)
    var header = msghdr()
    let count = bytes.withUnsafeMutableBytes { bytes in
      control.withUnsafeMutableBytes { control in
        var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return withUnsafeMutablePointer(to: &vector) { vector in
          header.msg_iov = vector
          header.msg_iovlen = 1
          header.msg_control = control.baseAddress
          header.msg_controllen = control.count
          return recvmsg(socket, &header, Int32(MSG_CMSG_CLOEXEC))
        }
      }
    }
    if count < 0 { return nil }
    var descriptors: [Int32] = []
    control.withUnsafeBytes { control in
      let length = Int(control.loadUnaligned(as: UInt64.self))
      if header.msg_controllen < 20 || length < 20 { return }
      for at in stride(from: 16, to: min(length, control.count), by: 4) {
        descriptors.append(control.loadUnaligned(fromByteOffset: at, as: Int32.self))
      }
    }
    return (String(decoding: bytes[..<count], as: UTF8.self), descriptors)
  }
}
