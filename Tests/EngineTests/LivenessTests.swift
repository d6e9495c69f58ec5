import Primitives
import Testing

@testable import Engine

@Suite struct `Whether somebody is still there` {
  private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(1_000 + milliseconds) }

  @Test func `a new path of ours is asked at once, then less and less often`() {
    var liveness = Liveness(keepsAlive: true, at: at(0))
    var asked: [Int64] = []
    while asked.count < 9, let due = liveness.deadline {
      let step = liveness.expire(at: due)
      #expect(step == .ping)
      _ = liveness.sent(at: due)
      asked.append((due - at(0)).nanoseconds / 1_000_000)
    }
    #expect(asked == [0, 250, 750, 1_750, 3_750, 7_750, 15_750, 25_750, 35_750])
    #expect(liveness.state == .probing)
  }

  @Test func `the side that does not know the other's address waits to be asked`() {
    let liveness = Liveness(keepsAlive: false, at: at(0))
    #expect(liveness.deadline == nil)
  }

  @Test func `while answers come, a busy path never asks`() {
    var liveness = Liveness(keepsAlive: false, at: at(0))
    let comesUp = liveness.heard(at: at(0))
    #expect(comesUp)
    for step in 1...1_000 {
      let now = at(Int64(step) * 5)
      _ = liveness.sent(at: now)
      let comesUpAgain = liveness.heard(at: now + .milliseconds(3))
      #expect(!comesUpAgain)
      if let due = liveness.deadline, due <= now {
        let step = liveness.expire(at: now + .milliseconds(3))
        #expect(step != .ping)
      }
    }
    #expect(liveness.state == .up)
  }

  @Test func `a path that stops answering is asked within 250 ms and down after a second`() {
    var liveness = Liveness(keepsAlive: false, at: at(0))
    _ = liveness.heard(at: at(0))
    let startsClock = liveness.sent(at: at(10))
    #expect(startsClock)
    var steps: [Liveness.Step] = []
    while liveness.state == .up, let due = liveness.deadline {
      steps.append(liveness.expire(at: due))
      #expect(due <= at(10) + Liveness.deadAfter + Liveness.askAfter)
    }
    #expect(steps.first == .ping && steps.last == .die)
    #expect(liveness.deadline != nil, "a path that is down is asked again")
  }

  @Test func `anything heard brings a dead path up again`() {
    var liveness = Liveness(keepsAlive: true, at: at(0))
    _ = liveness.heard(at: at(0))
    _ = liveness.sent(at: at(1))
    while liveness.state == .up, let due = liveness.deadline { _ = liveness.expire(at: due) }
    #expect(liveness.state == .down)
    let comesUp = liveness.heard(at: at(60_000))
    #expect(comesUp)
    #expect(liveness.state == .up)
  }

  @Test func `an idle path costs one question in twenty seconds on one side, and nothing on the other`() {
    var ours = Liveness(keepsAlive: true, at: at(0))
    var theirs = Liveness(keepsAlive: false, at: at(0))
    _ = ours.heard(at: at(0))
    _ = theirs.heard(at: at(0))
    var wakeUps = 0
    var asked = 0
    while let due = ours.deadline, due < at(200_000) {
      wakeUps += 1
      if ours.expire(at: due) == .ping {
        asked += 1
        _ = ours.sent(at: due)
        _ = ours.heard(at: due + .milliseconds(1))
      }
    }
    #expect(asked == 9)
    #expect(wakeUps <= 20)
    #expect(theirs.deadline == nil)
  }

  @Test func `a path with a long round trip is given its time`() {
    var liveness = Liveness(keepsAlive: false, at: at(0))
    _ = liveness.heard(at: at(0))
    _ = liveness.answered(after: .milliseconds(600))
    _ = liveness.sent(at: at(0))
    while liveness.state == .up, let due = liveness.deadline, due < at(2_300) { _ = liveness.expire(at: due) }
    #expect(liveness.state == .up)
    #expect(!liveness.isSilent(at: at(1_700)))
    #expect(liveness.isSilent(at: at(1_900)))
  }

  @Test func `an operator's keepalive keeps a path awake from the side that was found, too`() {
    var liveness = Liveness(keepsAlive: true, every: .seconds(5), at: at(0))
    _ = liveness.heard(at: at(0))
    var asked: [Int64] = []
    while let due = liveness.deadline, due < at(21_000) {
      if liveness.expire(at: due) == .ping {
        asked.append((due - at(0)).nanoseconds / 1_000_000)
        _ = liveness.sent(at: due)
        _ = liveness.heard(at: due)
      }
    }
    #expect(asked == [5_000, 10_000, 15_000, 20_000])
  }
}
