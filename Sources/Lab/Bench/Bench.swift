//  Bench.swift — measures a topology: every path alone, then what joins them.
//
//  The order matters. Paths come first and without anything of ours, because they are what everything else is
//  compared to, on the same machine in the same minute; the bond comes last and starts the events of the file, so
//  that a path that dies at 5 s dies under the bond and not under its own measurement.

import Glibc
import Primitives
public import Topology

public struct Bench {
  public struct Setting {
    /// Where the topology was read from.
    public var source: String
    /// The program that is called as `wire`, and beside which the gateway's is; nil is this one.
    public var executable: String?
    public var progress: Progress
    /// The share of packets that the wire may deliver late. More than the usual 0.1 % is for those who test netlab
    /// itself on a machine that has other things to do.
    public var mostLate = Measurement.usualMostLate
    /// Shorter only where no figure matters.
    var leastWarmUp = WarmUp.least
    /// Where the table goes, in pieces that end with a line.
    public var print: (String) -> Void

    public init(source: String, executable: String? = nil, progress: Progress, print: @escaping (String) -> Void) {
      self.source = source
      self.executable = executable
      self.progress = progress
      self.print = print
    }
  }

  private let topology: Topology
  private let options: BenchOptions
  private let setting: Setting
  private let sites: Sites
  private let bond: (any Bond)?

  /// Measures and returns the result; the table is printed on the way.
  public static func run(
    _ topology: Topology, options: BenchOptions, setting: Setting
  ) throws(LabError) -> BenchResult {
    let interruption = try Interruption()
    return try run(topology, options: options, setting: setting, interruption: interruption)
  }

  /// For several benches under one watch for signals.
  static func run(
    _ topology: Topology, options: BenchOptions, setting: Setting, interruption: Interruption
  ) throws(LabError) -> BenchResult {
    defer { setting.progress.finish() }
    let sites = try Sites(topology)
    let own = sites.areGateways ? HawserGateways(beside: setting.executable) : nil
    let bench = Bench(
      topology: topology, options: options, setting: setting, sites: sites, bond: options.against?.bond ?? own)
    try Program.require([.iperf3, .ping])
    try bench.bond?.requirePrograms()
    try interruption.check()
    setting.progress.say("\(topology.name): up")
    return try Laboratory.hold(topology, source: setting.source, executable: setting.executable) {
      () throws(LabError) in try bench.measure(interruption)
    }
  }

  // MARK: The measurements

  private func measure(_ interruption: Interruption) throws(LabError) -> BenchResult {
    let testbed = try Testbed(topology, interruption: interruption)
    let measurement = Measurement(
      testbed: testbed, options: options, progress: setting.progress, mostLate: setting.mostLate,
      leastWarmUp: setting.leastWarmUp)
    var result = BenchResult(topology: topology.name, options: options)
    let ways = try sites.ways()
    let table = BenchTable(ways.map(\.name) + [bond?.name ?? ""])
    show(table.header(topology.name, options))

    var surveyed = Surveyed(sites: sites, ways: [])
    for way in ways {
      guard let opener = way.opener else {
        result.notes.append("\(way.name) was not measured: nats at both ends let no connection through")
        continue
      }
      let figures = try measure(way, from: opener, measurement)
      surveyed.ways.append((way, figures))
      let path = BenchResult.Path(way, figures, rate: way.rate(options.direction, traces: testbed.traceRates))
      result.paths.append(path)
      result.note(late: figures.lateShare)
      show(table.row(path))
    }
    show(table.sum(result))
    if surveyed.ways.isEmpty { throw LabError("\(topology.name): no path lets a connection through", exitCode: 1) }
    if let bond {
      let joined = try measure(bond, surveyed, measurement, &result)
      result.bond = joined
      show(table.row(joined, bond.name))
    }
    show(table.footer(result, bond: bond?.name))
    return result
  }

  private func measure(_ way: Way, from opener: Int, _ measurement: Measurement) throws(LabError) -> Figures {
    let scaffold = Scaffold(measurement.testbed)
    defer { scaffold.takeDown() }
    try scaffold.lead(over: way, from: opener)
    let listener = opener == sites.first ? sites.second : sites.first
    let course = Course(
      opener: .init(node: opener, address: way.address(of: opener).description),
      listener: .init(node: listener, address: way.address(of: listener).description),
      isForward: opener == sites.first)
    return try measurement.run(
      Flow(name: way.name, course: course, pings: course, meters: meters([way]), wanders: way.wanders))
  }

  private func measure(
    _ bond: any Bond, _ surveyed: Surveyed, _ measurement: Measurement, _ result: inout BenchResult
  ) throws(LabError) -> BenchResult.Bond {
    let scaffold = Scaffold(measurement.testbed)
    defer { scaffold.takeDown() }
    setting.progress.say("\(bond.name): joining the sites")
    var flow = try bond.join(surveyed, on: scaffold)
    flow.meters = meters(surveyed.ways.map(\.way))
    flow.wanders = surveyed.ways.contains { $0.way.wanders }
    flow.startsEvents = true
    let figures = try measurement.run(flow)
    result.note(late: figures.lateShare)
    result.notes += try bond.notes(surveyed, figures, on: scaffold)
    if let refusal = figures.eventsRefusal {
      result.notes.append("the events of the file did not begin with this measurement: \(refusal)")
    }
    var joined = BenchResult.Bond(figures)
    if bond.usesAllPaths { joined.shares = shares(flow.meters, figures.received) }
    return joined
  }

  /// The interfaces by which data arrives over these ways, each once.
  private func meters(_ ways: [Way]) -> [Flow.Meter] {
    let receivers: [Int]
    switch options.direction {
    case .up: receivers = [sites.second]
    case .down: receivers = [sites.first]
    case .both: receivers = [sites.first, sites.second]
    }
    var meters: [Flow.Meter] = []
    for way in ways {
      for node in receivers {
        let interface = way.interface(of: node).name
        if !meters.contains(where: { $0.node == node && $0.interface == interface }) {
          meters.append(Flow.Meter(node: node, interface: interface))
        }
      }
    }
    return meters
  }

  private func shares(_ meters: [Flow.Meter], _ received: [UInt64]) -> [BenchResult.Bond.Share] {
    var bytes: [(interface: String, count: UInt64)] = []
    for (meter, count) in zip(meters, received) {
      if let index = bytes.firstIndex(where: { $0.interface == meter.interface }) {
        bytes[index].count += count
      } else {
        bytes.append((meter.interface, count))
      }
    }
    let all = bytes.reduce(0) { $0 + $1.count }
    if all == 0 { return [] }
    return bytes.map { BenchResult.Bond.Share(path: $0.interface, share: Double($0.count) / Double(all)) }
  }

  private func show(_ text: String) {
    if text.isEmpty { return }
    setting.progress.finish()
    setting.print(text)
  }
}

extension BenchResult.Path {
  fileprivate init(_ way: Way, _ figures: Figures, rate: BitRate?) {
    self.init(
      name: way.name, goodputBitsPerSecond: figures.goodputBitsPerSecond, rate: rate, idle: figures.idle,
      loaded: figures.loaded, retransmits: figures.retransmits, warmUp: figures.warmUp)
  }
}

extension BenchResult.Bond {
  fileprivate init(_ figures: Figures) {
    self.init(
      goodputBitsPerSecond: figures.goodputBitsPerSecond, idle: figures.idle, loaded: figures.loaded,
      retransmits: figures.retransmits, warmUp: figures.warmUp)
  }
}

extension BenchResult {
  fileprivate mutating func note(late share: Double?) {
    if let share { lateShare = max(lateShare ?? 0, share) }
  }
}
