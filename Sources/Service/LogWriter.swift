//  LogWriter.swift — a thread that writes lines, so that nobody else waits for a disk, a pipe or a journal.
//
//  The queue is bounded: when whoever takes the lines does not, the newest are dropped and counted, and the count is
//  written when there is room. `LogLimit` lets less through than fits, unless nothing is taken for minutes.

import Glibc
import POSIX

final class LogWriter: Sendable {
  /// Some hundred kilobytes at most.
  static let most = 1_024

  private struct Queue {
    var lines: [LogLine] = []
    var dropped = 0
    var isWriting = false
  }
  private let queue = Locked(Queue())
  /// Counts what was put and not yet looked at.
  private nonisolated(unsafe) let ready: UnsafeMutablePointer<sem_t>
  private let write: @Sendable (LogLine) -> Void

  /// There is one for each process, and its thread ends with that.
  init(_ write: @escaping @Sendable (LogLine) -> Void) {
    self.write = write
    ready = .allocate(capacity: 1)
    ready.initialize(to: sem_t())
    sem_init(ready, 0, 0)
    guard let worker = Worker.start("log", { [self] in run() }) else {
      preconditionFailure("a process that starts can have a thread more")
    }
    worker.detach()
  }

  deinit {
    sem_destroy(ready)
    ready.deallocate()
  }

  func put(_ line: LogLine) {
    queue.withLock { queue in
      if queue.lines.count < LogWriter.most { queue.lines.append(line) } else { queue.dropped += 1 }
    }
    sem_post(ready)
  }

  /// Waits until everything is written, a second at most.
  func finish() {
    for _ in 0..<200 {
      if queue.withLock({ $0.lines.isEmpty && !$0.isWriting }) { return }
      usleep(5_000)
    }
  }

  private func run() {
    // Signals are for the threads that expect them.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
    while true {
      while sem_wait(ready) != 0 {}
      var (lines, dropped) = queue.withLock { queue in
        defer {
          queue.isWriting = !queue.lines.isEmpty
          queue.lines = []
          queue.dropped = 0
        }
        return (queue.lines, queue.dropped)
      }
      if dropped > 0 {
        let text = "\(dropped) lines are missing here: nobody took them in time"
        lines.append(LogLine(event: .notice, text: text))
      }
      for line in lines { write(line) }
      queue.withLock { $0.isWriting = false }
    }
  }
}
