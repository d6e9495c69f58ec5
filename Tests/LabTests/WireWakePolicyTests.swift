import Primitives
import Testing

@testable import Lab

@Suite struct `How precisely the wire wakes up` {
  @Test func `an idle wire sleeps for ever`() {
    var policy = WakePolicy()
    #expect(policy.step(at: at(0), deadline: nil) == .wait(gathering: .zero, timeout: nil))
  }

  @Test func `what is due goes out at once`() {
    var policy = WakePolicy()
    #expect(policy.step(at: at(5), deadline: at(5)) == .proceed)
    #expect(policy.step(at: at(5), deadline: .zero) == .proceed)
  }

  @Test func `it sleeps until a deadline that is far, and spins until one that is near`() {
    var policy = WakePolicy()
    #expect(policy.step(at: at(0), deadline: at(1_000)) == .wait(gathering: .zero, timeout: .milliseconds(1)))
    #expect(policy.step(at: at(0), deadline: at(60)) == .spin(until: at(60)))
  }

  @Test func `when sleeps are too long it learns to wake up as much earlier`() {
    var policy = WakePolicy()
    var now: UInt64 = 0
    for _ in 0..<60 {
      guard case .wait(_, let timeout?) = policy.step(at: at(now), deadline: at(now + 10_000)) else {
        Issue.record("no sleep before a far deadline")
        return
      }
      now += UInt64(timeout.nanoseconds / 1_000) + 30
      policy.turn(at: at(now), spunFor: .zero, wasIdle: true)
    }
    #expect(abs(policy.oversleep.nanoseconds - 30_000) < 1_000)
    let step = policy.step(at: at(now), deadline: at(now + 10_000))
    #expect(step == .wait(gathering: .zero, timeout: .milliseconds(10) - policy.oversleep))
  }

  @Test func `a machine that stood still teaches it nothing absurd, and a frame that came nothing at all`() {
    var policy = WakePolicy()
    for turn in 1...50 {
      let now = UInt64(turn) * 1_000_000
      _ = policy.step(at: at(now), deadline: at(now + 1_000))
      policy.turn(at: at(now + 500_000), spunFor: .zero, wasIdle: true)
    }
    #expect(policy.oversleep <= WakePolicy.mostOversleep)
    #expect(policy.oversleep < WakePolicy.longestSpin)

    var other = WakePolicy()
    _ = other.step(at: at(0), deadline: at(1_000))
    other.turn(at: at(900), spunFor: .zero, wasIdle: false)
    #expect(other.oversleep == .zero)
  }

  @Test func `without credit frames gather, but never beyond the next turn's time`() {
    var policy = spent(at: 0)
    #expect(
      policy.step(at: at(0), deadline: at(30)) == .wait(gathering: .microseconds(100), timeout: .microseconds(100)))
    policy = spent(at: 0)
    #expect(
      policy.step(at: at(40), deadline: at(500)) == .wait(gathering: .microseconds(60), timeout: .microseconds(460)))
    policy = spent(at: 0)
    #expect(policy.step(at: at(40), deadline: nil) == .wait(gathering: .microseconds(60), timeout: nil))
  }

  @Test(arguments: [1, 3, 12, 40, 90, 250] as [UInt64])
  func `frames at any rate cost at most a fifth of a core beside their handling`(microsecondsApart: UInt64) {
    var policy = WakePolicy()
    var now: UInt64 = 0
    var spent: UInt64 = 0
    let end: UInt64 = 1_000_000
    while now < end {
      let deadline = (now / microsecondsApart + 1) * microsecondsApart
      let before = now
      var spun: UInt64 = 0
      switch policy.step(at: at(now), deadline: at(deadline)) {
      case .proceed: Issue.record("nothing was due")
      case .spin(let until):
        now = until.nanoseconds / 1_000
        spun = now - before
        spent += spun
      case .wait(_, let timeout):
        now += max(1, UInt64((timeout ?? .zero).nanoseconds / 1_000))
        spent += 20
      }
      policy.turn(at: at(now), spunFor: .microseconds(Int64(spun)), wasIdle: false)
    }
    // One sleep for each gathering, the credit at the start, and the overdraft of one step.
    #expect(spent <= end / 5 + 2_000 + 60)
  }

  @Test func `precision is back 40 ms after the heaviest load`() {
    var policy = spent(at: 0)
    for turn in 1...100_000 {
      _ = policy.step(at: at(UInt64(turn) * 10), deadline: at(UInt64(turn) * 10 + 5))
      policy.turn(at: at(UInt64(turn) * 10), spunFor: .microseconds(60), wasIdle: false)
    }
    #expect(policy.step(at: at(1_040_000), deadline: at(1_040_050)) == .spin(until: at(1_040_050)))
  }

  private func at(_ microseconds: UInt64) -> Instant { Instant(nanoseconds: microseconds * 1_000) }

  /// A policy whose account is empty, and whose last turn was at this time.
  private func spent(at microseconds: UInt64) -> WakePolicy {
    var policy = WakePolicy()
    _ = policy.step(at: at(microseconds), deadline: nil)
    policy.turn(at: at(microseconds), spunFor: WakePolicy.mostCredit + .milliseconds(1), wasIdle: false)
    return policy
  }
}
