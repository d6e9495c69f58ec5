//  Budget.swift — how many bytes a path may carry in a day, a week or a month, and how many it has.
//
//  Why.  What a provider sells by the gigabyte must not be used up on the third of the month, and a gateway that was
//  restarted must not begin to count again.
//
//  How.  A meter counts the bytes of both directions since the first day of the period that today is in. Days are
//  calendar days of the operator's own time zone: they come in from outside, since here is no clock, as the number of
//  days since 1 January 1970. A period that began later than the one that is counted starts it at zero. A day before it
//  means that the clock was wrong, then or now: the count is kept, since nothing says that the bytes were not sent.
//
//      month from day 31:   31 Jan ├──────────────┤ 28 Feb ├────────────┤ 31 Mar        a short month ends early
//
//  What is kept over a restart is a line of text for each path, `BudgetRecord`. It is stored when a thousandth of the
//  budget was used since the last time, and at the end; so a crash forgets a thousandth.
//
//  Not here.  The file, the clock, and what follows from it: a path whose budget is spent is one tier lower (Tiers).

/// A date, as in the proleptic Gregorian calendar.
public struct CalendarDay: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// Since 1 January 1970.
  public let number: Int32

  /// What no clock shows is taken for the nearest that one could: 0001 to 9999.
  public init(number: Int) { self.number = Int32(max(-719_162, min(number, 2_932_896))) }

  /// nil when there is no such day.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9_999).contains(year), (1...12).contains(month),
      (1...CalendarDay.length(ofMonth: month, year)).contains(day)
    else { return nil }
    // Years begin in March here, so that the leap day is the last (Hinnant's days_from_civil).
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear
    self.init(number: days - 719_468)
  }

  public static func < (a: CalendarDay, b: CalendarDay) -> Bool { a.number < b.number }

  public var parts: (year: Int, month: Int, day: Int) {
    let shifted = Int(number) + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
    return (year, month < 10 ? month + 3 : month - 9, day)
  }

  /// 0 is Monday.
  public var weekday: Int { ((Int(number) + 3) % 7 + 7) % 7 }

  static func length(ofMonth month: Int, _ year: Int) -> Int {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  /// As in ISO 8601.
  public var description: String {
    let (year, month, day) = parts
    func padded(_ value: Int, _ digits: Int) -> String {
      String(repeating: "0", count: max(0, digits - "\(value)".count)) + "\(value)"
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
      parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
      let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
    else { return nil }
    self.init(year: year, month: month, day: day)
  }
}

/// So many bytes in each period.
public struct Budget: Equatable, Sendable, BitwiseCopyable {
  public enum Period: Equatable, Sendable, BitwiseCopyable {
    case day
    /// Begins on this day, 0 is Monday.
    case week(from: UInt8)
    /// Begins on this day, 1 to 31; a month without it begins on its last.
    case month(from: UInt8)
  }

  public var bytes: UInt64
  public var period: Period

  public init(bytes: UInt64, per period: Period) {
    self.bytes = bytes
    self.period = period
  }

  /// The first day of the period that this day is in.
  public func start(of day: CalendarDay) -> CalendarDay {
    switch period {
    case .day: return day
    case .week(let first):
      return CalendarDay(number: Int(day.number) - (day.weekday - Int(first % 7) + 7) % 7)
    case .month(let first):
      let (year, month, _) = day.parts
      let here = Budget.day(first, ofMonth: month, year)
      if here <= day { return here }
      return month == 1 ? Budget.day(first, ofMonth: 12, year - 1) : Budget.day(first, ofMonth: month - 1, year)
    }
  }

  private static func day(_ day: UInt8, ofMonth month: Int, _ year: Int) -> CalendarDay {
    let last = CalendarDay.length(ofMonth: month, year)
    return CalendarDay(year: year, month: month, day: max(1, min(Int(day), last))) ?? CalendarDay(number: .min)
  }
}

/// What a path has used of its budget.
public struct BudgetMeter: Sendable, BitwiseCopyable {
  public let budget: Budget
  public private(set) var used: UInt64 = 0
  public private(set) var start: CalendarDay
  /// How often a day came that was before the period.
  public private(set) var clockWentBack: UInt32 = 0
  private var stored: UInt64 = 0
  private var isStored = false

  /// A path that has just begun, or begins again where it was.
  public init(_ budget: Budget, restored record: BudgetRecord? = nil, today: CalendarDay) {
    self.budget = budget
    start = budget.start(of: record?.start ?? today)
    used = record?.used ?? 0
    stored = used
    turn(to: today)
  }

  /// Sent or received, with the headers of IP, as providers count.
  @inline(__always)
  public mutating func note(_ bytes: Int) {
    let (sum, isOver) = used.addingReportingOverflow(UInt64(max(0, bytes)))
    used = isOver ? .max : sum
  }

  /// A day begins, or the clock was set. True when the budget is fresh.
  @discardableResult
  public mutating func turn(to today: CalendarDay) -> Bool {
    let now = budget.start(of: today)
    if now == start { return false }
    defer {
      start = now
      isStored = false
    }
    if now < start {
      clockWentBack &+= 1
      return false
    }
    used = 0
    return true
  }

  /// The first day of the next period.
  public var end: CalendarDay {
    var day = CalendarDay(number: Int(start.number) + 1)
    // No period is longer than 31 days.
    for _ in 0..<31 where budget.start(of: day) == start { day = CalendarDay(number: Int(day.number) + 1) }
    return day
  }

  public var isSpent: Bool { used >= budget.bytes }
  public var remaining: UInt64 { isSpent ? 0 : budget.bytes - used }

  // MARK: Over a restart

  /// What to store now; nil when little has changed since the last time.
  public mutating func nextRecord(of path: String) -> BudgetRecord? {
    if isStored && used >= stored && used - stored < max(1, budget.bytes / 1_000) { return nil }
    isStored = true
    stored = used
    return record(of: path)
  }

  /// What to store at the end.
  public func record(of path: String) -> BudgetRecord { BudgetRecord(path: path, start: start, used: used) }

  /// "18.4 of 20.0 GB since 2026-11-05".
  public var why: String {
    func gigabytes(_ bytes: UInt64) -> String { "\(bytes / 1_000_000_000).\(bytes % 1_000_000_000 / 100_000_000)" }
    return "\(gigabytes(used)) of \(gigabytes(budget.bytes)) GB since \(start)"
  }
}

/// What is kept of a path's meter over a restart: a line of text, `fibre 2026-11-05 123456789`.
public struct BudgetRecord: Equatable, Sendable, CustomStringConvertible {
  public let path: String
  public let start: CalendarDay
  public let used: UInt64

  public init(path: String, start: CalendarDay, used: UInt64) {
    self.path = path
    self.start = start
    self.used = used
  }

  public var description: String { "\(path) \(start) \(used)" }

  /// nil when this is none: a file that was damaged costs the count, not the gateway.
  public init?(_ line: some StringProtocol) {
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, !words[0].isEmpty, let start = CalendarDay(words[1]),
      words[2].utf8.allSatisfy({ (48...57).contains($0) }), let used = UInt64(words[2])
    else { return nil }
    self.init(path: String(words[0]), start: start, used: used)
  }
}
