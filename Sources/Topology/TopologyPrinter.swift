//  TopologyPrinter.swift — a topology as the text that makes it again: parsing what this prints gives an equal value.
//
//  Comments are not part of the value, so they are not printed; values come in their shortest exact form and attributes
//  in one order.

import Primitives

extension Topology {
  /// The file's text, statement by statement.
  public func printed() -> String {
    var text = "topology \(name)\n"
    for node in nodes {
      text += "node \(node.name) \(node.kind.rawValue)"
      if let site = node.behind { text += " behind \(nodes[site].name)" }
      text += "\n"
    }
    for link in links {
      text += "link \(link.name) \(nodes[link.a].name) -- \(nodes[link.b].name)"
      for attribute in link.attributes { text += " " + attribute.printed }
      text += "\n"
    }
    for event in events {
      text += "event at \(event.time.printed) \(links[event.link].name) \(event.change.printed)\n"
    }
    return text
  }

  /// Every trace file that the topology names, each once, in the file's order.
  public var traceFiles: [String] {
    var files: [String] = []
    func add(_ rate: Rate?) {
      if case .trace(let file) = rate, !files.contains(file) { files.append(file) }
    }
    for link in links {
      add(link.forward.rate)
      add(link.backward.rate)
    }
    for case .attributes(let attributes) in events.map(\.change) {
      for case .rate(let pair) in attributes {
        add(pair.forward)
        add(pair.backward)
      }
    }
    return files
  }
}

extension Topology.Link {
  /// What makes this link differ from a plain wire.
  public var attributes: [Topology.Attribute] {
    var list: [Topology.Attribute] = []
    if let there = forward.rate, let back = backward.rate { list.append(.rate(Topology.Pair(there, back))) }
    if forward.delay != .zero || backward.delay != .zero {
      list.append(.delay(Topology.Pair(forward.delay, backward.delay)))
    }
    if forward.jitter != .zero || backward.jitter != .zero || forward.reorders {
      list.append(.jitter(Topology.Pair(forward.jitter, backward.jitter), reorders: forward.reorders))
    }
    if forward.loss != .never || backward.loss != .never || forward.burst != nil {
      list.append(.loss(Topology.Pair(forward.loss, backward.loss), burst: forward.burst))
    }
    if forward.duplication != .never || backward.duplication != .never {
      list.append(.duplicate(Topology.Pair(forward.duplication, backward.duplication)))
    }
    if forward.corruption != .never || backward.corruption != .never {
      list.append(.corrupt(Topology.Pair(forward.corruption, backward.corruption)))
    }
    if let there = forward.queue, let back = backward.queue { list.append(.queue(Topology.Pair(there, back))) }
    if let mtu { list.append(.mtu(mtu)) }
    return list
  }
}

extension Topology.Change {
  public var printed: String {
    switch self {
    case .down: "down"
    case .up: "up"
    case .attributes(let list): list.map(\.printed).joined(separator: " ")
    }
  }
}

extension Topology.Attribute {
  /// As it stands in a file: `rate 20mbit/80mbit`.
  public var printed: String {
    switch self {
    case .rate(let pair):
      switch (pair.forward, pair.backward) {
      case (.fixed(let there), .fixed(let back)): "rate " + joined(there.printed, back.printed)
      case (.trace(let there), .trace(let back)):
        there == back ? "trace \(there)" : "trace-up \(there) trace-down \(back)"
      default: preconditionFailure("one direction has a rate and the other a trace: the grammar cannot say so")
      }
    case .delay(let pair): "delay " + joined(pair.forward.printed, pair.backward.printed)
    case .jitter(let pair, let reorders):
      "jitter " + joined(pair.forward.printed, pair.backward.printed) + (reorders ? " reorder" : "")
    case .loss(let pair, let burst):
      "loss " + joined(pair.forward.printed, pair.backward.printed) + (burst.map { " burst \($0)" } ?? "")
    case .duplicate(let pair): "duplicate " + joined(pair.forward.printed, pair.backward.printed)
    case .corrupt(let pair): "corrupt " + joined(pair.forward.printed, pair.backward.printed)
    case .queue(let pair): "queue " + joined(pair.forward.printed, pair.backward.printed)
    case .mtu(let bytes): "mtu \(bytes.value)"
    }
  }

  private func joined(_ there: String, _ back: String) -> String { there == back ? there : "\(there)/\(back)" }
}
