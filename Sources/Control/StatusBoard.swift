//  StatusBoard.swift — how a question reaches the data path and the answer comes back, without the data path waiting.
//
//  Why.  A snapshot touches counters that the data path changes for every datagram. A lock around them would be paid
//  for by every datagram, atomics likewise; so the data path itself makes the snapshot, when it is asked, between two
//  turns of its loop.
//
//      HTTP thread   ask: flag ──▶ wake the loop ──▶ wait on a descriptor, at most a second ──▶ answer, or nil
//      data thread   each turn: is the flag up? ──▶ make the answer ──▶ publish: swap it in, write a byte
//
//  There are four questions (Question), and one is open at a time: whoever else asks waits for his turn. An answer may
//  take the data thread several turns; it says which question it is for, so that one that came too late is not taken
//  for another.
//
//  A question may be asked more often than it is worth answering: an answer that is younger than `freshness` answers
//  again, so whoever asks in a loop costs the data path twenty snapshots a second and no more. A loop that is stuck
//  answers nobody: the first who asks waits out the second, and those after him wait for what remains of it, or not at
//  all.
//
//  Rejected.  A snapshot every second on suspicion (idle gateways would wake up for nobody); letting the HTTP thread
//  read the counters (a data race, and half-changed values).
//
//  Always true.  The data thread holds the lock for an exchange of two references and never waits for a reader.

import POSIX
import Primitives
public import Status
import Synchronization

public final class StatusBoard: Sendable {
  public enum Question: Hashable, Sendable {
    case status
    case flows
    case rules
    case flow(FlowKey)
  }

  public enum Answer: Sendable {
    case status(StatusSnapshot)
    case flows(FlowList)
    case rules(RuleList)
    case flow(FlowExplanation)
  }

  /// A driver's turn takes microseconds, a loaded machine's hiccup milliseconds. What does not answer in this time
  /// hangs.
  static let patience = Interval.seconds(1)
  /// Short enough for a person's eye and for `top`.
  static let freshness = Interval.milliseconds(50)
  /// To list a full table of flows takes the data path ten milliseconds of its time, in small pieces.
  static let flowFreshness = Interval.milliseconds(500)

  /// Somebody waits for this.
  public struct Ticket: Sendable {
    public let question: Question
    fileprivate let number: UInt64
  }

  private struct Kept {
    var answer: Answer
    var made: Instant
  }

  private struct State {
    var snapshot: Kept?
    var flows: Kept?
    /// Of the question that is open now.
    var answer: Answer?
    var open: Ticket?
    var number: UInt64 = 0
    /// Since when questions remain without an answer.
    var asked: Instant?
  }

  private let state = Mutex(State())
  /// Who asks holds it until he has his answer.
  private let turn = Locked(())
  private let isOpen = Atomic<Bool>(false)
  private let wake: @Sendable () -> Void
  /// The answer is there.
  private let answered = Signal.atStart()

  /// `wake` makes the loop turn once, from any thread: it is called after the flag went up.
  public init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
  }

  // MARK: The data thread

  /// Whether somebody waits for an answer. A relaxed load: to be asked once a turn.
  public var isAsked: Bool { isOpen.load(ordering: .relaxed) }

  /// What he asked; it is told once.
  public func takeQuestion() -> Ticket? {
    isOpen.store(false, ordering: .relaxed)
    return state.withLock { $0.open }
  }

  /// Gives the answer to whoever waits for it.
  public func publish(_ answer: Answer, for ticket: Ticket) {
    let now = MonotonicClock.now
    state.withLock { state in
      switch answer {
      case .status: state.snapshot = Kept(answer: answer, made: now)
      case .flows: state.flows = Kept(answer: answer, made: now)
      case .rules, .flow: break
      }
      state.asked = nil
      if state.open?.number == ticket.number {
        state.open = nil
        state.answer = answer
      }
    }
    answered.raise()
  }

  // MARK: Threads that answer others

  /// The current state; nil when the loop has not answered in time.
  func snapshot() -> StatusSnapshot? {
    guard case .status(let snapshot) = ask(.status) else { return nil }
    return snapshot
  }

  func ask(_ question: Question) -> Answer? {
    turn.withLock { _ in askAlone(question) }
  }

  private func askAlone(_ question: Question) -> Answer? {
    let began = MonotonicClock.now
    let (fresh, asked) = state.withLock { state -> (Answer?, Instant) in
      if question == .status, let kept = state.snapshot, began - kept.made < StatusBoard.freshness {
        return (kept.answer, began)
      }
      if question == .flows, let kept = state.flows, began - kept.made < StatusBoard.flowFreshness {
        return (kept.answer, began)
      }
      let asked = state.asked ?? began
      state.asked = asked
      state.answer = nil
      state.number += 1
      state.open = Ticket(question: question, number: state.number)
      isOpen.store(true, ordering: .relaxed)
      return (nil, asked)
    }
    if let fresh { return fresh }
    wake()
    while true {
      let answer = state.withLock { state in
        defer { state.answer = nil }
        return state.answer
      }
      if let answer { return answer }
      let left = asked + StatusBoard.patience - MonotonicClock.now
      if left <= .zero { return nil }
      _ = answered.wait(for: left)
    }
  }
}
