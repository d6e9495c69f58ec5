//  PlainReceiver.swift — a receiver that puts parts in order step by step, to hold the model against.
//
//  It knows no formula: it takes parts in the order of their arrival, keeps a set of those it holds, and looks slot
//  by slot at what it may release. It shares neither code nor an idea with the model but the rules of the game: parts
//  of a slot come in their own order, and the state is looked at after everything of a slot has happened.

struct PlainReceiver {
  enum Policy {
    case unlimited
    /// Has room for so many; gives up what it waits for when one more comes.
    case room(Int)
    /// Gives a part up so many slots after its sending.
    case deadline(Int)
    /// Gives a part up so many slots after the first of its successors came.
    case gapTimer(Int)
    /// Releases so many at a time, all or none.
    case segments(Int)
  }

  struct Part {
    var sent: Int
    /// nil never arrives.
    var arrives: Int?
  }

  struct Outcome {
    /// At the end of each slot.
    var occupancy: [Int] = []
    /// For each part, slots in the buffer; nil for one that was lost or is still held.
    var waits: [Int?]
    var latencies: [Int?]
    /// For each part, whether it was given up.
    var isLost: [Bool]
  }

  private let parts: [Part]
  private let policy: Policy
  private var outcome: Outcome
  private var isHeld: [Bool]
  private var held = 0
  /// The part that goes out next.
  private var next = 0
  /// Parts that a later one has shown to be missing, by the slot in which patience with them ends.
  private var expiring: [[Int]]
  private var newest = -1
  private var nextToExpire = 0

  private init(_ parts: [Part], _ policy: Policy, end: Int) {
    self.parts = parts
    self.policy = policy
    outcome = Outcome(
      waits: Array(repeating: nil, count: parts.count), latencies: Array(repeating: nil, count: parts.count),
      isLost: Array(repeating: false, count: parts.count))
    isHeld = Array(repeating: false, count: parts.count)
    expiring = Array(repeating: [], count: end + 1)
  }

  /// Runs until the end of this slot.
  static func run(_ parts: [Part], _ policy: Policy, until end: Int) -> Outcome {
    var arrivals: [[Int]] = Array(repeating: [], count: end + 1)
    for (number, part) in parts.enumerated() {
      if let time = part.arrives, time <= end { arrivals[time].append(number) }
    }
    var receiver = PlainReceiver(parts, policy, end: end)
    for now in 0...end {
      for number in arrivals[now] { receiver.take(number, at: now) }
      receiver.expire(at: now)
      receiver.outcome.occupancy.append(receiver.held)
    }
    return receiver.outcome
  }

  private mutating func take(_ number: Int, at now: Int) {
    if number < next || outcome.isLost[number] { return }
    isHeld[number] = true
    held += 1
    if case .gapTimer(let patience) = policy, number > newest {
      if now + patience < expiring.count { expiring[now + patience] += Array(newest + 1..<number) }
      newest = number
    }
    release(at: now)
    if case .room(let room) = policy {
      while held > room {
        giveUp(next)
        release(at: now)
      }
    }
  }

  private mutating func expire(at now: Int) {
    if case .deadline(let age) = policy {
      while nextToExpire < parts.count, parts[nextToExpire].sent + age <= now {
        giveUp(nextToExpire)
        nextToExpire += 1
      }
    }
    for number in expiring[now] { giveUp(number) }
    release(at: now)
  }

  private mutating func giveUp(_ number: Int) {
    if number >= next && !isHeld[number] { outcome.isLost[number] = true }
  }

  private mutating func release(at now: Int) {
    if case .segments(let size) = policy {
      while next + size <= parts.count, (next..<next + size).allSatisfy({ isHeld[$0] }) {
        for _ in 0..<size { leave(at: now) }
      }
      return
    }
    while next < parts.count, isHeld[next] || outcome.isLost[next] { leave(at: now) }
  }

  private mutating func leave(at now: Int) {
    if isHeld[next] {
      held -= 1
      outcome.waits[next] = now - (parts[next].arrives ?? now)
      outcome.latencies[next] = now - parts[next].sent
    }
    next += 1
  }
}
