//  Drawing.swift — a topology as a picture in text, for terminals and for the head of a report.
//
//  Why.  A list of links does not show what leads where, and a general graph layout in characters is a tangle from five
//  nodes on. So nodes are columns, as in a sequence chart, and each link is a row from one column to another: nothing
//  ever crosses but a row and a column, the order is the file's, and the label has room to say what the line is like.
//
//       alice   branch                       hq     bob
//       host    gateway                    gateway  host
//         │        │                          │      │
//         ├────────┤                          ├──────┤
//         │        ├─ fibre 300mbit 10ms ─────┤      │
//         │        ├─ lte 80mbit 30ms ────────┤      │
//
//  Columns stand in the order in which a reader meets them: the first gateway with its hosts to its left, then what
//  lies in between, then each further gateway with its hosts to its right.

import Primitives

extension Topology {
  /// The picture, each line ended by a newline.
  public func drawing() -> String {
    if nodes.isEmpty { return "\(name): no nodes\n" }
    let columns = drawingOrder()
    var place = Array(repeating: 0, count: nodes.count)
    for (column, node) in columns.enumerated() { place[node] = column }

    var rows: [[Span]] = []
    for (index, node) in nodes.enumerated() {
      guard let site = node.behind else { continue }
      let span = Span(place[index], place[site], "")
      if let free = rows.firstIndex(where: { row in row.allSatisfy { !$0.touches(span) } }) {
        rows[free].append(span)
      } else {
        rows.append([span])
      }
    }
    for link in links { rows.append([Span(place[link.a], place[link.b], label(of: link))]) }

    let x = positions(columns, rows)
    var lines = [header(columns, x) { nodes[$0].name }, header(columns, x) { nodes[$0].kind.rawValue }]
    lines.append(line([], x))
    lines += rows.map { line($0, x) }
    return lines.map { $0 + "\n" }.joined()
  }

  /// What a line is like, in the few words that a picture has room for.
  public func label(of link: Link) -> String {
    var words = [link.name]
    func pair(_ text: (Shape) -> String?) {
      guard let there = text(link.forward), let back = text(link.backward) else { return }
      words.append(there == back ? there : "\(there)/\(back)")
    }
    pair { shape in
      switch shape.rate {
      case nil: nil
      case .fixed(let rate): rate.printed
      case .trace(let file): file.split(separator: "/").last.map(String.init) ?? file
      }
    }
    if link.forward.delay != .zero || link.backward.delay != .zero { pair { $0.delay.printed } }
    if link.forward.jitter != .zero || link.backward.jitter != .zero { pair { "±" + $0.jitter.printed } }
    if link.forward.loss != .never || link.backward.loss != .never { pair { $0.loss.printed } }
    return words.joined(separator: " ")
  }

  private func drawingOrder() -> [Int] {
    let gateways = nodes.indices.filter { nodes[$0].kind == .gateway }
    var order: [Int] = []
    func hosts(behind site: Int) -> [Int] { nodes.indices.filter { nodes[$0].behind == site } }
    if let first = gateways.first { order += hosts(behind: first) + [first] }
    for node in nodes.indices where nodes[node].kind != .gateway && nodes[node].behind == nil {
      order += [node] + hosts(behind: node)
    }
    for gateway in gateways.dropFirst() { order += [gateway] + hosts(behind: gateway) }
    return order
  }

  /// Where each column stands: names do not touch, and every label has room in its row.
  private func positions(_ columns: [Int], _ rows: [[Span]]) -> [Int] {
    let half = columns.map { (max(nodes[$0].name.count, nodes[$0].kind.rawValue.count) + 1) / 2 }
    var x = [half[0] + 1]
    for column in columns.indices.dropFirst() {
      var least = x[column - 1] + half[column - 1] + half[column] + 2
      for span in rows.joined() where span.right == column && !span.label.isEmpty {
        least = max(least, x[span.left] + span.label.count + 6)
      }
      x.append(least)
    }
    return x
  }

  private func header(_ columns: [Int], _ x: [Int], _ text: (Int) -> String) -> String {
    var line = ""
    for (column, node) in columns.enumerated() {
      let word = text(node)
      line += String(repeating: " ", count: max(0, x[column] - word.count / 2 - line.count)) + word
    }
    return line
  }

  private func line(_ spans: [Span], _ x: [Int]) -> String {
    var cells = Array(repeating: Character(" "), count: (x.last ?? 0) + 1)
    for column in x { cells[column] = "│" }
    for span in spans {
      for at in x[span.left]...x[span.right] { cells[at] = cells[at] == "│" ? "┼" : "─" }
      cells[x[span.left]] = "├"
      cells[x[span.right]] = "┤"
      if span.label.isEmpty { continue }
      for (offset, character) in " \(span.label) ".enumerated() { cells[x[span.left] + 2 + offset] = character }
    }
    return String(cells)
  }
}

private struct Span {
  let left: Int
  let right: Int
  let label: String

  init(_ a: Int, _ b: Int, _ label: String) {
    left = min(a, b)
    right = max(a, b)
    self.label = label
  }

  func touches(_ other: Span) -> Bool { left <= other.right && other.left <= right }
}
