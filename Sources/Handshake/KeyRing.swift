//  KeyRing.swift — the few sessions that a peer has at a time: which to send with, which still opens, which is gone.
//
//  Why.  While keys change, both sides hold two sets for a moment, and datagrams of the old one are still on their way.
//  A rekey must lose none, and must not use keys that the other side may not have.
//
//  How.  Each session is named by a token and goes one way:
//
//      answered ──▶ confirmed ──▶ older ──▶ retired          the responder: he may not send before the initiator
//      begun ─────▶ confirmed ──▶ older ──▶ retired          has, because only that proves that his answer arrived
//                   (at once)
//
//  Sent is with the session that was confirmed last. Everything in the ring opens. A ring holds the sending one, two
//  older ones and one that waits for its confirmation; what is more retires, oldest first, and everything retires with
//  age.
//
//  When both sides begin at once, two sessions may come to be, and each side could prefer another one. So, where the
//  session that we send with is the younger one of the two, the one begun by the elder gateway wins; the elder is who
//  has the greater public key.
//
//  Always true.  (1) At most four tokens. (2) Each token that came in retires once. (3) `sending` is confirmed.

public import Primitives

public struct KeyRing<Token: Equatable> {
  public struct Entry {
    public let token: Token
    public let born: Instant
    /// We began it.
    public let isInitiator: Bool
    public fileprivate(set) var isConfirmed: Bool
  }

  static var mostOlder: Int { 2 }

  /// The eldest first.
  private var entries: [Entry] = []
  private var sendingToken: Token?
  private var retired: [Token] = []
  private var life: Interval

  /// Tokens retire at this age.
  public init(life: Interval) { self.life = life }

  mutating func setLife(_ life: Interval) { self.life = life }

  /// What to send with.
  public var sending: Entry? {
    guard let sendingToken else { return nil }
    return entries.first { $0.token == sendingToken }
  }

  /// The one whose answer is on its way.
  public var unconfirmed: Entry? { entries.last { !$0.isConfirmed } }

  public func contains(_ token: Token) -> Bool { entries.contains { $0.token == token } }

  public mutating func add(_ token: Token, isInitiator: Bool, at now: Instant) {
    precondition(!contains(token), "two sessions with one name")
    if !isInitiator { retire { !$0.isConfirmed } }
    entries.append(Entry(token: token, born: now, isInitiator: isInitiator, isConfirmed: isInitiator))
    if isInitiator { send(with: token) }
  }

  /// Something authentic came with this session's keys. True when it is what we send with from now on.
  public mutating func confirm(_ token: Token, isElder: Bool) -> Bool {
    guard let place = entries.firstIndex(where: { $0.token == token }), !entries[place].isConfirmed else {
      return false
    }
    entries[place].isConfirmed = true
    let rival = entries[(place + 1)...].first { $0.token == sendingToken }
    if rival != nil && isElder {
      retireOlder()
      return false
    }
    send(with: token)
    return true
  }

  public var deadline: Instant? { entries.first.map { $0.born + life } }

  public mutating func expire(at now: Instant) {
    let life = life
    retire { $0.born + life <= now }
  }

  /// A session whose keys are to be destroyed. Drained after each input.
  public mutating func nextRetired() -> Token? { retired.isEmpty ? nil : retired.removeFirst() }

  /// All of them.
  public mutating func removeAll() { retire { _ in true } }

  private mutating func send(with token: Token) {
    sendingToken = token
    retireOlder()
  }

  private mutating func retireOlder() {
    var spared = 0
    // Counted from the youngest.
    let older = entries.reversed().filter { $0.isConfirmed && $0.token != sendingToken }.filter { _ in
      spared += 1
      return spared > KeyRing.mostOlder
    }
    retire { entry in older.contains { $0.token == entry.token } }
  }

  private mutating func retire(_ isGone: (Entry) -> Bool) {
    for entry in entries where isGone(entry) { retired.append(entry.token) }
    entries.removeAll(where: isGone)
    if let sendingToken, !contains(sendingToken) { self.sendingToken = nil }
  }
}
