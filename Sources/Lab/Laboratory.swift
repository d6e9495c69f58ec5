//  Laboratory.swift — topologies up, down, and which are.
//
//  The order of `up` is the one that lets `down` clean up after it at any moment: first the state directory with the
//  list of namespaces, then the namespaces, then what is in them; `ready` comes last. An `up` that finds a directory
//  without `ready` knows that somebody was interrupted, clears what he left, and begins anew. One that fails takes
//  back what it did.

import Glibc
import POSIX
import Primitives
public import Topology

public enum Laboratory {
  public struct UpOptions: Sendable {
    /// Sections that stand in every gateway's configuration besides: classes and rules.
    public var policy = ""
    /// Whether the file's events begin to happen now. A measurement that wants to tell the time itself does that
    /// later.
    public var startEvents = true
    /// Whether the topology's gateways are started.
    public var startGateways = true
    /// The program that is called with `wire DIRECTORY`, and beside which the gateways' is; nil is this one.
    public var executable: String?
    var wirePatience = WireProcess.patience
    var gatewayPatience = Gateways.patience

    public init() {}
  }

  public enum UpResult: Equatable, Sendable {
    case built
    /// It was up already and was left alone. `isSame`: it is what the file says.
    case wasUp(isSame: Bool)
  }

  /// One topology of `list`.
  public struct Entry: Equatable, Sendable {
    public var name: String
    public var nodes: Int
    public var links: Int
    /// Seconds since 1970; nil: an `up` has not ended, or was interrupted.
    public var since: Int?
    /// The file it came from.
    public var source: String
  }

  // MARK: Up

  /// Builds a topology. `source` is the path of its file. `progress` is told what is done, in a few words at a time.
  public static func up(
    _ topology: Topology, source: String, options: UpOptions = UpOptions(), progress: (String) -> Void = { _ in }
  ) throws(LabError) -> UpResult {
    try requirePrivileges(for: "up FILE")
    let state = LabState(topology.name)
    let lock = try DirectoryLock.acquire(state.directory, .exclusive, making: [LabState.root, state.directory])
    if state.isReady { return try check(topology, state, options) }
    // Without `ready`, everything in there is what an interrupted `up` left, or nothing.
    try Teardown.clear(state)
    do throws(LabError) {
      try refuseForeignNamespaces(topology, state)
      let gateways = try options.startGateways ? gateways(of: topology, state, source: source, options) : nil
      try build(topology, state, source: source, gateways, options, progress)
    } catch {
      try undo(state, after: error)
    }
    _ = consume lock
    return .built
  }

  private static func build(
    _ topology: Topology, _ state: LabState, source: String, _ gateways: Gateways?, _ options: UpOptions,
    _ progress: (String) -> Void
  ) throws(LabError) {
    try SmallFile.write(topology.printed(), to: state.topologyFile)
    try SmallFile.write(try absolute(source) + "\n", to: state.sourceFile)
    let network = Network(topology, state)
    try SmallFile.write(HostsFile(topology, network.addresses).text, to: state.hostsFile)

    var namespaces: [Namespace] = []
    let preparation = try NamespaceDirectory.prepare()
    for node in topology.nodes.indices { namespaces.append(try network.makeNamespace(of: node)) }
    _ = consume preparation
    progress(counted(namespaces.count, "namespace"))

    try network.makePairs(namespaces)
    let emulated = topology.links.indices.count(where: topology.isEmulated)
    if emulated > 0 {
      try WireProcess(state: state, executable: options.executable, patience: options.wirePatience)
        .start(in: namespaces[0])
    }
    progress(counted(topology.links.count, "link") + (emulated > 0 ? ", \(emulated) through the wire" : ""))

    for (node, namespace) in namespaces.enumerated() { try network.configure(node, namespace) }
    let deadline = MonotonicClock.now + options.wirePatience
    for (node, namespace) in namespaces.enumerated() { try network.waitUntilReady(node, namespace, until: deadline) }
    progress("addresses and routes")

    if let gateways {
      let running = try gateways.start(outliveUs: true) { node in namespaces[node] }
      try gateways.waitUntilConnected(running, patience: options.gatewayPatience)
      progress("\(counted(running.count, "gateway")), connected")
    }
    if emulated > 0 && options.startEvents { try WireClient(directory: state.directory).start() }
    try SmallFile.write("", to: state.readyFile)
  }

  /// nil when the topology has none with a peer. Throws when there is something to start and nothing to start it with,
  /// before anything is built.
  private static func gateways(
    of topology: Topology, _ state: LabState, source: String, _ options: UpOptions
  ) throws(LabError) -> Gateways? {
    let plan = BondPlan(topology, traces: try Testbed.traceRates(of: topology, source: source))
    return plan.members.isEmpty ? nil : try Gateways(plan, state, beside: options.executable, policy: options.policy)
  }

  /// Up already: is it what the user means, and is it well?
  private static func check(_ topology: Topology, _ state: LabState, _ options: UpOptions) throws(LabError) -> UpResult
  {
    let there = try state.topology()
    if there.links.indices.contains(where: there.isEmulated) && !WireClient(directory: state.directory).isAlive {
      throw .wireIsDead(in: state.directory)
    }
    if options.startGateways, let name = Gateways.firstDead(there, state) { throw .gatewayIsDead(name, state) }
    return .wasUp(isSame: there == topology)
  }

  /// Namespaces of our names without a directory of ours belong to somebody else.
  private static func refuseForeignNamespaces(_ topology: Topology, _ state: LabState) throws(LabError) {
    for name in topology.nodes.map(state.namespaceName) where Namespace.exists(name) {
      throw .refused(
        "there is a namespace \(name) that netlab did not make: rename the topology, or `ip netns delete \(name)`")
    }
  }

  private static func undo(_ state: LabState, after error: LabError) throws(LabError) -> Never {
    do throws(LabError) {
      try remove(state)
    } catch let second {
      throw LabError("\(error); and then: \(second)", exitCode: error.exitCode)
    }
    throw error
  }

  // MARK: Down

  /// Takes a topology down, complete or not. False: there was none.
  @discardableResult
  public static func down(_ name: String) throws(LabError) -> Bool { try down(name, grace: .seconds(2)) }

  /// Whoever works on the topology (a measurement, an `up` that hangs) may end his work within `grace`. Then he is
  /// asked to end, and after three times as long he is killed.
  static func down(_ name: String, grace: Interval) throws(LabError) -> Bool {
    try requirePrivileges(for: "down \(name)")
    let state = LabState(name)
    guard LabState.all.contains(where: { $0.name == name }) else { return false }
    var signals = [(signal: SIGTERM, after: grace), (signal: SIGKILL, after: grace * 4)]
    let lock = try DirectoryLock.acquire(state.directory, .exclusive) { waited in
      guard let next = signals.first, waited >= next.after else { return }
      signals.removeFirst()
      for process in DirectoryLock.holders(of: state.directory) { kill(process, next.signal) }
    }
    // Without a lock: whoever worked on it took it down himself.
    if lock != nil { try remove(state) }
    _ = consume lock
    return true
  }

  /// Takes all down, and returns their names. What fails does not keep the others up.
  @discardableResult
  public static func downAll() throws(LabError) -> [String] {
    try requirePrivileges(for: "down --all")
    var done: [String] = []
    var failure: LabError?
    for state in LabState.all {
      do throws(LabError) { if try down(state.name) { done.append(state.name) } } catch { failure = failure ?? error }
    }
    // Also after a `down` that was killed at its very end.
    try LabState.removeRootIfUnused()
    if let failure { throw failure }
    return done
  }

  private static func remove(_ state: LabState) throws(LabError) {
    try Teardown.clear(state)
    try state.removeDirectory()
    try LabState.removeRootIfUnused()
  }

  // MARK: Questions

  public static func isUp(_ name: String) -> Bool { LabState.all.contains { $0.name == name && $0.isReady } }

  public static func list() -> [Entry] {
    LabState.all.map { state in
      let topology = try? state.topology()
      let source = (try? SmallFile.readText(state.sourceFile)) ?? ""
      return Entry(
        name: state.name, nodes: topology?.nodes.count ?? 0, links: topology?.links.count ?? 0, since: state.since,
        source: String(source.prefix { $0 != "\n" }))
    }
  }

  /// Every node of every topology, as `exec` takes them: `alice`, or `fibre-lte.alice` where several have one.
  public static func nodeNames() -> [String] {
    var names: [(topology: String, node: String)] = []
    for state in LabState.all {
      guard let topology = try? state.topology() else { continue }
      names += topology.nodes.map { (state.name, $0.name) }
    }
    return names.map { name in
      names.count { $0.node == name.node } == 1 ? name.node : "\(name.topology).\(name.node)"
    }
  }

  /// Where a topology that is up keeps its state: the wire's socket and so on.
  public static func directory(of name: String) -> String { LabState(name).directory }

  // MARK: Small things

  /// Throws when we may not do what `netlab COMMAND` has to do.
  static func requirePrivileges(for command: String) throws(LabError) {
    // Capabilities are a thread's.
    let status = (try? SmallFile.readText("/proc/thread-self/status")) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let capabilities = line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
    let needed: UInt64 = 1 << 12 | 1 << 21  // CAP_NET_ADMIN, CAP_SYS_ADMIN
    if capabilities & needed == needed { return }
    throw .refused("needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): sudo netlab \(command)")
  }

  private static func absolute(_ path: String) throws(LabError) -> String {
    if path.hasPrefix("/") { return path }
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard getcwd(&bytes, bytes.count) != nil else { throw .failed("find the current directory", errno) }
    return String(terminated: bytes) + "/" + path
  }

  private static func counted(_ count: Int, _ thing: String) -> String { "\(count) \(thing)\(count == 1 ? "" : "s")" }
}
