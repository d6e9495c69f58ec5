//  State.swift — what is known of a topology that is up, and who may change it now.
//
//  Why.  netlab has no daemon: `up` ends, and later another process must find everything again and take it down, also
//  when `up` or an earlier `down` was killed half-way. So everything that we make is written down before it is made,
//  and forgotten after it is gone.
//
//  How.     /run/netlab/NAME/
//             topology    the file's value as canonical text: the nodes, hence the namespaces
//             source      where it was read from (traces are relative to that)
//             hosts       what the nodes see as /etc/hosts
//             wire.sock   the link emulator's control socket; wire.log is what it had to say
//             gateways/   a configuration, a log and a control socket for each gateway; for root alone
//             ready       exists once `up` is complete
//
//  The directory is made before the first namespace and removed after the last. In between its name is a promise:
//  every namespace `NAME.node` of a node in `topology` is ours to remove. Namespaces of that name without a directory
//  are not.
//
//  Whoever changes something holds a lock on the directory (flock): `up` and `down` alone, `exec` and others who
//  start processes together. A process that is being started holds the lock of its parent until it runs its program,
//  for locks belong to open files and these are closed at exec. It is inside its namespace by then, so `down`, which
//  waits for the lock, either finds it there or knows that it will never come.
//
//  Rejected.  A file of process numbers (stale after a crash, and reused); one lock for all topologies (a measurement
//  of one would stop the others); removing what has our prefix (users make namespaces too).

import Glibc
import Primitives
public import Topology

struct LabState {
  /// Where the state of all topologies is. Tests have a place of their own.
  @TaskLocal static var root = "/run/netlab"

  let name: String
  let directory: String

  init(_ name: String) {
    self.name = name
    directory = LabState.root + "/" + name
  }

  var topologyFile: String { directory + "/topology" }
  var sourceFile: String { directory + "/source" }
  var hostsFile: String { directory + "/hosts" }
  var readyFile: String { directory + "/ready" }
  var wireSocket: String { directory + "/wire.sock" }
  var wireLog: String { directory + "/wire.log" }
  var gateways: String { directory + "/gateways" }
  func gatewayFile(of node: Topology.Node) -> String { "\(gateways)/\(node.name).conf" }
  func gatewayLog(of node: Topology.Node) -> String { "\(gateways)/\(node.name).log" }
  func gatewaySocket(of node: Topology.Node) -> String { "\(gateways)/\(node.name).sock" }

  var isReady: Bool { SmallFile.exists(readyFile) }

  /// The topology as it was when it was brought up.
  func topology() throws(LabError) -> Topology {
    let text = try SmallFile.read(topologyFile)
    do throws(Topology.ParseError) {
      return try Topology(parsing: text, file: topologyFile)
    } catch {
      throw .refused("the state of \(name) is damaged (\(error)): `netlab down \(name)` removes it")
    }
  }

  func namespaceName(of node: Topology.Node) -> String { "\(name).\(node.name)" }

  /// Every topology that has a directory, complete or not.
  static var all: [LabState] { SmallFile.names(in: root).filter(isTopologyName).map(LabState.init) }

  private static func isTopologyName(_ name: String) -> Bool {
    name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
  }

  /// When it was complete, in seconds since 1970.
  var since: Int? {
    var status = stat()
    return stat(readyFile, &status) == 0 ? status.st_mtim.tv_sec : nil
  }

  // MARK: Removing

  /// Takes away the directory of all topologies after the last, and what goes with it.
  static func removeRootIfUnused() throws(LabError) {
    try NamespaceDirectory.removeIfUnused()
    // It is not empty: others are up.
    rmdir(root)
  }

  /// Removes the directory, which is empty by now.
  func removeDirectory() throws(LabError) {
    if rmdir(directory) != 0 && errno != ENOENT { throw .failed("remove \(directory)", errno) }
  }

  /// Removes all files; the directory, whose lock we hold, stays.
  func removeFiles() throws(LabError) {
    // `ready` first: what is half removed must not look complete.
    unlink(readyFile)
    // The list of namespaces last.
    for file in SmallFile.names(in: directory) where file != "topology" {
      try LabState.removeTree(directory + "/" + file, depth: 8)
    }
    unlink(topologyFile)
  }

  /// Reports and the like may be directories. Links are removed, not followed.
  static func removeTree(_ path: String, depth: Int) throws(LabError) {
    if unlink(path) == 0 || errno == ENOENT { return }
    guard errno == EISDIR, depth > 0 else { throw .failed("remove \(path)", errno) }
    for name in SmallFile.names(in: path) { try removeTree(path + "/" + name, depth: depth - 1) }
    if rmdir(path) != 0 && errno != ENOENT { throw .failed("remove \(path)", errno) }
  }
}

extension Topology {
  /// Whether the wire carries this link. All others are a plain pair of interfaces.
  public func isEmulated(_ link: Int) -> Bool {
    !links[link].isPlain || events.contains { $0.link == link }
  }
}
