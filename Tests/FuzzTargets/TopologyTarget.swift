//  TopologyTarget.swift — topology files, and the changes that `set` and events ask for.
//
//  A file is read into a value within its limits, or refused in one line that says where. What was read can be printed,
//  read again and drawn, has addresses and paths, and the second reading gives the same value.

import Primitives
import Topology

func checkTopology(_ bytes: [UInt8]) throws(Violation) {
  let topology: Topology
  do throws(Topology.ParseError) {
    topology = try Topology(parsing: bytes, file: "fuzz.topo")
  } catch {
    return try checkMistake(error, file: "fuzz.topo", lines: bytes.count { $0 == UInt8(ascii: "\n") } + 1)
  }
  try demand(topology.nodes.count <= Topology.Limits.nodes, "\(topology.nodes.count) nodes are over the limit")
  try demand(topology.links.count <= Topology.Limits.links, "\(topology.links.count) links are over the limit")
  try demand(topology.events.count <= Topology.Limits.events, "\(topology.events.count) events are over the limit")
  let names = topology.nodes.map(\.name) + topology.links.map(\.name)
  try demand(Set(names).count == names.count, "a name is used twice")

  let printed = topology.printed()
  let again: Topology
  do throws(Topology.ParseError) {
    again = try Topology(parsing: Array(printed.utf8), file: "printed.topo")
  } catch {
    throw Violation("what was printed does not read back: \(error)\n\(printed)")
  }
  try demand(again == topology, "what was printed reads back as another topology:\n\(printed)")

  let drawing = topology.drawing()
  for node in topology.nodes {
    try demand(drawing.contains(node.name), "\(node.name) is not in the drawing:\n\(drawing)")
  }
  _ = AddressPlan(topology)
  let gateways = topology.nodes.indices.filter { topology.nodes[$0].kind == .gateway }
  if gateways.count >= 2 {
    let paths = topology.paths(from: gateways[0], to: gateways[1])
    try demand(paths.count <= Topology.mostPaths, "\(paths.count) paths are over the limit")
  }
}

func checkChange(_ bytes: [UInt8]) throws(Violation) {
  let change: Topology.Change
  let again: Topology.Change
  do throws(Topology.ParseError) {
    change = try Topology.Change(parsing: String(decoding: bytes, as: UTF8.self))
  } catch {
    return try checkMistake(error, file: "change", lines: 1)
  }
  do throws(Topology.ParseError) {
    again = try Topology.Change(parsing: change.printed)
  } catch {
    throw Violation("\(change.printed) does not read back: \(error)")
  }
  try demand(again == change, "\(change.printed) reads back as another change")
}

/// One line that a user and an editor understand: `file:line:column: sentence`.
private func checkMistake(_ error: Topology.ParseError, file: String, lines: Int) throws(Violation) {
  let text = error.description
  try demand(
    text == "\(file):\(error.line):\(error.column): \(error.message)" && !error.message.isEmpty,
    "\(text) is not file:line:column: sentence")
  try demand((1...lines).contains(error.line), "line \(error.line) of a file with \(lines): \(text)")
  try demand(error.column >= 1, "column \(error.column): \(text)")
  // A file's own bytes are quoted in messages; they must not reach the terminal as control characters.
  for scalar in text.unicodeScalars {
    try demand(
      scalar.value >= 0x20 && scalar.value != 0x7f, "a control character in a message: \(text.debugDescription)")
  }
  try demand(text.utf8.count <= 500, "a message of \(text.utf8.count) bytes")
}
