//  EventBoard.swift — what happened, kept for those who come late and told to those who listen.
//
//  Why.  A dashboard and a script want to know that a path died when it dies, and what died while they were not there.
//  The data path must not wait for any of them.
//
//  How.
//
//      data thread   tell ─▶ lock, ring of 256, unlock ─▶ a byte into a pipe
//      own thread    pipe, or 15 s ─▶ what is new ─▶ each stream (HTTPStream queues, or cuts off who does not read)
//      HTTP thread   a listener, with the last id that he saw ─▶ what the ring has beyond it, then all that follows
//
//  What fell out of the ring before a listener came back is gone; he is told that something is missing by an event
//  `gap`, and asks `/v1/status`. Every 15 s a comment goes to everybody: proxies do not close what speaks, and who is
//  gone is found out.
//
//  Always true.  (1) Ids grow by one. (2) A listener gets each event at most once, in order. (3) At most `mostStreams`
//  listen: each is a connection of the server, and has a bounded queue.

import HTTP
import POSIX
import Primitives
public import Status

public final class EventBoard: Sendable {
  /// Of a bad day: a few hundred lines, 64 KB.
  public static let most = 256
  /// As many as the server has connections, less those that ask.
  static let mostStreams = 12
  /// Of one listener, in bytes: the whole ring twice over.
  private static let mostWaiting = 256 << 10
  /// Proxies and translators forget what is silent for a minute; some for half of one.
  private static let pause = Interval.seconds(15)

  private struct State {
    var ring: [EventRecord] = []
    var next: UInt64
    /// The first that streams were not told yet.
    var untold: UInt64
    var streams: [HTTPStream] = []
  }

  private let state: Locked<State>
  private let signal: Signal
  private let worker: WorkerBox

  /// nil when the system refuses a thread or a descriptor.
  public init?() {
    guard let signal = Signal() else { return nil }
    let first = WallClock.now.nanoseconds / 1_000_000
    let state = Locked(State(next: first, untold: first))
    self.state = state
    self.signal = signal
    guard let worker = Worker.start("hawser-events", { EventBoard.run(state, signal) }) else { return nil }
    self.worker = WorkerBox(worker)
  }

  /// A class cannot let go of what cannot be copied, but a box can.
  private final class WorkerBox: Sendable {
    private let worker: Locked<Worker?>

    init(_ worker: consuming sending Worker) { self.worker = Locked(worker) }

    func join() {
      worker.withLock { if let worker = $0.take() { worker.join() } }
    }
  }

  deinit {
    signal.end()
    worker.join()
  }

  // MARK: The data thread

  public func tell(_ kind: EventRecord.Kind, peer: String? = nil, path: String? = nil, _ text: String) {
    let now = WallClock.now.nanoseconds / 1_000_000
    state.withLock { state in
      if state.ring.count == EventBoard.most { state.ring.removeFirst() }
      state.ring.append(
        EventRecord(id: state.next, milliseconds: now, kind: kind, peer: peer, path: path, text: text))
      state.next += 1
    }
    signal.raise()
  }

  // MARK: Whoever listens

  var recent: [EventRecord] { state.withLock { $0.ring } }

  /// Everything after this id that is still known, and then what happens; nil: too many listen.
  func listen(after last: UInt64?) -> HTTPStream? {
    state.withLock { state in
      state.streams.removeAll { !$0.isOpen }
      if state.streams.count >= EventBoard.mostStreams { return nil }
      let stream = HTTPStream(atMost: EventBoard.mostWaiting)
      var text = "retry: 2000\n\n"
      // One that is not ours yet is of a run before the clock was set back.
      let last = last.flatMap { $0 < state.next ? $0 : nil }
      if let last, let first = state.ring.first, first.id > last, first.id - last > 1 {
        text += "event: gap\ndata: {\"missed\":\(first.id - last - 1)}\n\n"
      }
      for event in state.ring where event.id < state.untold && last.map({ event.id > $0 }) ?? true {
        text += event.streamed()
      }
      stream.send(text)
      state.streams.append(stream)
      return stream
    }
  }

  // MARK: The thread

  private static func run(_ state: Locked<State>, _ signal: Signal) {
    while true {
      let isRaised = signal.wait(for: pause)
      if signal.isOver { return state.withLock { state in for stream in state.streams { stream.end() } } }
      // Nobody who tells something waits for those who are told.
      let (news, streams) = state.withLock { state in
        let news = state.ring.filter { $0.id >= state.untold }
        state.untold = state.next
        return (news, state.streams)
      }
      let text = news.isEmpty && !isRaised ? ": still here\n\n" : news.map { $0.streamed() }.joined()
      if text.isEmpty { continue }
      for stream in streams { stream.send(text) }
    }
  }
}
