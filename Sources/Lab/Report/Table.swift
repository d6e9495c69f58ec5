//  Table.swift — rows and columns as text: for a terminal row by row, for Markdown all at once.
//
//  On a terminal the widths must be known before the first row, so a column has a least width and a longer cell
//  pushes the rest of its own row only. Markdown is padded to the widest cell, so that the file is a table for those
//  who read it raw.

import Primitives

struct Table {
  struct Column {
    var title: String
    var width: Int
    var isNumber: Bool

    static func text(_ title: String, width: Int = 0) -> Column { Column(title: title, width: width, isNumber: false) }
    static func number(_ title: String, width: Int = 0) -> Column { Column(title: title, width: width, isNumber: true) }
  }

  var columns: [Column]
  var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  // MARK: Terminal

  var terminalHeader: String { terminalRow(columns.map(\.title)) }

  func terminalRow(_ cells: [String]) -> String {
    var line = ""
    for (column, cell) in zip(columns, cells) {
      if !line.isEmpty { line += "  " }
      line += cell.padded(to: max(column.width, column.title.count), right: column.isNumber)
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  // MARK: Markdown

  var markdown: String {
    let cells = rows.map { row in row.map(Table.escaped) }
    let widths = columns.indices.map { index in
      max(3, columns[index].title.count, cells.map { $0[index].count }.max() ?? 0)
    }
    func line(_ cells: [String]) -> String {
      "| "
        + columns.indices.map { cells[$0].padded(to: widths[$0], right: columns[$0].isNumber) }.joined(separator: " | ")
        + " |\n"
    }
    let rule = columns.indices.map { index in
      columns[index].isNumber
        ? String(repeating: "-", count: widths[index] + 1) + ":" : String(repeating: "-", count: widths[index] + 2)
    }
    return line(columns.map(\.title)) + "|" + rule.joined(separator: "|") + "|\n" + cells.map(line).joined()
  }

  /// A bar would end the cell, and a line break the row.
  private static func escaped(_ cell: String) -> String {
    var result = ""
    for character in cell {
      switch character {
      case "|": result += "\\|"
      case "\n", "\r", "\r\n": result += " "
      default: result.append(character)
      }
    }
    return result
  }
}
