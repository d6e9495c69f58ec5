import Primitives
import Testing

@testable import Engine

@Suite struct `Who carries what` {
  @Test func `calls may use what stands by, bulk may not`() {
    var steering = Steering()
    steering.pathsChanged(views([.primary, .secondary, .backup, .never]), at: .zero + .seconds(1))
    #expect(steering.bulk == 0b0001 && steering.helping == 0b0010)
    #expect(steering.why(0) == (true, false, .ground) && steering.why(1) == (false, false, .room))
    #expect(steering.why(2) == (false, false, .standsBy) && steering.why(3) == (false, false, .never))
  }

  @Test func `nobody is left when only such are up that must not carry`() {
    var steering = Steering()
    steering.pathsChanged(views([.never]), at: .zero + .seconds(1))
    #expect(steering.bulk == 0 && steering.helping == 0)
  }

  @Test func `who leaves by his tier is back without a pause`() {
    var steering = Steering()
    let start = Instant.zero + .seconds(1)
    steering.pathsChanged(views([.primary, .primary]), at: start)
    #expect(steering.bulk == 0b11)
    steering.pathsChanged(views([.primary, .backup]), at: start + .seconds(1))
    #expect(steering.bulk == 0b01)
    steering.pathsChanged(views([.primary, .primary]), at: start + .seconds(2))
    #expect(steering.bulk == 0b11)
  }

  @Test func `who lost his cable is back without a pause, and who loses it all the time is not`() {
    var steering = Steering()
    var now = Instant.zero + .seconds(1)
    func flap() -> UInt32 {
      now += .milliseconds(200)
      steering.pathsChanged(views([.primary]), unwanted: 0b10, at: now)
      #expect(steering.bulk == 0b01)
      now += .milliseconds(200)
      steering.pathsChanged(views([.primary, .primary]), at: now)
      return steering.bulk
    }
    steering.pathsChanged(views([.primary, .primary]), at: now)
    for round in 0..<10 { #expect(flap() == 0b11, "round \(round)") }
    #expect(flap() == 0b01)
    for wait in [Interval.seconds(10), .milliseconds(100)] {
      now += wait
      _ = steering.observe(views([.primary, .primary]), at: now)
    }
    #expect(steering.bulk == 0b11)
    for round in 0..<10 { #expect(flap() == 0b11, "a pause later, round \(round)") }
  }

  @Test func `who fell silent is not back at once, for nobody knows whether it was his own doing`() {
    var steering = Steering()
    let start = Instant.zero + .seconds(1)
    steering.pathsChanged(views([.primary, .primary]), at: start)
    steering.pathsChanged(views([.primary]), at: start + .seconds(1))
    steering.pathsChanged(views([.primary, .primary]), at: start + .seconds(2))
    #expect(steering.bulk == 0b01)
  }

  @Test func `nothing is to be done later when nobody was called for help`() {
    var steering = Steering()
    var now = Instant.zero + .seconds(1)
    steering.pathsChanged(views([.primary, .secondary]), at: now)
    for _ in 0..<20 {
      now += .milliseconds(100)
      _ = steering.observe(views([.primary, .secondary], carried: 1_000), at: now)
    }
    #expect(steering.deadline == nil)
  }

  @Test func `who was called leaves by himself when nobody says anything any more`() {
    var steering = Steering()
    var now = Instant.zero + .seconds(1)
    steering.pathsChanged(views([.primary, .secondary]), at: now)
    var delivered: UInt64 = 0
    for _ in 0..<30 {
      now += .milliseconds(100)
      delivered += 250_000
      steering.noteWaiting(at: now)
      steering.sample(isCommitted: true, loaded: 0b11, at: now)
      _ = steering.observe(views([.primary, .secondary], carried: delivered, isFull: true), at: now)
    }
    #expect(steering.bulk == 0b11)
    while let due = steering.deadline {
      #expect(due > now && due <= now + .seconds(20))
      now = due
      _ = steering.observe(views([.primary, .secondary], carried: delivered), at: now)
    }
    #expect(steering.bulk == 0b01)
  }

  private func views(
    _ tiers: [Tier], carried: UInt64 = 0, isFull: Bool = false
  ) -> InlineArray<16, Steering.View> {
    InlineArray<16, Steering.View> { place in
      var view = Steering.View()
      guard place < tiers.count else { return view }
      view.standing = PathStanding(tiers[place])
      view.standing.rate = 2_500_000
      view.rate = BitRate(bitsPerSecond: 20_000_000)
      view.roundTrip = .milliseconds(20)
      view.delivered = place == 0 ? carried : 0
      view.isFull = isFull
      return view
    }
  }
}

@Suite struct `A ledger` {
  private static func ledger(used: UInt64 = 0) -> Ledger {
    var path = LocalPath(name: "lte")
    path.budget = Budget(bytes: 1_000_000, per: .month(from: 5))
    path.used = BudgetRecord(path: "lte", start: CalendarDay(number: 20_762), used: used)
    return Ledger([LocalPath(name: "fibre"), path], today: CalendarDay(number: 20_777))
  }

  @Test func `says once when a budget is spent, and once when it is fresh`() {
    var ledger = Self.ledger(used: 900_000)
    ledger.note(50_000_000, on: 0)
    ledger.note(99_999, on: 1)
    #expect(ledger.takeChanged() == 0)
    #expect(!ledger.isSpent(1))
    ledger.note(1, on: 1)
    #expect(ledger.isSpent(1))
    #expect(ledger.takeChanged() == 0b10)
    #expect(ledger.takeChanged() == 0)
    ledger.note(1, on: 1)
    #expect(ledger.takeChanged() == 0)
    #expect(ledger.turn(to: CalendarDay(number: 20_778)) == false)
    #expect(ledger.isSpent(1))
    #expect(ledger.turn(to: CalendarDay(number: 20_800)) == true)
    #expect(!ledger.isSpent(1))
    #expect(ledger.takeChanged() == 0b10)
  }

  @Test func `has something to store when a thousandth was used, and at the end`() {
    var ledger = Self.ledger(used: 5)
    let first = ledger.records(isEnd: false)
    #expect(first?.map(\.description) == ["lte 2026-11-05 5"])
    ledger.note(999, on: 1)
    #expect(ledger.records(isEnd: false) == nil)
    let last = ledger.records(isEnd: true)
    #expect(last?.first?.used == 1_004)
    ledger.note(1_000, on: 1)
    let later = ledger.records(isEnd: false)
    #expect(later?.first?.used == 2_004)
  }

  @Test func `says until when`() throws {
    for (period, end) in [
      (Budget.Period.day, "2026-11-21"), (.week(from: 0), "2026-11-23"), (.month(from: 5), "2026-12-05"),
      (.month(from: 31), "2026-11-30"),
    ] {
      let meter = BudgetMeter(Budget(bytes: 1, per: period), today: CalendarDay(number: 20_777))
      #expect(meter.end.description == end)
    }
  }
}
