//  Figures.swift — numbers as people read them: 286.9, 1,448, 94.3 %, "-" for what was not measured.
//
//  Written here because Foundation's formatters would bring a locale into reports that must look the same everywhere.

/// What stands where there is no figure.
let noFigure = "-"

/// With so many digits after the point, rounded half away from zero; beyond what an integer holds, or not a number, a
/// dash.
func decimal(_ value: Double, places: Int) -> String {
  var scale = 1.0
  for _ in 0..<places { scale *= 10 }
  let scaled = (value * scale).rounded()
  guard scaled.isFinite, abs(scaled) < 9e15 else { return noFigure }
  let digits = String(Int64(abs(scaled)))
  let sign = scaled < 0 ? "-" : ""
  if places == 0 { return sign + digits }
  let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
  return sign + padded.dropLast(places) + "." + padded.suffix(places)
}

/// Megabits a second with three digits that count: 7.43, 73.9, 287, 9,412.
func megabits(_ bitsPerSecond: Double?) -> String {
  guard let bitsPerSecond else { return noFigure }
  let value = bitsPerSecond / 1e6
  return value < 9.995 ? decimal(value, places: 2) : value < 999.95 ? decimal(value, places: 1) : grouped(value)
}

/// Milliseconds: 20.3, and 640 when tenths no longer matter.
func milliseconds(_ value: Double?) -> String {
  guard let value else { return noFigure }
  return value < 9.995 ? decimal(value, places: 2) : value < 99.95 ? decimal(value, places: 1) : grouped(value)
}

/// 0.943 as "94 %".
func percent(_ share: Double?, places: Int = 0) -> String {
  guard let share else { return noFigure }
  return decimal(share * 100, places: places) + " %"
}

/// A whole number with a comma between thousands.
func grouped(_ value: Double) -> String {
  let digits = decimal(value, places: 0)
  guard digits != noFigure else { return digits }
  var result = ""
  for (index, digit) in digits.enumerated() {
    let left = digits.count - index
    if index > 0, left % 3 == 0, digits.first != "-" || index > 1 { result.append(",") }
    result.append(digit)
  }
  return result
}

func count(_ value: Int?) -> String { value.map { grouped(Double($0)) } ?? noFigure }
