//  Amounts.swift — bytes, rates and times as people read them: three digits, and always a unit.

public import Primitives

/// 1.5 MB: three digits are enough to see what is going on.
func amount(_ bytes: UInt64) -> String { scaled(Double(bytes), ["B", "kB", "MB", "GB", "TB", "PB"]) }

/// 88 Mbit/s.
public func writtenRate(_ bitsPerSecond: UInt64) -> String {
  scaled(Double(bitsPerSecond), ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

private func scaled(_ number: Double, _ units: [String]) -> String {
  var value = number
  var unit = 0
  while value >= 999.5 && unit < units.count - 1 {
    value /= 1_000
    unit += 1
  }
  let decimals = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return plainDecimal(value, decimals: decimals) + " " + units[unit]
}

/// 3 d 4 h, 2 h 5 min, 1 min 3 s, 12 s.
public func age(_ span: Interval) -> String {
  let seconds = max(0, span.nanoseconds / 1_000_000_000)
  let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60)
  if days > 0 { return "\(days) d \(hours) h" }
  if hours > 0 { return "\(hours) h \(minutes) min" }
  if minutes > 0 { return "\(minutes) min \(seconds % 60) s" }
  return "\(seconds) s"
}

/// The same where less than a second matters.
func shortAge(_ span: Interval) -> String {
  span < .seconds(1) ? "\(max(0, span.nanoseconds / 1_000_000)) ms" : age(span)
}

func milliseconds(_ time: Interval?) -> String {
  time.map { plainDecimal($0.inMilliseconds, decimals: 1) + " ms" } ?? "-"
}
