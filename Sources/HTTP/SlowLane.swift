//  SlowLane.swift — a second thread, for what takes long to answer, so that nobody else waits for it.
//
//  Why.  A server's thread calls the handler for one request at a time. A map of some megabytes takes a tenth of a
//  second to write, and whoever asks a short question meanwhile would wait as long.
//
//  How.  A request that is slow suspends its connection and lies in a queue; the lane's thread calls the handler, puts
//  the answer to the request and resumes the connection. The library then calls us once more, and the answer is there:
//
//      server's thread   slow? ─ suspend ─▶ queue                        ┌─▶ send
//      lane's thread                          └─▶ handler ─ answer ─ resume
//
//  Always true.  (1) At most one request of each connection is in the queue. (2) Whatever was suspended is resumed
//  once: the library cannot stop before. (3) After `end` nothing is taken any more, and what still waits is answered
//  with 503.

import CMicrohttpd
import Glibc
import POSIX

final class SlowLane: Sendable {
  struct Job: Sendable {
    /// The library's, and ours behind its mark, by their addresses: they live until the connection is resumed.
    let connection: UInt
    let conversation: UInt
    let request: HTTPRequest
  }

  private struct State {
    var jobs: [Job] = []
    var isEnding = false
  }

  private let state = Locked(State())
  /// One for each job, and one for the end.
  nonisolated(unsafe) private let bell: UnsafeMutablePointer<sem_t>
  private let work: @Sendable (Job, Bool) -> Void
  private let thread = Locked<Worker?>(nil)

  /// `work` answers a job, and resumes its connection; false: without asking the handler. nil when the system refuses a
  /// thread.
  init?(_ work: @escaping @Sendable (Job, Bool) -> Void) {
    self.work = work
    bell = .allocate(capacity: 1)
    bell.initialize(to: sem_t())
    sem_init(bell, 0, 0)
    var worker = Worker.start("http-slow", { [self] in run() })
    if worker == nil { return nil }
    thread.withLock { $0 = worker.take() }
  }

  deinit {
    sem_destroy(bell)
    bell.deallocate()
  }

  /// False: the lane has ended, and the connection was not suspended.
  func take(_ job: Job) -> Bool {
    let isTaken = state.withLock { state in
      guard !state.isEnding, let connection = OpaquePointer(bitPattern: job.connection) else { return false }
      // Before anybody could resume it.
      MHD_suspend_connection(connection)
      state.jobs.append(job)
      return true
    }
    if isTaken { sem_post(bell) }
    return isTaken
  }

  /// Waits for the job that runs; all others are answered without the handler.
  func end() {
    state.withLock { $0.isEnding = true }
    sem_post(bell)
    thread.withLock { if let worker = $0.take() { worker.join() } }
  }

  private func run() {
    while true {
      while sem_wait(bell) != 0 {}
      let (job, isEnding) = state.withLock { state in
        (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), state.isEnding)
      }
      if let job { work(job, !isEnding) } else if isEnding { return }
    }
  }
}
