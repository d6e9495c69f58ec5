import CLinux
import Glibc
import Primitives
import Testing
import Topology

@testable import Lab

private let pair = "node a gateway\nnode b gateway\nnode h host behind a\nlink x a -- b\n"

@Suite(.enabled(if: isRoot, rootReason))
struct `Topologies up and down` {
  @Test func `one that is up is left alone, and it is said whether it is the same`() throws {
    try Lab.with(pair) { lab throws in
      let before = try inodes(lab)
      #expect(try Laboratory.up(lab.topology, source: "test.topo", options: .plain) == .wasUp(isSame: true))
      var other = lab.topology
      other.links[0].mtu = ByteCount(1_400)
      #expect(try Laboratory.up(other, source: "test.topo", options: .plain) == .wasUp(isSame: false))
      #expect(try inodes(lab) == before)
    }
  }

  @Test func `two are up at once, and one outlives the other`() throws {
    try Lab.with(pair) { one throws in
      try Lab.with(pair) { other throws in
        #expect(try one.pings("a", "b") && other.pings("a", "b"))
        #expect(try Set(inodes(one)).isDisjoint(with: inodes(other)))
        let list = Laboratory.list().filter { [one.name, other.name].contains($0.name) }
        #expect(list.map(\.nodes) == [3, 3] && list.map(\.links) == [1, 1] && list.allSatisfy { $0.since != nil })
        #expect(list.allSatisfy { $0.source.hasPrefix("/") && $0.source.hasSuffix("/test.topo") })
        #expect(Laboratory.isUp(one.name) && Laboratory.isUp(other.name))
        #expect(try Laboratory.down(other.name))
        #expect(traces(of: other.name) == [] && !Laboratory.isUp(other.name))
        #expect(try one.pings("h", "b"))
      }
    }
  }

  @Test func `down of what is not up does nothing`() throws {
    #expect(try Laboratory.down("test-\(getpid())-none") == false)
    #expect(try Laboratory.down("..") == false && Laboratory.down("") == false)
  }

  @Test func `down --all takes all down, also what was left half-way, and no directory stays`() throws {
    let root = "/run/netlab-test-\(getpid())"
    try LabState.$root.withValue(root) {
      let (one, other) = (try Lab.topology(pair), try Lab.topology(pair))
      for topology in [one, other] { _ = try Laboratory.up(topology, source: "test.topo", options: .plain) }
      #expect(unlink(LabState(other.name).readyFile) == 0)
      #expect(mkdir(root + "/empty", 0o755) == 0)
      let shown = Laboratory.list().map { $0.since != nil }
      #expect(shown == [false, true, false])
      #expect(try Laboratory.downAll() == ["empty", one.name, other.name])
      #expect(traces(of: one.name) == [] && traces(of: other.name) == [])
      #expect(!SmallFile.exists(root))
      #expect(try Laboratory.downAll() == [])
    }
  }

  @Test func `whoever runs in a namespace is killed by down, however he hides`() throws {
    try Lab.with(pair) { lab throws in
      let mark = "\(lab.name)-hides"
      var options = ChildProcess.Options()
      options.environment = ["HAWSER_MARK": mark]
      func start(_ script: String, _ node: String) throws -> ChildProcess {
        try Laboratory.spawn(["sh", "-c", script + "; :"], at: node, of: lab.name, options: options)
      }
      let stubborn = try start("trap '' TERM INT HUP; setsid sh -c 'sleep 1000; :' & sleep 1000", "h")
      let stopped = try start("sleep 1000", "a")
      (options.diesWithUs, options.hasOwnSession) = (false, true)
      let daemon = try start("sleep 1000", "b")
      #expect(eventually { processes(mentioning: mark).count == 8 })
      stopped.send(signal: SIGSTOP)
      try Laboratory.down(lab.name)
      #expect(processes(mentioning: mark) == [])
      for child in [stubborn, stopped] { #expect(child.wait(atMost: .zero) == .killed(signal: SIGKILL)) }
      #expect(daemon.wait(atMost: .zero) == .gone)
      #expect(traces(of: lab.name) == [])
    }
  }

  @Test func `nobody gets into a namespace that was taken down, though he had it open, not even if it is up again`()
    throws
  {
    try Lab.with(pair) { lab throws in
      let namespace = try Namespace.open(lab.namespace("a"))
      try Laboratory.down(lab.name)
      let gone = #expect(throws: LabError.self) { try ChildProcess.spawn(["true"], in: namespace) }
      _ = try Laboratory.up(lab.topology, source: "test.topo", options: .plain)
      let other = #expect(throws: LabError.self) { try ChildProcess.spawn(["true"], in: namespace) }
      #expect([gone, other].allSatisfy { $0?.description.contains("took the topology down") == true })
    }
  }

  @Test func `down leaves alone what netlab did not make, whatever its name`() throws {
    try Lab.with(pair) { lab throws in
      let foreign = "\(lab.name).foreign"
      defer { _ = try? Namespace.remove(foreign) }
      let namespace = try Namespace.create(foreign) {}
      let guest = try ChildProcess.spawn(["sleep", "1000"], in: namespace)
      try Laboratory.down(lab.name)
      #expect(traces(of: lab.name).contains(foreign))
      #expect(guest.isRunning)
    }
  }

  @Test func `a namespace of somebody else keeps a topology from coming up, and survives that`() throws {
    let topology = try Lab.topology(pair)
    let name = "\(topology.name).b"
    defer { _ = try? Namespace.remove(name) }
    _ = try Namespace.create(name) {}
    let before = Namespace.inode(name)
    let error = #expect(throws: LabError.self) { try Laboratory.up(topology, source: "test.topo", options: .plain) }
    #expect(error?.exitCode == 2 && error?.description.contains(name) == true)
    #expect(before != nil && Namespace.inode(name) == before)
    #expect(!SmallFile.exists(LabState(topology.name).directory))
  }

  @Test func `everybody but down waits for who works on it, and says for whom when that takes too long`() throws {
    try Lab.with(pair) { lab throws in
      let directory = LabState(lab.name).directory
      let worker = try startWorker(on: directory)
      var sentence = ""
      do throws(LabError) {
        _ = try DirectoryLock.acquire(directory, .exclusive, patience: .milliseconds(30))
      } catch { sentence = error.description }
      #expect(sentence.contains("process \(worker.processID)"))
      worker.kill()
      #expect(worker.wait() == .killed(signal: SIGKILL))
      #expect(try DirectoryLock.acquire(directory, .exclusive) != nil)
    }
  }

  @Test(arguments: [("", SIGTERM), ("trap '' TERM;", SIGKILL)])
  func `down ends who works on it: it asks first, and then it kills`(trap: String, signal: Int32) throws {
    try Lab.with(pair) { lab throws in
      let worker = try startWorker(on: LabState(lab.name).directory, trap)
      #expect(try Laboratory.down(lab.name, grace: .milliseconds(20)))
      #expect(worker.wait(atMost: .seconds(5)) == .killed(signal: signal))
      #expect(traces(of: lab.name) == [])
    }
  }
}

/// A process outside of all namespaces that has the directory locked, as a measurement has.
private func startWorker(on directory: String, _ trap: String = "") throws -> ChildProcess {
  let script = "\(trap) exec flock --shared --no-fork \(directory) sh -c 'echo locked; exec sleep 1000'"
  let worker = try ChildProcess.spawn(["sh", "-c", script])
  try #require(worker.firstLine(within: .seconds(20)) == "locked")
  return worker
}

@Suite(.enabled(if: isRoot, rootReason))
struct `Half a topology` {
  @Test(arguments: ["", "topology", "topology x\nnode a gatew", "\0\0\0"])
  func `with a damaged list of nodes goes away by its names`(text: String) throws {
    try Lab.with(pair) { lab throws in
      try SmallFile.write(text, to: LabState(lab.name).topologyFile)
      #expect(try Laboratory.down(lab.name))
      #expect(traces(of: lab.name) == [])
    }
  }

  @Test func `with files in the place of namespaces, mounts on mounts and odd things in its directory goes away`()
    throws
  {
    try Lab.with(pair) { lab throws in
      let (a, b) = (Namespace.path(lab.namespace("a")), Namespace.path(lab.namespace("b")))
      #expect(hawser_detach_mount(a) == 0)
      #expect(hawser_bind_mount("/proc/self/ns/net", b) == 0)
      let state = LabState(lab.name)
      #expect(mkdir(state.directory + "/report", 0o755) == 0)
      try SmallFile.write("x", to: state.directory + "/report/x")
      #expect(symlink("/etc", state.directory + "/link") == 0)
      #expect(try Laboratory.down(lab.name))
      #expect(traces(of: lab.name) == [])
      #expect(SmallFile.exists("/etc/passwd"))
    }
  }

  @Test func `is refused by exec, cleared by up and built anew`() throws {
    try Lab.with(pair) { lab throws in
      #expect(unlink(LabState(lab.name).readyFile) == 0)
      let left = try ChildProcess.spawn(["sleep", "1000"], in: try Namespace.open(lab.namespace("a")))
      let error = #expect(throws: LabError.self) { try Laboratory.spawn(["true"], at: "a", of: lab.name) }
      #expect(error?.description.contains("interrupted") == true)
      let before = try inodes(lab)
      #expect(try Laboratory.up(lab.topology, source: "test.topo", options: .plain) == .built)
      #expect(try Set(inodes(lab)).isDisjoint(with: before) && lab.pings("h", "b"))
      #expect(left.wait(atMost: .seconds(5)) == .killed(signal: SIGKILL))
    }
  }

  @Test(arguments: 0..<20) func `of an up that was killed leaves nothing behind`(seed: Int) async throws {
    let topology = try Lab.topology(FakeWire.statements)
    let (name, text) = (topology.name, topology.printed())
    defer { _ = try? Laboratory.down(name) }
    let wire = try FakeWire(name: name, text: FakeWire.good)
    var random = SeededRandom(seed: UInt64(seed))
    // About as long as a whole `up` takes here.
    let delay = Int(random.next() % 120_000)
    let executable = wire.path
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [text = text as String, delay = delay as Int, executable = executable as String] in
      let topology = try Topology(parsing: Array(text.utf8), file: "test.topo")
      killSelf(afterMicroseconds: delay)
      _ = try Laboratory.up(topology, source: "test.topo", options: FakeWire.options(executable))
      pause()
    }
    if seed.isMultiple(of: 3) && !Laboratory.isUp(name) {
      #expect(try Laboratory.up(topology, source: "test.topo", options: FakeWire.options(executable)) == .built)
    }
    _ = try Laboratory.down(name)
    #expect(traces(of: name) == [] && processes(mentioning: name) == [], "killed after \(delay) µs")
  }

  @Test(arguments: 0..<10) func `of a down that was killed is removed by the next`(seed: Int) async throws {
    let topology = try Lab.topology(FakeWire.statements)
    let wire = try FakeWire(name: topology.name, text: FakeWire.good)
    defer { _ = try? Laboratory.down(topology.name) }
    _ = try Laboratory.up(topology, source: "test.topo", options: FakeWire.options(wire.path))
    var random = SeededRandom(seed: UInt64(seed))
    let (name, delay) = (topology.name, Int(random.next() % 12_000))
    await #expect(processExitsWith: .signal(SIGKILL)) { [name = name as String, delay = delay as Int] in
      killSelf(afterMicroseconds: delay)
      _ = try Laboratory.down(name)
      pause()
    }
    _ = try Laboratory.down(name)
    #expect(traces(of: name) == [] && processes(mentioning: name) == [], "killed after \(delay) µs")
  }
}

@Suite(.enabled(if: isRoot, rootReason))
struct `The process that carries emulated links` {
  @Test func `is started in the first node's namespace, and its interfaces get addresses like all others`() throws {
    let topology = try Lab.topology(FakeWire.statements)
    let wire = try FakeWire(name: topology.name, text: FakeWire.good)
    defer { _ = try? Laboratory.down(topology.name) }
    _ = try Laboratory.up(topology, source: "test.topo", options: FakeWire.options(wire.path))
    let lab = Lab(topology: topology)
    #expect(try lab.pings("a", "-I", "lte", "b.lte") && lab.pings("a", "-I", "fibre", "b.fibre"))
    let carriers = processes(mentioning: topology.name)
    #expect(carriers.count == 1 && Teardown.namespace(of: carriers[0]) == Namespace.inode(lab.namespace("a")))
    // It has a session of its own, and holds nothing that was ours.
    #expect(getsid(carriers[0]) == carriers[0])
    #expect(SmallFile.names(in: "/proc/\(carriers[0])/fd").allSatisfy { ["0", "2"].contains($0) })
  }

  @Test(arguments: [
    ("echo 'error: no /dev/net/tun here'", "the link emulator: no /dev/net/tun here"),
    ("echo oops >&2; exit 3", "ended without a word; its last words: oops"),
    ("exec sleep 1000", "said nothing within"),
    ("echo ready", "interface lte"),
  ])
  func `that cannot start takes everything back, and its reason is told`(script: String, sentence: String) throws {
    let topology = try Lab.topology(FakeWire.statements)
    let wire = try FakeWire(name: topology.name, text: { _ in script })
    var options = FakeWire.options(wire.path)
    if script.contains("sleep") { options.wirePatience = .milliseconds(200) }
    let error = #expect(throws: LabError.self) {
      try Laboratory.up(topology, source: "test.topo", options: options)
    }
    #expect(error?.exitCode == 2 && error?.description.contains(sentence) == true, "\(String(describing: error))")
    #expect(traces(of: topology.name) == [] && processes(mentioning: topology.name) == [])
  }

  @Test func `that died is noticed by the next up`() throws {
    let topology = try Lab.topology(FakeWire.statements)
    let wire = try FakeWire(name: topology.name, text: FakeWire.good)
    defer { _ = try? Laboratory.down(topology.name) }
    _ = try Laboratory.up(topology, source: "test.topo", options: FakeWire.options(wire.path))
    let error = #expect(throws: LabError.self) { try Laboratory.up(topology, source: "test.topo", options: .plain) }
    #expect(error?.description.contains("has died") == true)
    #expect(error?.description.contains("netlab down \(topology.name)") == true)
  }
}

// MARK: Helpers

/// A program in the wire's place: it joins the ends with veth pairs and then stays.
private struct FakeWire: ~Copyable {
  static let statements = """
    node a gateway
    node b gateway
    node h host behind a
    link fibre a -- b
    link lte a -- b delay 10ms
    """

  static func good(_ name: String) -> String {
    """
    ip link add lte netns \(name).a type veth peer name lte netns \(name).b || exit 1
    echo ready
    exec sleep 1000 >&-
    """
  }

  let path: String

  init(name: String, text: (String) -> String) throws {
    path = "/tmp/\(name)-wire"
    try SmallFile.write("#!/bin/sh\nexport HAWSER_MARK=\(name)\n\(text(name))\n", to: path)
    chmod(path, 0o755)
  }

  deinit { unlink(path) }

  static func options(_ path: String) -> Laboratory.UpOptions {
    var options = Laboratory.UpOptions.plain
    options.executable = path
    options.startEvents = false
    return options
  }
}

private func inodes(_ lab: Lab) throws -> [UInt64] {
  try lab.topology.nodes.map { try #require(Namespace.inode(lab.namespace($0.name))) }
}

/// The processes that have this word in their command line or environment, but for ourselves.
private func processes(mentioning word: String) -> [Int32] {
  SmallFile.names(in: "/proc").compactMap { Int32($0) }.filter { process in
    if process == getpid() { return false }
    let words = ["cmdline", "environ"].map { (try? SmallFile.readText("/proc/\(process)/\($0)")) ?? "" }
    return words.contains { $0.contains(word) }
  }
}

/// Dies without a chance to clean up, from a thread of its own.
private func killSelf(afterMicroseconds delay: Int) {
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { raw in
      let delay = Int(bitPattern: raw)
      var time = timespec(tv_sec: delay / 1_000_000, tv_nsec: delay % 1_000_000 * 1_000)
      ppoll(nil, 0, &time, nil)
      kill(getpid(), SIGKILL)
      return nil
    }, UnsafeMutableRawPointer(bitPattern: delay))
}
