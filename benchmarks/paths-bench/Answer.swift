//  Answer.swift — named figures, a row each, as a table for people and as JSON for programs.
//
//  Keys carry their units; columns of the table count in what people read. A figure that is not there is a dash and
//  null, never zero.

import Primitives

struct Column {
  let key: String
  let title: String
  /// What the table counts in.
  let unit: Double
  let decimals: Int

  init(_ key: String, _ title: String, per unit: Double = 1, _ decimals: Int = 0) {
    self.key = key
    self.title = title
    self.unit = unit
    self.decimals = decimals
  }
}

struct Answer {
  struct Row {
    var names: [String]
    var values: [Double?]
    /// What a reader must know of this row.
    var note = ""
  }

  /// What the row's names are names of.
  var heads: [String]
  var columns: [Column]
  var rows: [Row] = []
  /// Figures over time, for programs only.
  var samples: [[(key: String, value: Double?)]] = []

  var table: String {
    var lines = [heads + columns.map(\.title)]
    for row in rows {
      lines.append(
        row.names
          + zip(columns, row.values).map { column, value in
            value.map { fixed($0 / column.unit, column.decimals) } ?? "-"
          })
    }
    var text = alignedColumns(lines, right: Set(heads.count..<heads.count + columns.count))
    for row in rows where !row.note.isEmpty { text += "\(row.names.joined(separator: " ")): \(row.note)\n" }
    return text
  }

  func json(_ question: String) -> String {
    JSONText.object(.indented) { object in
      object.member("question", question)
      object.array("rows") { list in
        for row in rows {
          list.object { object in
            for (head, name) in zip(heads, row.names) { object.member(head, name) }
            for (column, value) in zip(columns, row.values) { object.member(column.key, value, decimals: 6) }
            if !row.note.isEmpty { object.member("note", row.note) }
          }
        }
      }
      if samples.isEmpty { return }
      object.array("samples") { list in
        for sample in samples {
          list.object { object in for (key, value) in sample { object.member(key, value, decimals: 3) } }
        }
      }
    }
  }
}

/// With so many digits after the point.
func fixed(_ value: Double, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let rounded = (abs(value) * scale).rounded()
  guard rounded < 1e15 else { return "-" }
  let whole = Int(rounded)
  let sign = value < 0 && whole > 0 ? "-" : ""
  let digits = String(whole)
  if decimals == 0 { return sign + digits }
  let filled = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
  return sign + filled.dropLast(decimals) + "." + filled.suffix(decimals)
}
