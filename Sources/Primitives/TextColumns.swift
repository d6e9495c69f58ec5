//  TextColumns.swift — cells below each other, for terminals: words to the left, numbers to the right.
//
//  Every character that we print is one column wide; no line ends in blanks.

extension String {
  /// Filled with blanks to this width: text to the left, numbers to the right.
  public func padded(to width: Int, right: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - count))
    return right ? blanks + self : self + blanks
  }
}

/// Rows of equally many cells, each column as wide as its widest cell; `right` are the columns of numbers.
public func alignedColumns(_ rows: [[String]], right: Set<Int>, gap: Int = 2) -> String {
  guard let first = rows.first else { return "" }
  let widths = first.indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
  var text = ""
  for row in rows {
    var line = ""
    for (column, cell) in row.enumerated() {
      if column > 0 { line += String(repeating: " ", count: gap) }
      line += cell.padded(to: widths[column], right: right.contains(column))
    }
    while line.last == " " { line.removeLast() }
    text += line + "\n"
  }
  return text
}
