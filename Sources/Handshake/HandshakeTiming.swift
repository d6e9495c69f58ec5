//  HandshakeTiming.swift — how long a handshake waits for what, how each message can end, and how often each did.

public import Primitives

extension Handshake {
  public struct Timing: Sendable {
    /// Before the first repetition; it doubles up to `mostPause`. Shorter than most round trips would be noise; a
    /// gateway that restarts should be back within a second.
    public var firstPause = Interval.milliseconds(250)
    public var mostPause = Interval.seconds(5)
    /// How long one question is repeated.
    public var initiationLife = Interval.seconds(10)
    /// How long who has answered waits for the confirmation before he asks himself.
    public var yieldFor = Interval.seconds(1)
    public var askBackEvery = Interval.seconds(5)
    /// The initiator renews a session at this age; up to `rekeyEarly` before, by chance, so that a hub's thousand
    /// branches, once together, drift apart.
    public var rekeyAfter = Interval.seconds(120)
    public var rekeyEarly = Interval.seconds(10)
    /// The responder does at this age, when the initiator did not.
    public var rekeyAfterAsResponder = Interval.seconds(130)
    /// Keys are destroyed at this age, whatever happened.
    public var sessionLife = Interval.seconds(180)
    /// The other side forgets its secret after 2 to 4 minutes.
    public var cookieLife = Interval.seconds(120)

    public init() {}

    /// Keys are renewed at this age, with the same proportions as above; it is at most `sessionLife` / 1.5, so that
    /// there is time to try again before the old ones go.
    public mutating func renew(after age: Interval) {
      precondition(age > .zero && age * 3 / 2 <= sessionLife, "keys must be renewed before they go")
      rekeyAfter = age
      rekeyEarly = age / 12
      rekeyAfterAsResponder = age + age / 12
    }
  }

  public enum Verdict: Equatable, CaseIterable, Sendable {
    /// A question was answered: there is a session that waits for its confirmation.
    case answered
    /// An answer came: there is a session.
    case completed
    /// A copy of what came before.
    case repeated
    /// A question older than one that we know.
    case stale
    /// An answer to a question that we gave up for theirs.
    case crossed
    /// An answer or a cookie to nothing that we asked.
    case unexpected
    /// Not from this peer, or changed on the way.
    case notAuthentic
    case noCommonSuite
    /// The engine lent no index.
    case noIndex
    case cookieTaken
  }

  public struct Counters: Equatable, Sendable {
    public var answered: UInt64 = 0
    public var completed: UInt64 = 0
    public var repeated: UInt64 = 0
    public var stale: UInt64 = 0
    public var crossed: UInt64 = 0
    public var unexpected: UInt64 = 0
    public var notAuthentic: UInt64 = 0
    public var noCommonSuite: UInt64 = 0
    public var noIndex: UInt64 = 0
    public var cookieTaken: UInt64 = 0
    /// Questions of ours, and repetitions of them.
    public var asked: UInt64 = 0
    public var askedAgain: UInt64 = 0
    public var confirmed: UInt64 = 0
  }
}
