//  WireProcess.swift — the process that carries a topology's emulated links: starting it and giving it its first
//  word.
//
//  It is this program itself, called `netlab wire DIRECTORY`. It lives in the first node's namespace, where `down`
//  finds it like everything else, in a session of its own, since it outlives us. It says `ready` when its interfaces
//  exist in all namespaces, or `error: …`; who says neither in time is killed.

import CLinux
import Glibc
import POSIX
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
      return try Executable.path
    }
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

extension LabError {
  static func wireIsDead(in directory: String) -> LabError {
    let name = directory.split(separator: "/").last ?? ""
    return .refused(
      "the link emulator of \(name) has died; \(directory)/wire.log may say why, and "
        + "`netlab down \(name)` makes room for another `up`")
  }
}
