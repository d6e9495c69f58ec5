//  Gateways.swift — the gateways of a topology as processes: made ready, started, waited for, ended.
//
//  There is one way in which the lab starts them, whoever wants them: `up` for users, a bench for its last measurement,
//  a test stand for each of its turns. They differ in which ways are used (BondPlan), and in whether the gateways
//  outlive whoever started them.
//
//  A gateway gets a configuration, a log and a control socket in the topology's state directory, and runs in its node's
//  namespace, where `down` finds it like everything else there. Its keys are made anew at each start and known to
//  nobody else.
//
//  Waiting.  "Ready" is what a gateway says of itself on its control socket: a session with every peer, and a path
//  to each that answers. A process that ended meanwhile, or one that is not ready in time, is told with its last words.
//
//  Finding them again.  A bench on a topology that is up ends the gateways of `up` and starts them anew afterwards. It
//  knows them by their namespace and by the file in their command line, so nobody keeps process numbers.

import Configuration
import Control
import Crypto
import FoundationEssentials
import Glibc
import Netlink
import POSIX
import Primitives
import Topology

struct Gateways {
  struct Running {
    let node: Int
    let process: ChildProcess
  }

  /// A handshake over the slowest satellite takes two seconds; a busy machine may need longer.
  static let patience = Interval.seconds(20)

  let plan: BondPlan
  let state: LabState
  /// `hawser` itself, and `path-oracle`.
  let program: String
  let oracleProgram: String
  /// What stands in every configuration besides.
  let policy: String

  /// `executable` is the program that it lies beside; nil is this one.
  init(_ plan: BondPlan, _ state: LabState, beside executable: String?, policy: String = "") throws(LabError) {
    self.plan = plan
    self.state = state
    self.policy = policy
    program = try Gateways.program(beside: executable)
    oracleProgram = try Executable.beside("path-oracle", of: executable)
    if plan.oracle != nil && access(oracleProgram, X_OK) != 0 {
      throw .refused("there is no oracle to start, no \(oracleProgram): `swift build --product path-oracle` makes it")
    }
  }

  /// The same build makes both.
  static func program(beside executable: String?) throws(LabError) -> String {
    let path = try Executable.beside("hawser", of: executable)
    if access(path, X_OK) == 0 { return path }
    throw .refused("there is no gateway to start, no \(path): `swift build --product hawser` makes it")
  }

  // MARK: Starting

  /// Starts all, each in its namespace.
  func start(
    outliveUs: Bool, namespace: (Int) throws(LabError) -> Namespace
  ) throws(LabError) -> [Running] {
    if mkdir(state.gateways, 0o700) != 0 && errno != EEXIST { throw .failed("make \(state.gateways)", errno) }
    let keys = try plan.makeKeys()
    var running: [Running] = []
    do throws(LabError) {
      if let oracle = plan.oracle {
        running.append(Running(node: oracle, process: try spawn(oracle: oracle, keys, outliveUs, namespace)))
      }
      for member in plan.members {
        let node = plan.topology.nodes[member.node]
        let socket = state.gatewaySocket(of: node)
        guard let configuration = plan.configuration(of: member, keys: keys, socket: socket) else { continue }
        try SmallFile.write(
          configuration.printed() + Array(policy.utf8), to: state.gatewayFile(of: node), permissions: 0o600)
        // What a predecessor said is not this one's last word.
        unlink(socket)
        running.append(
          Running(
            node: member.node,
            process: try spawn("gateway", node, in: try namespace(member.node), outlivesUs: outliveUs)))
      }
      for relay in plan.relays {
        let node = plan.topology.nodes[relay]
        guard let configuration = plan.configuration(ofRelay: relay, keys: keys) else { continue }
        try SmallFile.write(configuration.printed(), to: state.gatewayFile(of: node), permissions: 0o600)
        running.append(
          Running(node: relay, process: try spawn("relay", node, in: try namespace(relay), outlivesUs: outliveUs)))
      }
    } catch {
      for gateway in running { gateway.process.kill() }
      throw error
    }
    return running
  }

  /// Its certificate and its state are made anew, like all keys.
  private func spawn(
    oracle: Int, _ keys: [Int: BondPlan.Key], _ outliveUs: Bool, _ namespace: (Int) throws(LabError) -> Namespace
  ) throws(LabError) -> ChildProcess {
    guard let own = SelfSigned(for: plan.certificateNames(ofOracle: oracle)) else {
      throw .refused("cannot make a certificate for the oracle")
    }
    let files = state.gateways + "/"
    try SmallFile.write(own.certificate, to: files + BondPlan.certificateFile, permissions: 0o600)
    try SmallFile.write(own.key, to: files + BondPlan.certificateKeyFile, permissions: 0o600)
    let store = files + "oracle.db"
    for ending in ["", "-wal", "-shm"] { unlink(store + ending) }
    let node = plan.topology.nodes[oracle]
    try SmallFile.write(
      plan.configuration(ofOracle: oracle, keys: keys, store: store).printed(), to: state.gatewayFile(of: node),
      permissions: 0o600)
    return try spawn("serve", node, in: try namespace(oracle), outlivesUs: outliveUs, program: oracleProgram)
  }

  private func spawn(
    _ command: String, _ node: Topology.Node, in namespace: Namespace, outlivesUs: Bool, program: String? = nil
  ) throws(LabError) -> ChildProcess {
    var options = ChildProcess.Options()
    options.output = .null
    options.errorOutput = .file(state.gatewayLog(of: node))
    options.hasOwnSession = true
    options.diesWithUs = !outlivesUs
    return try ChildProcess.spawn(
      [program ?? self.program, command, "--config", state.gatewayFile(of: node)], in: namespace, options: options)
  }

  // MARK: Waiting

  /// Returns when every gateway has a session with each of its peers and a path that answers. `check` may end it early.
  func waitUntilConnected(
    _ running: [Running], patience: Interval = patience, check: () throws(LabError) -> Void = {}
  ) throws(LabError) {
    let deadline = MonotonicClock.now + patience
    let isGateway = Set(plan.members.map(\.node))
    for gateway in running where isGateway.contains(gateway.node) {
      while let missing = missingPeer(of: gateway) {
        try check()
        if !gateway.process.isRunning {
          throw .refused("the gateway of \(name(of: gateway)) ended\(lastWords(of: gateway))")
        }
        if MonotonicClock.now >= deadline {
          let time = decimal(patience.inSeconds, places: 0)
          throw .refused(
            "the gateway of \(name(of: gateway)) is not connected to \(missing) after \(time) s"
              + lastWords(of: gateway))
        }
        usleep(20_000)
      }
    }
  }

  /// What of a gateway's state matters here.
  private struct Answer: Decodable {
    struct Peer: Decodable {
      struct Path: Decodable { var liveness: String }
      var name: String
      var state: String
      var paths: [Path]

      var isReady: Bool { state == "connected" && paths.contains { $0.liveness == "up" } }
    }
    var peers: [Peer]
  }

  /// The first peer that it does not carry anything to; nil when it is ready.
  private func missingPeer(of gateway: Running) -> String? {
    let socket = state.gatewaySocket(of: plan.topology.nodes[gateway.node])
    guard let answer = try? ControlClient.get("/v1/status", at: socket, asText: false), answer.status == 200,
      let status = try? JSONDecoder().decode(Answer.self, from: Data(answer.body.utf8))
    else { return "anybody" }
    return status.peers.first { !$0.isReady }?.name
  }

  private func name(of gateway: Running) -> String { plan.topology.nodes[gateway.node].name }

  private func lastWords(of gateway: Running) -> String {
    let log = (try? SmallFile.readText(state.gatewayLog(of: plan.topology.nodes[gateway.node]))) ?? ""
    return log.split(separator: "\n").last.map { "; the last line of its log: \($0)" } ?? "; its log is empty"
  }

  // MARK: Ending

  /// Ends them, and returns when their interfaces are gone, so that others can have the routes.
  static func stop(_ running: [Running], namespace: (Int) throws(LabError) -> Namespace) throws(LabError) {
    for gateway in running { gateway.process.send(signal: SIGTERM) }
    for gateway in running where gateway.process.wait(atMost: .seconds(2)) == nil {
      gateway.process.kill()
      _ = gateway.process.wait(atMost: .seconds(5))
    }
    let deadline = MonotonicClock.now + .seconds(5)
    for gateway in running {
      let namespace = try namespace(gateway.node)
      do throws(NetlinkError) {
        var socket = try NetlinkSocket.open(in: namespace.descriptor)
        // A ring outlives its process for a moment, and holds the interface.
        while try socket.link(named: BondPlan.interface) != nil, MonotonicClock.now < deadline { usleep(2_000) }
      } catch {
        throw .network(namespace.name, error)
      }
    }
  }

  /// Those that run now, whoever started them.
  static func running(_ topology: Topology, _ state: LabState) -> [Running] {
    let wanted = topology.nodes.indices.filter { SmallFile.exists(state.gatewayFile(of: topology.nodes[$0])) }
    if wanted.isEmpty { return [] }
    let processes = SmallFile.names(in: "/proc").compactMap { Int32($0) }
    return wanted.flatMap { node -> [Running] in
      guard let inode = Namespace.inode(state.namespaceName(of: topology.nodes[node])) else { return [] }
      let file = state.gatewayFile(of: topology.nodes[node])
      return processes.filter { process in
        guard Teardown.namespace(of: process) == inode, let words = try? SmallFile.read("/proc/\(process)/cmdline")
        else { return false }
        return words.split(separator: 0).contains { $0.elementsEqual(file.utf8) }
      }.compactMap { process in ChildProcess.attach(to: process).map { Running(node: node, process: $0) } }
    }
  }

  /// The first gateway that should run and does not.
  static func firstDead(_ topology: Topology, _ state: LabState) -> String? {
    let alive = Set(running(topology, state).map(\.node))
    let plan = BondPlan(topology)
    return (plan.members.map(\.node) + plan.relays + [plan.oracle].compactMap { $0 }).first { !alive.contains($0) }.map
    { topology.nodes[$0].name }
  }
}

extension LabError {
  static func gatewayIsDead(_ node: String, _ state: LabState) -> LabError {
    .refused(
      "the gateway of \(node) does not run; \(state.gateways)/\(node).log may say why, and "
        + "`netlab down \(state.name)` makes room for another `up`")
  }
}
