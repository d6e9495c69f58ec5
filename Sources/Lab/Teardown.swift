//  Teardown.swift — taking a topology down, whatever state it is in.
//
//  Why.  `up`, `down` and what runs in between can be killed at any moment, and users start things in our namespaces
//  that we never heard of. What is left must go all the same, and nothing else may.
//
//  How.  Under the topology's lock, so that nobody starts anything meanwhile:
//
//      processes   all whose network namespace is one of ours: killed, and waited for, until a look finds none
//      names       unmounted and unlinked; the kernel then takes interfaces, routes and rules with the namespaces
//      files       of the state directory, and the directory
//
//  Each step can be repeated, and none needs what a later one removes. So a teardown that is killed is finished by
//  the next.
//
//  Processes are signalled through descriptors (pidfd) after a second look at their namespace: a number may have been
//  given to another process by then.

import CLinux
import Glibc
import POSIX
import Primitives
import Topology

enum Teardown {
  /// A process that is killed is gone within milliseconds, unless it hangs in a driver.
  static let patience = Interval.seconds(10)

  /// Removes everything but the directory, whose lock the caller holds.
  static func clear(_ state: LabState) throws(LabError) {
    let names = namespaceNames(of: state)
    try killProcesses(in: Set(names.compactMap(Namespace.inode)))
    for name in names { try Namespace.remove(name) }
    try state.removeFiles()
  }

  /// The namespaces that may exist. The list is written before the first is made. Should it have been damaged since,
  /// then names tell: no namespace of this topology can be anybody else's while its directory exists.
  private static func namespaceNames(of state: LabState) -> [String] {
    if let topology = try? state.topology() { return topology.nodes.map(state.namespaceName) }
    guard SmallFile.exists(state.topologyFile) else { return [] }
    return SmallFile.names(in: Namespace.directory).filter { $0.hasPrefix(state.name + ".") }
  }

  // MARK: Processes

  private static func killProcesses(in namespaces: Set<UInt64>) throws(LabError) {
    var namespaces = namespaces
    if let own = namespace(of: gettid()), namespaces.contains(own) {
      if isGuest(in: own) {
        throw .refused("this runs inside the topology that it shall take down: leave its node first (`exit`)")
      }
      // Somebody mounted the machine's own namespace under our name: all of its processes would be "inside".
      namespaces.remove(own)
    }
    if namespaces.isEmpty { return }
    let deadline = MonotonicClock.now + patience
    while case let processes = processes(in: namespaces), !processes.isEmpty {
      for process in processes { kill(process, namespaces, until: deadline) }
      if MonotonicClock.now >= deadline {
        let list = processes.map { "\($0) (\(command(of: $0)))" }.joined(separator: ", ")
        throw .refused("cannot kill what runs in the namespaces: \(list)")
      }
    }
  }

  private static func processes(in namespaces: Set<UInt64>) -> [Int32] {
    SmallFile.names(in: "/proc").compactMap { Int32($0) }
      .filter { process in namespace(of: process).map(namespaces.contains) ?? false }
  }

  /// Kills one and waits for its end. One that ends by itself meanwhile is fine, too.
  private static func kill(_ process: Int32, _ namespaces: Set<UInt64>, until deadline: Instant) {
    let descriptor = hawser_pidfd_open(process)
    if descriptor < 0 { return }
    defer { close(descriptor) }
    guard let namespace = namespace(of: process), namespaces.contains(namespace) else { return }
    _ = hawser_pidfd_signal(descriptor, SIGKILL)
    var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&watched, 1, millisecondsLeft(until: deadline)) < 0 && errno == EINTR {}
  }

  /// The namespace that a process is in; nil when it is gone, or dead and only waiting for its parent.
  static func namespace(of process: Int32) -> UInt64? {
    var text = [CChar](repeating: 0, count: 64)
    // `net:[4026531840]`
    let count = readlink("/proc/\(process)/ns/net", &text, text.count - 1)
    guard count > 6 else { return nil }
    return UInt64(String(terminated: text).dropFirst(5).dropLast())
  }

  /// Whether we came into our namespace from another, in which one of our ancestors is.
  private static func isGuest(in own: UInt64) -> Bool {
    var process = getppid()
    for _ in 0..<1_000 where process > 0 {
      if let other = namespace(of: process), other != own { return true }
      let status = (try? SmallFile.readText("/proc/\(process)/status")) ?? ""
      let line = status.split(separator: "\n").first { $0.hasPrefix("PPid:\t") }
      process = line.flatMap { Int32($0.dropFirst(6)) } ?? 0
    }
    return false
  }

  private static func command(of process: Int32) -> String {
    let name = (try? SmallFile.readText("/proc/\(process)/comm")) ?? "gone"
    return String(name.prefix { $0 != "\n" })
  }
}
