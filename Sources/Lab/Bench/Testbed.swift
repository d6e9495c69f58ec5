//  Testbed.swift — a topology that is up, as a measurement sees it.

import Glibc
import Netlink
import Primitives
import Simulation
import Topology

final class Testbed {
  let topology: Topology
  let addresses: AddressPlan
  let state: LabState
  let interruption: Interruption
  /// nil when no link is emulated.
  let wire: WireClient?
  /// The mean rates of the traces that the file names.
  let traceRates: [String: BitRate]
  private var namespaces: [Int: Namespace] = [:]

  init(_ topology: Topology, interruption: Interruption) throws(LabError) {
    self.topology = topology
    self.interruption = interruption
    addresses = AddressPlan(topology)
    state = LabState(topology.name)
    wire = topology.links.indices.contains(where: topology.isEmulated) ? WireClient(directory: state.directory) : nil
    traceRates =
      topology.traceFiles.isEmpty
      ? [:]
      : try Testbed.traceRates(of: topology, source: String(SmallFile.readText(state.sourceFile).prefix { $0 != "\n" }))
  }

  func namespace(of node: Int) throws(LabError) -> Namespace {
    if let namespace = namespaces[node] { return namespace }
    let namespace = try Namespace.open(state.namespaceName(of: topology.nodes[node]))
    namespaces[node] = namespace
    return namespace
  }

  func interfaceIndex(_ name: String, at node: Int) throws(LabError) -> InterfaceIndex {
    guard let link = try link(name, at: node) else {
      throw .refused("\(state.namespaceName(of: topology.nodes[node])) has no interface \(name) any more")
    }
    return link.index
  }

  /// The interface as the kernel has it now.
  func link(_ name: String, at node: Int) throws(LabError) -> LinkState? {
    let namespace = try namespace(of: node)
    do throws(NetlinkError) {
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      return try socket.link(named: name)
    } catch {
      throw .network(namespace.name, error)
    }
  }

  /// Runs a program at a node to its end, and returns what it wrote. Its failure is ours.
  @discardableResult
  func run(_ command: [String], at node: Int, atMost patience: Interval = .seconds(10)) throws(LabError) -> [UInt8] {
    let group = ChildGroup(interruption)
    let number = try group.start(command, in: try namespace(of: node))
    let isDone = try group.wait(atMost: patience) { $0.status(of: number) != nil }
    if isDone, group.status(of: number)?.isSuccess == true { return group.output(of: number) }
    let complaint = group.complaint(of: number)
    let reason = isDone ? complaint : "it did not end within \(Int(patience.inSeconds)) s"
    throw .refused(
      "\(topology.nodes[node].name): `\(command.joined(separator: " "))` failed\(reason.isEmpty ? "" : ": " + reason)")
  }

  /// `source` is the topology's file: traces are relative to that.
  static func traceRates(of topology: Topology, source: String) throws(LabError) -> [String: BitRate] {
    var rates: [String: BitRate] = [:]
    let directory = source.lastIndex(of: "/").map { source[..<$0] } ?? "."
    for file in topology.traceFiles {
      let path = file.hasPrefix("/") ? file : "\(directory)/\(file)"
      let text = try SmallFile.read(path)
      do throws(DeliveryTrace.ParseError) {
        rates[file] = try DeliveryTrace(parsing: text).meanRate
      } catch {
        throw .refused("\(path): \(error)")
      }
    }
    return rates
  }
}
