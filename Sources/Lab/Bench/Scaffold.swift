//  Scaffold.swift — what is put up for one measurement and taken away after it, in the opposite order.
//
//  Routes, rules, a switch of the kernel, programs of a peer, files: each is noted with its opposite *before* the
//  next is put up, so an error or a signal half-way leaves nothing. What was put up is gone at the latest with this
//  object; after SIGKILL, `netlab down` removes the namespaces and with them all that was in there.

import Glibc
import Netlink
import Primitives

final class Scaffold {
  let testbed: Testbed
  private var undoing: [() -> Void] = []
  /// What runs on it, and where.
  private(set) var programs: [(node: Int, process: ChildProcess)] = []

  init(_ testbed: Testbed) { self.testbed = testbed }

  deinit { takeDown() }

  func takeDown() {
    while let undo = undoing.popLast() { undo() }
    programs = []
  }

  /// What shall happen when the scaffold is taken down.
  func onTakeDown(_ action: @escaping () -> Void) { undoing.append(action) }

  // MARK: Network

  /// A change at a node together with the one that takes it back.
  func change(_ change: NetlinkChange, at node: Int, undo: NetlinkChange) throws(LabError) {
    let namespace = try testbed.namespace(of: node)
    try Scaffold.perform(change, in: namespace)
    // The interface may be gone by then, and its routes with it.
    onTakeDown { try? Scaffold.perform(undo, in: namespace) }
  }

  func addRoute(_ route: Route, at node: Int) throws(LabError) {
    try change(.addRoute(route), at: node, undo: .removeRoute(route))
  }

  func addRule(_ rule: RoutingRule, at node: Int) throws(LabError) {
    try change(.addRule(rule), at: node, undo: .removeRule(rule))
  }

  /// Sets one of the kernel's switches below /proc/sys/net in a node's namespace.
  func set(_ setting: String, _ value: String, at node: Int) throws(LabError) {
    let namespace = try testbed.namespace(of: node)
    let path = "/proc/sys/net/" + setting
    let before = try namespace.run { () throws(LabError) in
      let before = try SmallFile.readText(path)
      try SmallFile.set(path, value)
      return before
    }
    onTakeDown { try? namespace.run { () throws(LabError) in try SmallFile.set(path, before) } }
  }

  private static func perform(_ change: NetlinkChange, in namespace: Namespace) throws(LabError) {
    do throws(NetlinkError) {
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      try socket.perform(change)
    } catch {
      throw .network(namespace.name, error)
    }
  }

  // MARK: Programs and files

  /// A directory for a peer's files; readable for root alone, as keys are in it.
  func makeDirectory(_ name: String) throws(LabError) -> String {
    let path = testbed.state.directory + "/" + name
    if mkdir(path, 0o700) != 0 && errno != EEXIST { throw .failed("make \(path)", errno) }
    onTakeDown { try? LabState.removeTree(path, depth: 4) }
    return path
  }

  /// Counts a program among those that run on it; whoever started it ends it.
  func adopt(_ child: ChildProcess, at node: Int) { programs.append((node, child)) }

  /// A program that runs until the scaffold is taken down, and says what it has to say into a file.
  func start(_ command: [String], at node: Int, log: String, environment: [String: String] = [:]) throws(LabError)
    -> ChildProcess
  {
    var options = ChildProcess.Options()
    options.output = .file(log)
    options.errorOutput = .file(log + ".errors")
    options.environment = environment
    options.hasOwnSession = true
    let child = try ChildProcess.spawn(command, in: try testbed.namespace(of: node), options: options)
    adopt(child, at: node)
    onTakeDown {
      child.send(signal: SIGTERM)
      if child.wait(atMost: .seconds(1)) != nil { return }
      child.kill()
      _ = child.wait(atMost: .seconds(5))
    }
    return child
  }
}
