//  WireProcess.swift — the process that carries a topology's emulated links: starting it and giving it its first
//  word.
//
//  It is this program itself, called `netlab wire DIRECTORY`. It lives in the first node's namespace, where `down`
//  finds it like everything else, in a session of its own, since it outlives us. It says `ready` when its interfaces
//  exist in all namespaces, or `error: …`; who says neither in time is killed.

import CLinux
import Glibc
import Primitives
import Topology

struct WireProcess {
  let state: LabState
  /// The program to call; nil is this one.
  let executable: String?
  let patience: Interval

  /// Opening 2,048 TAP interfaces takes well below a second; a busy machine may need longer.
  static let patience = Interval.seconds(5)

  func start(in namespace: Namespace) throws(LabError) {
    var options = ChildProcess.Options()
    options.errorOutput = .file(state.wireLog)
    options.hasOwnSession = true
    options.diesWithUs = false
    let wire = try ChildProcess.spawn(
      [try program, "wire", state.directory], in: namespace, options: options)
    let words = wire.firstLine(within: patience)
    if words == "ready" { return }
    wire.kill()
    _ = wire.wait(atMost: .seconds(5))
    if let words, words.hasPrefix("error: ") { throw .refused("the link emulator: \(words.dropFirst(7))") }
    let log = (try? SmallFile.readText(state.wireLog)) ?? ""
    let last = log.split(separator: "\n").last.map { "; its last words: \($0)" } ?? ""
    let fault = words == nil ? "said nothing within \(patience.inSeconds) s" : "ended without a word"
    throw .refused("the link emulator \(fault)\(last)")
  }

  private var program: String {
    get throws(LabError) {
      if let executable { return executable }
      return try WireProcess.ownPath()
    }
  }

  /// `/proc/self/exe` would do, but then process lists would call the wire "exe".
  private static func ownPath() throws(LabError) -> String {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &bytes, bytes.count - 1)
    if count < 0 { throw .failed("find this program's file", errno) }
    let path = String(terminated: bytes)
    // It was replaced since it started (a new build): the old file has no name any more.
    return SmallFile.exists(path) ? path : "/proc/self/exe"
  }
}

extension ChildProcess {
  /// The first line of its output; "" when it ends without one, nil when the time is over.
  func firstLine(within patience: Interval) -> String? {
    let deadline = MonotonicClock.now + patience
    var line: [UInt8] = []
    guard let output else { return "" }
    while line.count < 4_096 {
      var watched = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      let left = millisecondsLeft(until: deadline)
      if poll(&watched, 1, left) <= 0 {
        if left == 0 { return nil }
        continue
      }
      var byte: UInt8 = 0
      let count = read(output, &byte, 1)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 || byte == 10 { break }
      line.append(byte)
    }
    return String(decoding: line, as: UTF8.self)
  }
}

/// The wire's control socket: one datagram with a request, one with the answer.
struct WireRequest {
  let state: LabState

  /// The answer without its `ok`.
  func send(_ request: String, patience: Interval = .seconds(5)) throws(LabError) -> String {
    let fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if fd < 0 { throw .failed("ask the link emulator", errno) }
    defer { close(fd) }
    // Answers go to a path: an abstract name would be one of our network namespace, where the wire is not.
    let own = "\(state.directory)/.request-\(getpid())-\(fd)"
    defer { unlink(own) }
    if withSocketAddress(own, { bind(fd, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }) != 0 {
      throw .failed("ask the link emulator", errno)
    }
    if withSocketAddress(state.wireSocket, { connect(fd, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }) != 0 {
      throw .wireIsDead(state)
    }
    let bytes = Array(request.utf8)
    if Glibc.send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 { throw .wireIsDead(state) }
    var watched = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    var answer = [UInt8](repeating: 0, count: 8_192)
    if poll(&watched, 1, Int32(patience.nanoseconds / 1_000_000)) <= 0 {
      throw .refused("the link emulator of \(state.name) does not answer")
    }
    let count = recv(fd, &answer, answer.count, 0)
    if count < 0 { throw .wireIsDead(state) }
    let text = String(decoding: answer[..<count], as: UTF8.self)
    if text.hasPrefix("error: ") { throw .refused("the link emulator: \(text.dropFirst(7))") }
    return String(text.dropFirst(2).drop { $0 == " " })
  }

  /// Whether somebody listens.
  var isAlive: Bool {
    let fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(fd) }
    return withSocketAddress(state.wireSocket) { connect(fd, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) } == 0
  }
}

extension LabError {
  static func wireIsDead(_ state: LabState) -> LabError {
    .refused(
      "the link emulator of \(state.name) has died; \(state.wireLog) may say why, and "
        + "`netlab down \(state.name)` makes room for another `up`")
  }
}

private func withSocketAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let fits = withUnsafeMutableBytes(of: &address.sun_path) { place in
    guard path.utf8.count < place.count else { return false }
    place.copyBytes(from: path.utf8)
    return true
  }
  if !fits {
    errno = ENAMETOOLONG
    return -1
  }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
  }
}
