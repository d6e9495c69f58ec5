//  Inquiry.swift — asks again for names that had no address when the gateway started.
//
//  Why.  At boot the resolver is often later than we are, and the line to it may be one that we carry ourselves. So a
//  name without an address is no reason not to start, and must not stay one for not being reached.
//
//  How.  A thread of its own, since asking may take seconds; it ends when all names have an address. An answer lies
//  here until the loop, which is woken for it, takes it between two turns.
//
//      thread   ask each name ──▶ lay down the answers ──▶ wake the loop ──▶ wait 1 s, 2 s, 4 s … 60 s ──▶ again
//      loop     woken: take them, tell the engine
//
//  Rejected.  Asking again for names that have an address: a peer that moves tells us so by itself, over any path that
//  still leads to us.
//
//  Always true.  (1) The thread shares nothing with the loop but what the lock guards. (2) There is at most one answer
//  for each name.

import Glibc
import POSIX
import Primitives
import Synchronization
import Underlay

final class Inquiry: Sendable {
  /// Soon, because at boot it is a matter of seconds; and never so often that a name server minds.
  static let firstPause = Interval.seconds(1)
  static let lastPause = Interval.seconds(60)

  struct Answer: Sendable {
    let name: Gateway.EndpointName
    let endpoints: [Endpoint]
  }

  private let answers = Mutex<[Answer]>([])
  private let isOver = Atomic<Bool>(false)
  private let wake: @Sendable () -> Void

  /// `wake` is called on the thread, after an answer was laid down.
  private init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

  /// nil when there is nothing to ask, or no thread to be had: then it stays with what is known.
  static func start(_ names: [Gateway.EndpointName], wake: @escaping @Sendable () -> Void) -> Inquiry? {
    if names.isEmpty { return nil }
    let inquiry = Inquiry(wake: wake)
    let work = Work(inquiry, names)
    guard let worker = Worker.start("names", { work.run() }) else { return nil }
    worker.detach()
    return inquiry
  }

  /// What has been found since the last call.
  func take() -> [Answer] {
    answers.withLock { answers in
      defer { answers = [] }
      return answers
    }
  }

  /// Nobody wants to know any more. A question that is open is waited for, and its answer lies here.
  func end() { isOver.store(true, ordering: .relaxed) }

  private final class Work {
    private let inquiry: Inquiry
    private var names: [Gateway.EndpointName]

    init(_ inquiry: Inquiry, _ names: [Gateway.EndpointName]) {
      self.inquiry = inquiry
      self.names = names
    }

    func run() {
      var pause = Inquiry.firstPause
      while !names.isEmpty {
        var time = timespec(tv_sec: Int(pause.nanoseconds / 1_000_000_000), tv_nsec: 0)
        nanosleep(&time, nil)
        pause = min(pause * 2, Inquiry.lastPause)
        if inquiry.isOver.load(ordering: .relaxed) { return }
        names.removeAll { name in
          guard let endpoints = try? Resolution.endpoints(ofHost: name.host, port: name.port) else { return false }
          inquiry.answers.withLock { $0.append(Answer(name: name, endpoints: endpoints)) }
          inquiry.wake()
          return true
        }
      }
    }
  }
}
