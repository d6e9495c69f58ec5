//  PointChart.swift — a row for each profile: marks on one common axis, and the same figures in columns at the right.
//
//      baseline   ┄┄┄┄┄○━━━━━━━◆━│┄┄┄┄┄┄┄┄┄     40.6    80.9    73.9
//      congested  ○━━━━━━◆│┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄      6.4    12.1    11.4
//                 5    10    20    50   100 Mbit/s
//
//  Numbers stand in columns of their own and not beside their marks, so that no label can collide with another
//  however close two marks come, and a reader can run down a column. A row without marks says why it has none, in the
//  place of the marks.

struct PointChart {
  enum Shape { case ring, disc, diamond, tick }

  struct Series {
    var name: String
    var shape: Shape
    var ink: SVG.Ink
  }

  struct Row {
    var label: String
    /// A value for each series; nil is not drawn.
    var values: [Double?] = []
    /// The bar behind the marks.
    var span: (from: Double, to: Double)?
    var cells: [Cell] = []
    /// Instead of marks.
    var remark: String?
  }

  struct Cell {
    var text: String
    var ink = SVG.Ink.text
    var isBold = false
  }

  var title: String
  var subtitle: String
  var axisTitle: String
  var series: [Series]
  var columns: [String]
  var rows: [Row] = []

  private static let width = 1_000.0
  private static let margin = 24.0
  private static let columnWidth = 66.0
  private static let rowHeight = 26.0
  /// Where the rows begin; above them are the titles and the key.
  private static let top = 100.0

  var svg: String {
    let top = PointChart.top
    let bottom = top + PointChart.rowHeight * Double(max(rows.count, 1))
    var page = SVG(width: PointChart.width, height: bottom + 62, title: title, description: subtitle)
    let places = columns.indices.map {
      PointChart.width - PointChart.margin - PointChart.columnWidth * Double(columns.count - 1 - $0)
    }
    // 13-pixel letters are 7.5 wide on average; the longest name decides how much room all names get.
    let labels = 7.5 * Double(rows.map(\.label.count).max() ?? 0)
    let axis = LogAxis(
      covering: rows.flatMap { $0.values.compactMap { $0 } }, left: PointChart.margin + min(max(labels, 90), 250) + 14,
      right: (places.first ?? PointChart.width) - PointChart.columnWidth)

    page.label(title, x: PointChart.margin, y: 34, size: 18, isBold: true)
    page.label(subtitle, x: PointChart.margin, y: 55, .faint)
    drawKey(on: &page, x: axis.left)
    for (column, x) in zip(columns, places) { page.label(column, x: x, y: 84, .faint, anchor: .end) }
    for tick in axis.ticks {
      let x = axis.place(tick)
      page.line(from: (x, top), to: (x, bottom + 5), .rule)
      page.label(PointChart.label(of: tick), x: x, y: bottom + 21, .faint, anchor: .middle)
    }
    page.label(axisTitle, x: (axis.left + axis.right) / 2, y: bottom + 43, .faint, anchor: .middle)
    for (index, row) in rows.enumerated() {
      draw(row, on: &page, axis, places, y: top + PointChart.rowHeight * (Double(index) + 0.5))
    }
    return page.text
  }

  private func draw(_ row: Row, on page: inout SVG, _ axis: LogAxis, _ places: [Double], y: Double) {
    let baseline = y + 4.5
    page.label(row.label, x: axis.left - 14, y: baseline, anchor: .end)
    if let remark = row.remark {
      page.label(PointChart.shortened(remark, to: axis.right - axis.left), x: axis.left + 8, y: baseline, .faint)
      return
    }
    page.line(from: (axis.left, y), to: (axis.right, y), .rule, isDotted: true)
    if let span = row.span {
      page.line(from: (axis.place(span.from), y), to: (axis.place(span.to), y), .faint, width: 3)
    }
    for (series, value) in zip(series, row.values) {
      guard let value else { continue }
      PointChart.mark(series, on: &page, x: axis.place(value), y: y)
    }
    for (cell, x) in zip(row.cells, places) {
      page.label(cell.text, x: x, y: baseline, cell.ink, anchor: .end, isBold: cell.isBold)
    }
  }

  private func drawKey(on page: inout SVG, x: Double) {
    var x = x
    for series in series {
      PointChart.mark(series, on: &page, x: x + 6, y: 79.5)
      page.label(series.name, x: x + 19, y: 84)
      x += 19 + 7.5 * Double(series.name.count) + 16
    }
  }

  private static func mark(_ series: Series, on page: inout SVG, x: Double, y: Double) {
    switch series.shape {
    case .ring: page.ring(x: x, y: y, radius: 5.5, series.ink)
    case .disc: page.disc(x: x, y: y, radius: 5, series.ink)
    case .diamond: page.diamond(x: x, y: y, radius: 6.5, series.ink)
    case .tick: page.line(from: (x, y - 8), to: (x, y + 8), series.ink, width: 3)
    }
  }

  /// 0.5, 20, 1,000.
  private static func label(of tick: Double) -> String {
    if tick >= 1 { return grouped(tick) }
    var text = decimal(tick, places: 3)
    while text.last == "0" { text.removeLast() }
    return text
  }

  private static func shortened(_ text: String, to width: Double) -> String {
    let room = max(8, Int(width / 7.5))
    return text.count <= room ? text : text.prefix(room - 1) + "…"
  }
}
