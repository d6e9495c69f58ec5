//  Exec.swift — running something at a node, as its user would there.
//
//  Whoever starts a process holds the topology's lock together with others until the process runs its program (see
//  State.swift). `down` waits for that moment, and then finds the process by its namespace.

import CLinux
import Glibc
import Primitives
import Topology

extension Laboratory {
  /// A node of a topology that is up.
  struct Place: Equatable {
    var topology: String
    var node: String

    var namespaceName: String { "\(topology).\(node)" }
  }

  /// Becomes `command` at a node: `alice`, or `fibre-lte.alice` where several topologies have one. Returns only by
  /// throwing.
  public static func exec(node: String, command: [String]) throws(LabError) -> Never {
    let hint = command.isEmpty ? "exec \(node) -- COMMAND" : "exec \(node) -- \(command[0])"
    try requirePrivileges(for: hint)
    guard let program = command.first, !program.isEmpty else {
      throw .wrongUsage("there is no command to run: \(hint)")
    }
    let place = try find(node)
    try entering(place) { namespace, state throws(LabError) in
      // So that `hawser status` runs what was built together with us, unless another is installed.
      let path =
        getenv("PATH").map { String(cString: $0) } ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      setenv("PATH", "\(path):\(try Executable.directory)", 1)
      var order = hawser_spawn_order()
      order.namespace_fd = namespace.descriptor
      order.withProgram(command, environment(at: place, state), hosts: state.hostsFile) { hawser_exec(&$0) }
      throw order.failure(program)
    }
    preconditionFailure("a process went on after it became another program")
  }

  /// Starts a program at a node of a topology. It sees the topology's names and only the node's interfaces.
  public static func spawn(
    _ command: [String], at node: String, of topology: String, options: ChildProcess.Options = ChildProcess.Options()
  ) throws(LabError) -> ChildProcess {
    var options = options
    var child: ChildProcess?
    try entering(Place(topology: topology, node: node)) { namespace, state throws(LabError) in
      options.hosts = options.hosts ?? state.hostsFile
      options.environment.merge(environment(at: Place(topology: topology, node: node), state)) { own, _ in own }
      child = try ChildProcess.spawn(command, in: namespace, options: options)
    }
    guard let child else { preconditionFailure("a process was started and is not there") }
    return child
  }

  /// `hawser status` at a node asks that node's gateway.
  private static func environment(at place: Place, _ state: LabState) -> [String: String] {
    let node = Topology.Node(name: place.node, kind: .gateway)
    return SmallFile.exists(state.gatewayFile(of: node)) ? ["HAWSER_SOCKET": state.gatewaySocket(of: node)] : [:]
  }

  private static func entering(
    _ place: Place, _ body: (Namespace, LabState) throws(LabError) -> Void
  ) throws(LabError) {
    let state = LabState(place.topology)
    guard let lock = try DirectoryLock.acquire(state.directory, .shared) else {
      throw .refused("\(place.topology) is not up: `netlab up FILE` builds it")
    }
    if !state.isReady {
      throw .refused("\(place.topology) is only half there, an `up` was interrupted: `netlab up FILE` builds it anew")
    }
    try body(try Namespace.open(place.namespaceName), state)
    _ = consume lock
  }

  // MARK: Which node is meant

  static func find(_ name: String) throws(LabError) -> Place {
    var places: [Place] = []
    for state in LabState.all {
      guard let topology = try? state.topology() else { continue }
      places += topology.nodes.map { Place(topology: state.name, node: $0.name) }
    }
    if places.isEmpty { throw .refused("no topology is up: `netlab up FILE` builds one") }
    let found = places.filter { $0.node == name || $0.namespaceName == name }
    if found.count == 1 { return found[0] }
    if found.isEmpty {
      let known = places.flatMap { name.contains(".") ? [$0.namespaceName] : [$0.node] }
      let hint = nearestWord(to: name, in: known).map { "; did you mean \($0)?" } ?? "; `netlab list` shows what is up"
      throw .wrongUsage("no node is called \(name)\(hint)")
    }
    let names = found.map(\.namespaceName).joined(separator: " or ")
    throw .wrongUsage("there are several nodes called \(name): say \(names)")
  }
}
