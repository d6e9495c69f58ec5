//  SeedWorkers.swift — many seeds in several processes, so that a trap costs its seed alone.
//
//  Why.  A survey of ten thousand topologies runs for hours; one that traps must not take the others along, one that
//  never ends must not hold them up, and two processors shall both have work.
//
//  How.  Each worker is this program again (`seeds`), with every n-th seed, and says `begin SEED` before and a
//  Finding's line after each. A worker that ends early has trapped in the seed that it began; one that is silent for
//  too long is ended. Both are noted with the seed, and another worker goes on behind it.
//
//  Always true.  Every seed has one finding, or was not begun when the time was over. Not here: what is asked of a
//  seed.

import Glibc
import Primitives

struct SeedWorkers {
  /// The slowest of ten thousand took 40 s beside compilers.
  static let patience = 300.0

  var program = "/proc/self/exe"
  /// What follows the name in a worker's command; `--first`, `--seeds`, `--step` come behind.
  var words: [String]
  var first: UInt64
  var count: UInt64
  var processes: Int
  /// In seconds; no seed is begun after that.
  var time: Double

  private struct Worker {
    var process: pid_t
    var output: Int32
    /// The next seed that it has not answered for.
    var next: UInt64
    var begun: UInt64?
    var text: [UInt8] = []
    var heard: Double
  }

  /// Calls `found` with each finding as it comes.
  func run(_ found: (Finding) -> Void) throws(SpawnFailure) {
    let start = SeedWorkers.now()
    let step = UInt64(max(1, processes))
    var workers: [Worker] = []
    for number in 0..<min(step, count) { workers.append(try spawn(from: first + number)) }
    defer { for worker in workers { SeedWorkers.end(worker) } }
    while !workers.isEmpty, SeedWorkers.now() - start < time {
      var watched = workers.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
      poll(&watched, nfds_t(watched.count), 500)
      for index in workers.indices.reversed() {
        var worker = workers[index]
        let isOver = watched[index].revents != 0 && !SeedWorkers.read(&worker, found, step)
        let isStuck = SeedWorkers.now() - worker.heard > SeedWorkers.patience
        workers[index] = worker
        if !isOver && !isStuck { continue }
        workers.remove(at: index)
        let signal = SeedWorkers.end(worker)
        if worker.next >= first + count { continue }
        var finding = Finding(seed: worker.begun ?? worker.next)
        finding.failures = isStuck ? "no end after \(Int(SeedWorkers.patience)) s" : "trap: signal \(signal)"
        found(finding)
        if finding.seed + step < first + count { workers.append(try spawn(from: finding.seed + step)) }
      }
    }
  }

  struct SpawnFailure: Error, CustomStringConvertible { let description: String }

  private func spawn(from seed: UInt64) throws(SpawnFailure) -> Worker {
    let step = UInt64(max(1, processes))
    let left = (first + count - seed + step - 1) / step
    let command = words + ["--first", "\(seed)", "--seeds", "\(left)", "--step", "\(step)"]
    var ends: [Int32] = [0, 0]
    guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SpawnFailure(description: "cannot make a pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    var arguments = (["bond-bench"] + command).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let error = posix_spawn(&process, program, &actions, nil, &arguments, environ)
    close(ends[1])
    if error != 0 {
      close(ends[0])
      throw SpawnFailure(description: "cannot start a worker: \(String(cString: strerror(error)))")
    }
    return Worker(process: process, output: ends[0], next: seed, begun: nil, heard: SeedWorkers.now())
  }

  /// False: it has no more to say.
  private static func read(_ worker: inout Worker, _ found: (Finding) -> Void, _ step: UInt64) -> Bool {
    var piece = [UInt8](repeating: 0, count: 16 << 10)
    let count = Glibc.read(worker.output, &piece, piece.count)
    if count <= 0 { return count < 0 && errno == EINTR }
    worker.heard = now()
    worker.text += piece[..<count]
    while let end = worker.text.firstIndex(of: UInt8(ascii: "\n")) {
      let line = String(decoding: worker.text[..<end], as: UTF8.self)
      worker.text.removeFirst(end + 1)
      if line.hasPrefix("begin ") {
        worker.begun = UInt64(line.dropFirst(6))
      } else if let finding = Finding(line: line) {
        worker.next = finding.seed + step
        worker.begun = nil
        found(finding)
      }
    }
    return true
  }

  /// The signal that ended it; 0: it ended by itself.
  @discardableResult private static func end(_ worker: Worker) -> Int32 {
    close(worker.output)
    var status: Int32 = 0
    // Its last line is read: it is about to end, or shall.
    for _ in 0..<100 where waitpid(worker.process, &status, WNOHANG) == 0 { usleep(10_000) }
    if kill(worker.process, 0) == 0 {
      kill(worker.process, SIGKILL)
      waitpid(worker.process, &status, 0)
    }
    return status & 0x7f
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
