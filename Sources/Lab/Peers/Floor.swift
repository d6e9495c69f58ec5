//  Floor.swift — the floor as a peer: the least that a tunnel of our shape can cost (benchmarks/floor says how).
//
//  It is no product but a yardstick: it seals with a key that everybody knows, repairs nothing, and expects nothing in
//  its way but plain lines of the usual MTU. In exchange its figure is what this machine can do in this minute, and a
//  gateway's figure means something beside it.
//
//  It uses every path at once, cuts each segment evenly, and is told to bundle small packets, as the gateway does.

import FoundationEssentials
import Glibc
import Netlink
import Primitives
import Topology

final class Floor: Bond {
  let name: String
  let interface: String? = Floor.device
  let usesAllPaths = true
  private let isSealed: Bool
  private var sides: [(node: String, process: ChildProcess, log: String)] = []

  private static let device = "floor-bench"
  /// One for each path, since two paths may end in the same address.
  private static let firstPort = 7_000
  /// What the program takes.
  private static let mostPaths = 16

  init(isSealed: Bool) {
    self.isSealed = isSealed
    name = isSealed ? "floor" : "floor-bare"
  }

  func requirePrograms() throws(LabError) { _ = try program }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    let ways = surveyed.ways.map(\.way)
    try refuse(ways)
    for way in ways { try scaffold.lead(over: way, from: surveyed.sites.first) }
    let directory = try scaffold.makeDirectory("floor")
    let best = surveyed.best.way
    let ends = [surveyed.sites.first, surveyed.sites.second].enumerated().map { ordinal, site in
      TunnelEnd(site: site, in: surveyed.sites, best, ordinal: ordinal)
    }
    sides = []
    for (index, end) in ends.enumerated() {
      let log = "\(directory)/\(end.name)"
      let process = try scaffold.start(
        try command(ways, from: end.site, to: ends[1 - index].site), at: end.site, log: log)
      sides.append((end.name, process, log))
    }
    for (index, end) in ends.enumerated() {
      try waitForInterface(end, sides[index].process, sides[index].log, on: scaffold)
      try scaffold.connect(end, peer: ends[1 - index], through: Floor.device, mtu: best.mtu)
    }
    return surveyed.flowOfUsers(name, over: best, tunnel: (ends[0].tunnelAddress, ends[1].tunnelAddress))
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) throws(LabError) -> [String] {
    let paths = surveyed.ways.map(\.way.name).joined(separator: ", ")
    var notes = ["\(name): \(isSealed ? "sealed with AES-128-GCM" : "not sealed"), over \(paths)"]
    var costs: [String] = []
    for side in sides {
      if let report = try report(of: side, on: scaffold) {
        costs.append("\(decimal(report.us_per_64KiB, places: 1)) at \(side.node)")
      }
    }
    if !costs.isEmpty {
      notes.append("\(name): µs of processor time for each 64 KiB since its start: \(costs.joined(separator: ", "))")
    }
    return notes
  }

  // MARK: Starting

  private func refuse(_ ways: [Way]) throws(LabError) {
    if let way = ways.first(where: \.hasNAT) {
      throw .refused("\(name): \(way.name) leads through a nat, and the floor knows no way through one")
    }
    if let way = ways.first(where: { $0.mtu < Topology.Link.usualMTU }) {
      throw .refused(
        "\(name): \(way.name) carries \(way.mtu) bytes, and the floor's datagrams need \(Topology.Link.usualMTU)")
    }
    if ways.count > Floor.mostPaths {
      throw .refused("\(name): there are \(ways.count) paths, and the floor takes \(Floor.mostPaths)")
    }
  }

  private func command(_ ways: [Way], from site: Int, to other: Int) throws(LabError) -> [String] {
    var command = [try program, isSealed ? "-b" : "-bB", Floor.device]
    for (index, way) in ways.enumerated() {
      command += [site, other].map { "\(way.address(of: $0)):\(Floor.firstPort + index)" }
    }
    return command
  }

  /// It lies beside netlab, since the same build makes both.
  private var program: String {
    get throws(LabError) {
      let path = try Executable.beside("floor")
      if access(path, X_OK) == 0 { return path }
      throw .refused("\(name): there is no \(path): `swift build -c release --product floor` makes it")
    }
  }

  private func waitForInterface(
    _ end: TunnelEnd, _ process: ChildProcess, _ log: String, on scaffold: Scaffold
  ) throws(LabError) {
    let testbed = scaffold.testbed
    let isReady = try scaffold.waitUntil(.seconds(5)) { () throws(LabError) in
      let link = try testbed.link(Floor.device, at: end.site)
      return link?.isUp == true || !process.isRunning
    }
    if isReady && process.isRunning { return }
    let words = (try? SmallFile.readText(log + ".errors"))?.split(separator: "\n").last.map { ": \($0)" } ?? ""
    throw .refused("the floor did not start at \(end.name)\(words)")
  }

  // MARK: Its figures

  /// The part of its figures that is shown here.
  private struct Report: Decodable {
    var us_per_64KiB: Double
  }

  /// What it prints when it is asked; nil when it does not answer in time.
  private func report(
    of side: (node: String, process: ChildProcess, log: String), on scaffold: Scaffold
  ) throws(LabError) -> Report? {
    var report: Report?
    side.process.send(signal: SIGUSR1)
    _ = try scaffold.waitUntil(.seconds(2)) {
      guard let text = try? SmallFile.readText(side.log), let line = text.split(separator: "\n").last else {
        return false
      }
      report = try? JSONDecoder().decode(Report.self, from: Data(line.utf8))
      return report != nil
    }
    return report
  }
}
