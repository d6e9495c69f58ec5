import Engine
import Primitives
import Testing

private func day(_ text: String) throws -> CalendarDay { try #require(CalendarDay(text)) }

@Suite struct `A day of the calendar` {
  @Test(arguments: [
    (0, "1970-01-01", 3), (59, "1970-03-01", 6), (11_016, "2000-02-29", 1), (20_777, "2026-11-20", 4),
    (-1, "1969-12-31", 2), (-719_162, "0001-01-01", 0), (2_932_896, "9999-12-31", 4),
  ])
  func `is what every calendar says`(number: Int, text: String, weekday: Int) throws {
    let one = CalendarDay(number: number)
    #expect(one.description == text && one.weekday == weekday)
    #expect(try day(text) == one)
  }

  @Test func `follows the one before it, for four hundred years`() throws {
    var (year, month, dayOfMonth) = (1_800, 1, 1)
    var number = Int(try day("1800-01-01").number)
    while year < 2_200 {
      let one = CalendarDay(number: number)
      #expect(one.parts == (year, month, dayOfMonth))
      #expect(CalendarDay(year: year, month: month, day: dayOfMonth) == one)
      number += 1
      dayOfMonth += 1
      if CalendarDay(year: year, month: month, day: dayOfMonth) == nil { (month, dayOfMonth) = (month + 1, 1) }
      if month > 12 { (year, month) = (year + 1, 1) }
    }
    #expect(number - Int(try day("1800-01-01").number) == 146_097)
  }

  @Test(arguments: [
    "", "2026", "2026-02-29", "2026-13-01", "2026-00-01", "2026-1-01", "20a6-01-01", "2026-01-01-", "+026-01-01",
  ])
  func `is not what nobody's calendar has`(text: String) { #expect(CalendarDay(text) == nil) }

  @Test func `is some day, whatever a broken clock shows`() {
    #expect(CalendarDay(number: .max).description == "9999-12-31")
    #expect(CalendarDay(number: .min).description == "0001-01-01")
    for number in [Int.min, .max] {
      let budget = Budget(bytes: 1, per: .month(from: 31))
      #expect(budget.start(of: CalendarDay(number: number)) <= CalendarDay(number: number))
    }
  }
}

@Suite struct `A budget` {
  @Test(arguments: [
    (Budget.Period.day, "2026-11-20", "2026-11-20"),
    (.week(from: 0), "2026-11-20", "2026-11-16"), (.week(from: 4), "2026-11-20", "2026-11-20"),
    (.week(from: 5), "2026-11-20", "2026-11-14"),
    (.month(from: 1), "2026-11-20", "2026-11-01"), (.month(from: 5), "2026-11-04", "2026-10-05"),
    (.month(from: 5), "2026-11-05", "2026-11-05"), (.month(from: 5), "2026-01-04", "2025-12-05"),
    (.month(from: 31), "2026-02-27", "2026-01-31"), (.month(from: 31), "2026-02-28", "2026-02-28"),
    (.month(from: 31), "2026-03-30", "2026-02-28"), (.month(from: 30), "2028-03-01", "2028-02-29"),
  ])
  func `begins on its day`(period: Budget.Period, today: String, start: String) throws {
    #expect(Budget(bytes: 1, per: period).start(of: try day(today)) == (try day(start)))
  }

  @Test func `is spent when so many bytes went, and fresh on its day`() throws {
    var meter = BudgetMeter(Budget(bytes: 20_000, per: .month(from: 5)), today: try day("2026-11-20"))
    meter.note(19_999)
    meter.note(-5)
    #expect(!meter.isSpent && meter.remaining == 1)
    meter.note(10)
    #expect(meter.isSpent && meter.remaining == 0)
    let today = try day("2026-12-04")
    let isFresh = meter.turn(to: today)
    #expect(!isFresh && meter.isSpent)
    let next = try day("2026-12-05")
    let isFreshNow = meter.turn(to: next)
    #expect(isFreshNow && meter.used == 0)
    #expect(meter.start == next)
    meter.note(.max)
    meter.note(.max)
    meter.note(.max)
    #expect(meter.isSpent && meter.used == .max)
  }

  @Test func `survives a restart, and a clock that is set back`() throws {
    let budget = Budget(bytes: 20_000_000_000, per: .month(from: 5))
    var meter = BudgetMeter(budget, today: try day("2026-11-20"))
    meter.note(18_450_000_000)
    #expect(meter.why == "18.4 of 20.0 GB since 2026-11-05")
    let line = meter.record(of: "lte-1").description
    #expect(line == "lte-1 2026-11-05 18450000000")
    let record = try #require(BudgetRecord(line))
    let same = BudgetMeter(budget, restored: record, today: try day("2026-12-04"))
    #expect(same.used == 18_450_000_000)
    #expect(BudgetMeter(budget, restored: record, today: try day("2026-12-05")).used == 0)
    // At boot the clock may show anything.
    var early = BudgetMeter(budget, restored: record, today: try day("1970-01-01"))
    #expect(early.used == 18_450_000_000 && early.clockWentBack == 1)
    let now = try day("2026-11-21")
    let isFresh = early.turn(to: now)
    #expect(isFresh, "the count of 1970 has ended")
  }

  @Test func `is stored a thousand times a month, not with each packet`() throws {
    var meter = BudgetMeter(Budget(bytes: 1_000_000, per: .day), today: try day("2026-11-20"))
    var stored: [UInt64] = []
    for _ in 0..<100_000 {
      meter.note(10)
      if let record = meter.nextRecord(of: "lte") { stored.append(record.used) }
    }
    #expect(stored.count == 1_000 && stored.first == 10)
    let tomorrow = try day("2026-11-21")
    meter.turn(to: tomorrow)
    #expect(meter.nextRecord(of: "lte") == BudgetRecord(path: "lte", start: tomorrow, used: 0))
  }

  @Test(arguments: [
    "", "lte", "lte 2026-11-05", "lte 2026-11-05 ", "lte 2026-11-05 -1", "lte 2026-11-05 1 2", "lte 2026-11-5 1",
    " 2026-11-05 1", "lte 2026-11-05 99999999999999999999",
  ])
  func `is not read from what is no record`(line: String) { #expect(BudgetRecord(line) == nil) }

  @Test(arguments: [UInt64](0..<100)) func `counts each byte once, whatever days come`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let period: Budget.Period = [.day, .week(from: UInt8(random.below(7))), .month(from: UInt8(1 + random.below(31)))][
      Int(random.below(3))]
    let budget = Budget(bytes: random.below(1 << 40), per: period)
    var today = 20_000
    var meter = BudgetMeter(budget, today: CalendarDay(number: today))
    var expected: UInt64 = 0
    var start = budget.start(of: CalendarDay(number: today))
    for _ in 0..<1_000 {
      today += Int(random.below(9)) / 7
      let first = budget.start(of: CalendarDay(number: today))
      if first != start { (start, expected) = (first, 0) }
      meter.turn(to: CalendarDay(number: today))
      let bytes = Int(random.below(1 << 30))
      meter.note(bytes)
      expected += UInt64(bytes)
      if random.below(50) == 0 {
        let record = try #require(BudgetRecord(meter.record(of: "a").description))
        meter = BudgetMeter(budget, restored: record, today: CalendarDay(number: today))
      }
      #expect(meter.used == expected && meter.isSpent == (expected >= budget.bytes), "seed \(seed)")
    }
  }
}
