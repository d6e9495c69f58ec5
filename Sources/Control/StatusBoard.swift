//  StatusBoard.swift — how a question reaches the data path and the answer comes back, without the data path waiting.
//
//  Why.  A snapshot touches counters that the data path changes for every datagram. A lock around them would be paid
//  for by every datagram, atomics likewise; so the data path itself makes the snapshot, when it is asked, between two
//  turns of its loop.
//
//      HTTP thread   ask: flag ──▶ wake the loop ──▶ wait on a descriptor, at most a second ──▶ snapshot, or nil
//      data thread   each turn: is the flag up? ──▶ make a snapshot ──▶ publish: swap it in, write a byte
//
//  A question may be asked more often than it is worth answering: a snapshot that is younger than `freshness` answers
//  again, so whoever asks in a loop costs the data path twenty snapshots a second and no more. A loop that is stuck
//  answers nobody: the first who asks waits out the second, and those after him wait for what remains of it, or not at
//  all.
//
//  Rejected.  A snapshot every second on suspicion (idle gateways would wake up for nobody); letting the HTTP thread
//  read the counters (a data race, and half-changed values).
//
//  Always true.  The data thread holds the lock for an exchange of two references and never waits for a reader.

import Glibc
import POSIX
import Primitives
public import Status
import Synchronization

public final class StatusBoard: Sendable {
  /// A driver's turn takes microseconds, a loaded machine's hiccup milliseconds. What does not answer in this time
  /// hangs.
  static let patience = Interval.seconds(1)
  /// Short enough for a person's eye and for `top`.
  static let freshness = Interval.milliseconds(50)

  private struct State {
    var snapshot: StatusSnapshot?
    var made = Instant.zero
    /// Since when a question is open.
    var asked: Instant?
  }

  private let state = Mutex(State())
  private let isOpen = Atomic<Bool>(false)
  private let wake: @Sendable () -> Void
  /// A pipe: a byte in it says that the answer is there.
  private let (answered, answering): (Int32, Int32)

  /// `wake` makes the loop turn once, from any thread: it is called after the flag went up.
  public init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
    var ends: [Int32] = [-1, -1]
    precondition(
      pipe2(&ends, O_CLOEXEC | O_NONBLOCK) == 0, "a process has room for two more descriptors when it starts")
    (answered, answering) = (ends[0], ends[1])
  }

  deinit {
    close(answered)
    close(answering)
  }

  // MARK: The data thread

  /// Whether somebody waits for a snapshot. A relaxed load: to be asked once a turn.
  public var isAsked: Bool { isOpen.load(ordering: .relaxed) }

  /// Gives the answer to whoever waits.
  public func publish(_ snapshot: StatusSnapshot) {
    let now = MonotonicClock.now
    state.withLock {
      $0.snapshot = snapshot
      $0.made = now
      $0.asked = nil
      isOpen.store(false, ordering: .relaxed)
    }
    // A full pipe holds more answers than anybody waits for.
    var byte: UInt8 = 1
    _ = write(answering, &byte, 1)
  }

  // MARK: The thread that answers others

  /// The current state; nil when the loop has not answered in time. One thread asks.
  func ask() -> StatusSnapshot? {
    let began = MonotonicClock.now
    let (fresh, asked) = state.withLock { state -> (StatusSnapshot?, Instant) in
      if let snapshot = state.snapshot, began - state.made < StatusBoard.freshness { return (snapshot, began) }
      let asked = state.asked ?? began
      state.asked = asked
      isOpen.store(true, ordering: .relaxed)
      return (nil, asked)
    }
    if let fresh { return fresh }
    wake()
    while true {
      let answer = state.withLock { $0.asked == nil ? $0.snapshot : nil }
      if let answer { return answer }
      let left = asked + StatusBoard.patience - MonotonicClock.now
      if left <= .zero { return nil }
      var watched = pollfd(fd: answered, events: Int16(POLLIN), revents: 0)
      poll(&watched, 1, Int32((left.nanoseconds + 999_999) / 1_000_000))
      var bytes: (UInt64, UInt64) = (0, 0)
      _ = read(answered, &bytes, MemoryLayout.size(ofValue: bytes))
    }
  }
}
