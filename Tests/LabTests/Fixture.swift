import Glibc
import POSIX
import Primitives
import Synchronization
import Testing
import Topology

@testable import Lab

//  Everything that the tests of the lab share: topologies with names that no user has, taken down whatever happens.

let isRoot: Bool = {
  do {
    try Laboratory.requirePrivileges(for: "")
    return true
  } catch {
    return false
  }
}()
let rootReason: Comment = "needs root: it makes network namespaces"

private let counter = Atomic(0)

extension Laboratory.UpOptions {
  /// For tests of everything below the gateways: those would only take time, and routes.
  static var plain: Laboratory.UpOptions {
    var options = Laboratory.UpOptions()
    options.startGateways = false
    return options
  }

  /// With gateways of the build that is tested.
  static var bonded: Laboratory.UpOptions {
    var options = Laboratory.UpOptions()
    options.executable = BuiltProgram.netlab
    return options
  }
}

/// The programs that were built with the tests.
enum BuiltProgram {
  static let netlab: String = {
    var path = [CChar](repeating: 0, count: 4_096)
    let count = readlink("/proc/self/exe", &path, path.count)
    let own = String(decoding: path[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // `swift test` may load the tests into a helper of the toolchain; then its argument names them.
    let tests = CommandLine.arguments.first { $0.contains(".xctest") } ?? own
    return String(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)]) + "/netlab"
  }()
}

/// A topology that is up while `body` runs.
struct Lab {
  let topology: Topology
  var name: String { topology.name }

  /// `statements` are those of a file without its first line..
  static func topology(_ statements: String) throws -> Topology {
    let number = counter.add(1, ordering: .relaxed).newValue
    // The last letter closes the number: who looks for traces of the first must not find those of the tenth.
    let text = "topology test-\(getpid())-\(number)x\n" + statements
    return try Topology(parsing: Array(text.utf8), file: "test.topo")
  }

  static func with(_ statements: String, _ body: (Lab) throws -> Void) throws {
    let lab = Lab(topology: try topology(statements))
    defer { lab.down() }
    #expect(try Laboratory.up(lab.topology, source: "test.topo", options: .plain) == .built)
    try body(lab)
  }

  /// For tests that wait for other processes; they call `down`.
  static func up(_ statements: String) throws -> Lab {
    let lab = Lab(topology: try topology(statements))
    #expect(try Laboratory.up(lab.topology, source: "test.topo", options: .plain) == .built)
    return lab
  }

  func down() { _ = try? Laboratory.down(name) }

  func namespace(_ node: String) -> String { "\(name).\(node)" }

  /// What a command says at a node, both outputs together.
  func output(_ node: String, _ command: String...) throws -> String { try run(node, command).text }

  /// Whether a command succeeds at a node.
  func succeeds(_ node: String, _ command: String...) throws -> Bool { try run(node, command).status.isSuccess }

  func run(_ node: String, _ command: [String]) throws -> (text: String, status: ChildProcess.Status) {
    let child = try Laboratory.spawn(command, at: node, of: name)
    let result = child.collect(atMost: .seconds(20))
    let status = try #require(result.status, "\(command.joined(separator: " ")) does not end")
    return (result.text + result.errorText, status)
  }

  /// One ping: whether it was answered.
  func pings(_ from: String, _ options: String...) throws -> Bool {
    try run(from, ["ping", "-c", "1", "-W", "2"] + options).status.isSuccess
  }
}

/// What a topology of this name has on the machine: nothing, if all is well.
func traces(of name: String) -> [String] {
  var found = SmallFile.names(in: Namespace.directory).filter { $0.hasPrefix(name + ".") }
  found += SmallFile.names(in: LabState.root).filter { $0 == name }
  let mounts = (try? SmallFile.readText("/proc/self/mountinfo")) ?? ""
  found += mounts.split(separator: "\n").filter { $0.contains("/\(name).") || $0.contains("/\(name) ") }.map(
    String.init)
  return found
}

/// Waits for something that must come soon.
func eventually(within patience: Interval = .seconds(10), _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = MonotonicClock.now + patience
  while true {
    if try condition() { return true }
    if MonotonicClock.now >= deadline { return false }
    poll(nil, 0, 5)
  }
}
