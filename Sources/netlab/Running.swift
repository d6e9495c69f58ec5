//  Running.swift — the commands about topologies that are up: up, down, list, exec, set.

import Commands
import Glibc
import Lab
import POSIX
import Primitives
import Topology

extension Netlab {
  static func up(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let path = invocation[Words.file]
    let topology = try Files.topology(path)
    // What the wire would find out only after everything is built.
    _ = try Files.traces(of: topology, at: path)
    var options = Laboratory.UpOptions()
    if let policy = invocation[Words.policy] { options.policy = try Files.policy(policy) }
    let began = MonotonicClock.now
    let result = try lab { [options] () throws(LabError) in
      try Laboratory.up(topology, source: path, options: options) { Output.remark("\(topology.name): \($0)") }
    }
    switch result {
    case .built:
      let time = (MonotonicClock.now - began).inSeconds
      Output.write("\(topology.name) is up after \(plainDecimal(time, decimals: 2)) s")
      Output.write("try: netlab exec \(topology.name).\(topology.nodes[0].name) -- ip address")
    case .wasUp(isSame: true): Output.write("\(topology.name) is up already; nothing changed")
    case .wasUp(isSame: false):
      let name = topology.name
      throw Refusal(
        "netlab: \(name) is up, but not as \(path) describes it now; `netlab down \(name)` first", exitCode: 2)
    }
    return 0
  }

  static func down(_ invocation: Invocation) throws(Refusal) -> Int32 {
    if invocation[Words.all] {
      let names = try lab { () throws(LabError) in try Laboratory.downAll() }
      Output.write(names.isEmpty ? "nothing was up" : "down: " + names.joined(separator: ", "))
      return 0
    }
    guard let given = invocation[Words.name] else {
      throw Refusal("netlab down: which one? Give its NAME (`netlab list` knows them) or --all", exitCode: 64)
    }
    let name = try runningName(given)
    guard try lab({ () throws(LabError) in try Laboratory.down(name) }) else {
      throw Refusal(notUp(name), exitCode: 2)
    }
    Output.write("\(name) is down")
    return 0
  }

  static func list(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let entries = Laboratory.list()
    if invocation[Words.names] || invocation[Words.nodes] {
      let lines = invocation[Words.names] ? entries.map(\.name) : Laboratory.nodeNames()
      return lines.isEmpty || Output.write(lines.joined(separator: "\n")) ? 0 : 1
    }
    if invocation[Words.json] {
      let json = JSONText.array(.indented) { list in
        for entry in entries {
          list.object {
            $0.member("name", entry.name)
            $0.member("nodes", entry.nodes)
            $0.member("links", entry.links)
            $0.member("complete", entry.since != nil)
            $0.member("since_unix_s", entry.since)
            $0.member("source", entry.source)
          }
        }
      }
      return Output.write(json) ? 0 : 1
    }
    if entries.isEmpty { return Output.write("nothing is up") ? 0 : 1 }
    let width = entries.map(\.name.count).max() ?? 0
    for entry in entries {
      let age = entry.since.map { "up for \(Clock.age(since: $0))" } ?? "not complete: `netlab down \(entry.name)`"
      let size = "\(entry.nodes) nodes, \(entry.links) links"
      Output.write("\(entry.name.padded(to: width))  \(size)  \(age)  \(entry.source)")
    }
    return 0
  }

  static func exec(_ invocation: Invocation) throws(Refusal) -> Int32 {
    try lab { () throws(LabError) -> Never in
      try Laboratory.exec(node: invocation[Words.node], command: invocation[Words.command])
    }
  }

  static func set(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let name = try runningName(invocation[Words.topology])
    let words = invocation[Words.change].joined(separator: " ")
    let change: Topology.Change
    do throws(Topology.ParseError) { change = try Topology.Change(parsing: words) } catch {
      throw Refusal("netlab set: \(error.message)", exitCode: 64)
    }
    guard Laboratory.isUp(name) else { throw Refusal(notUp(name), exitCode: 2) }
    try lab { () throws(LabError) in
      try WireClient(directory: Laboratory.directory(of: name)).set(link: invocation[Words.link], change: change)
    }
    return 0
  }

  /// A topology's name, from the name itself or from the path of its file.
  private static func runningName(_ word: String) throws(Refusal) -> String {
    let isName = word.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
    return isName ? word : try Files.topology(word).name
  }

  private static func notUp(_ name: String) -> String {
    let others = Laboratory.list().map(\.name)
    if others.isEmpty { return "netlab: \(name) is not up; nothing is" }
    let hint = nearestWord(to: name, in: others).map { "did you mean '\($0)'?" }
    return "netlab: \(name) is not up; " + (hint ?? "up are " + others.joined(separator: ", "))
  }

  /// What the lab refuses, the program refuses.
  static func lab<Value>(_ body: () throws(LabError) -> Value) throws(Refusal) -> Value {
    do throws(LabError) { return try body() } catch { throw Refusal(error) }
  }
}

/// How long ago things were, for people.
enum Clock {
  /// "3 min": how long ago a moment was that is given in seconds since 1970.
  static func age(since: Int) -> String {
    let seconds = max(0, time(nil) - since)
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7_200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3_600) h"
    default: return "\(seconds / 86_400) days"
    }
  }
}
