import Glibc
import Primitives
import Testing
import Topology

@testable import Lab

private let pair = "node a gateway\nnode b gateway\nnode h host behind a\nlink x a -- b\n"

@Suite(.enabled(if: isRoot, rootReason))
struct `Running a command at a node` {
  @Test func `its exit code is ours`() async throws {
    let lab = try Lab.up(pair)
    defer { lab.down() }
    let node = lab.namespace("h")
    await #expect(processExitsWith: .exitCode(7)) { [node = node as String] in
      try Laboratory.exec(node: node, command: ["sh", "-c", "exit 7"])
    }
    await #expect(processExitsWith: .signal(SIGTERM)) { [node = node as String] in
      try Laboratory.exec(node: node, command: ["sh", "-c", "kill -TERM $$"])
    }
  }

  @Test func `it sees the node's interfaces, the names of all nodes, and its devices in /sys`() async throws {
    let lab = try Lab.up(pair)
    defer { lab.down() }
    let node = lab.namespace("h")
    let script = "ls /sys/class/net; getent hosts b.x; getent ahostsv4 a; ping -c 1 -W 2 b; readlink /proc/self/ns/net"
    let ended = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
      [node = node as String, script = script as String] in
      try Laboratory.exec(node: node, command: ["sh", "-c", script])
    }
    let text = String(decoding: try #require(ended).standardOutputContent, as: UTF8.self)
    #expect(text.contains("eth0\nlo\n"))
    #expect(text.contains("fd48:6177::2    b.x") && text.contains("172.16.0.1      STREAM a"))
    #expect(text.contains("1 received"))
    #expect(text.contains("net:[\(try #require(Namespace.inode(node)))]"))
    // The machine's own file is what it was.
    #expect(try SmallFile.readText("/etc/hosts").contains("b.x") == false)
  }

  @Test func `the program gets no descriptor of ours but the three, and default signals`() throws {
    try Lab.with(pair) { lab throws in
      let stray = open("/dev/null", O_RDONLY)  // without close-on-exec
      defer { close(stray) }
      signal(SIGPIPE, SIG_IGN)
      let descriptors = try lab.output("a", "sh", "-c", "ls /proc/$$/fd")
      let signals = try lab.output("a", "grep", "-hE", "SigBlk|SigIgn", "/proc/self/status")
      signal(SIGPIPE, SIG_DFL)
      #expect(descriptors == "0\n1\n2\n")
      #expect(signals.hasPrefix("SigBlk:\t0000000000000000\n"), "\(signals)")
      let ignored = try #require(UInt64(signals.suffix(17).dropLast(), radix: 16))
      #expect(ignored & 1 << UInt64(SIGPIPE - 1) == 0)
    }
  }

  @Test func `from inside, the topology is not taken down`() async throws {
    let lab = try Lab.up(pair)
    defer { lab.down() }
    let name = lab.name
    let ended = await #expect(processExitsWith: .exitCode(2), observing: [\.standardOutputContent]) {
      [name = name as String] in
      // As `netlab exec` does before it becomes the command.
      let namespace = try Namespace.open("\(name).b")
      guard setns(namespace.descriptor, CLONE_NEWNET) == 0 else { exit(1) }
      do throws(LabError) { _ = try Teardown.clear(LabState(name)) } catch {
        print("\n<\(error)>")
        exit(error.exitCode)
      }
    }
    let output = String(decoding: try #require(ended).standardOutputContent, as: UTF8.self)
    #expect(output.contains("leave its node first"))
    #expect(try lab.pings("a", "b"))
  }

  @Test func `a program that does not exist is named, with a shell's exit codes`() throws {
    try Lab.with(pair) { lab throws in
      let missing = #expect(throws: LabError.self) { try Laboratory.spawn(["no-such-program"], at: "a", of: lab.name) }
      #expect(missing?.exitCode == 127 && missing?.description.contains("no-such-program") == true)
      let data = #expect(throws: LabError.self) { try Laboratory.spawn(["/etc/hosts"], at: "a", of: lab.name) }
      #expect(data?.exitCode == 126 && data?.description.contains("Permission denied") == true)
    }
  }

  @Test func `a node is found by its name, unless several have it or none`() throws {
    let root = "/run/netlab-find-\(getpid())"
    try LabState.$root.withValue(root) {
      let nothing = #expect(throws: LabError.self) { try Laboratory.find("a") }
      #expect(nothing?.exitCode == 2 && nothing?.description.contains("netlab up") == true)
      let (one, other) = (try Lab.up(pair), try Lab.up("node a gateway\nnode alone gateway\nlink x a -- alone"))
      defer {
        one.down()
        other.down()
      }
      #expect(try Laboratory.find("alone") == Laboratory.Place(topology: other.name, node: "alone"))
      #expect(try Laboratory.find("\(one.name).a") == Laboratory.Place(topology: one.name, node: "a"))
      let several = #expect(throws: LabError.self) { try Laboratory.find("a") }
      #expect(several?.exitCode == 64)
      #expect(several?.description == "there are several nodes called a: say \(one.name).a or \(other.name).a")
      let typo = #expect(throws: LabError.self) { try Laboratory.find("alonne") }
      #expect(typo?.exitCode == 64 && typo?.description.contains("did you mean alone?") == true)
    }
  }

  @Test func `at what is not up is refused with what to do`() throws {
    let error = #expect(throws: LabError.self) { try Laboratory.spawn(["true"], at: "a", of: "test-\(getpid())-none") }
    #expect(error?.exitCode == 2 && error?.description.contains("`netlab up FILE`") == true)
  }
}

@Suite(.enabled(if: isRoot, rootReason))
struct `Without the rights` {
  @Test func `everything that needs them says so in one sentence, with exit code 2`() async throws {
    let text = try Lab.topology(pair).printed()
    let ended = await #expect(processExitsWith: .exitCode(2), observing: [\.standardOutputContent]) {
      [text = text as String] in
      let topology = try Topology(parsing: Array(text.utf8), file: "test.topo")
      guard setresuid(65_534, 65_534, 65_534) == 0 else { exit(1) }
      do throws(LabError) {
        _ = try Laboratory.up(topology, source: "test.topo", options: .plain)
      } catch {
        print("\n<\(error)>")
        exit(error.exitCode)
      }
    }
    let output = String(decoding: try #require(ended).standardOutputContent, as: UTF8.self)
    #expect(output.contains("<needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): sudo netlab up FILE>"))
  }
}

@Suite struct `A child process` {
  @Test func `tells how it ended`() throws {
    #expect(try ChildProcess.spawn(["sh", "-c", "exit 3"]).wait() == .exited(3))
    let killed = try ChildProcess.spawn(["sleep", "1000"])
    #expect(killed.isRunning && killed.wait(atMost: .milliseconds(1)) == nil)
    killed.send(signal: SIGTERM)
    #expect(killed.wait() == .killed(signal: SIGTERM))
    #expect(killed.wait() == .killed(signal: SIGTERM) && !killed.isRunning)
    killed.kill()
  }

  @Test func `is read to the end on both outputs, however much it says on either`() throws {
    let script = "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; echo end"
    let result = try ChildProcess.spawn(["sh", "-c", script]).collect(atMost: .seconds(20))
    #expect(result.output.count == 300_004 && result.errorOutput.count == 200_000 && result.status == .exited(0))
  }

  @Test func `that says more than it may is killed`() throws {
    let child = try ChildProcess.spawn(["cat", "/dev/zero"])
    let result = child.collect(limit: ByteCount(1 << 20), atMost: .seconds(20))
    #expect(result.status == .killed(signal: SIGKILL) && result.output.count < 2 << 20)
  }

  @Test func `that takes too long runs on, and what it said is there`() throws {
    let child = try ChildProcess.spawn(["sh", "-c", "echo first; exec sleep 1000"])
    #expect(child.firstLine(within: .seconds(20)) == "first")
    let result = child.collect(atMost: .milliseconds(20))
    #expect(result.status == nil && child.isRunning)
  }

  @Test func `gets its input, its environment and nothing of a dead reader`() throws {
    var options = ChildProcess.Options()
    options.input = .pipe
    options.environment = ["GREETING": "hello", "PATH": "/usr/bin:/bin"]
    let child = try ChildProcess.spawn(["sh", "-c", "read word; echo $GREETING $word; cat"], options: options)
    let words = Array("world\nmore".utf8)
    #expect(write(try #require(child.input), words, words.count) == words.count)
    child.closeInput()
    #expect(child.collect(atMost: .seconds(20)).text == "hello world\nmore")
  }

  @Test func `ends when nobody holds it any more`() throws {
    var child: ChildProcess? = try ChildProcess.spawn(["sleep", "1000"])
    let process = try #require(child?.processID)
    #expect(kill(process, 0) == 0)
    child = nil
    #expect(kill(process, 0) == -1 && errno == ESRCH)
  }

  @Test func `dies with us, whichever of our threads started it and is gone`() async throws {
    let path = "/tmp/hawser-test-\(getpid())-child"
    defer { unlink(path) }
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      // Started by a thread that ends at once: that must not be taken for our death.
      var thread = pthread_t()
      pthread_create(
        &thread, nil,
        { _ in
          guard let child = try? ChildProcess.spawn(["sleep", "1000"]) else { return nil }
          return Unmanaged.passRetained(child).toOpaque()
        }, nil)
      var raw: UnsafeMutableRawPointer?
      pthread_join(thread, &raw)
      let child = Unmanaged<ChildProcess>.fromOpaque(try #require(raw)).takeUnretainedValue()
      #expect(child.wait(atMost: .milliseconds(50)) == nil)
      try SmallFile.write("\(child.processID)", to: path)
      kill(getpid(), SIGKILL)
    }
    let process = try #require(Int32(try SmallFile.readText(path)))
    #expect(eventually { kill(process, 0) == -1 })
  }

  @Test func `that shall outlive us is nobody's child: no zombie waits for us`() throws {
    var options = ChildProcess.Options()
    options.diesWithUs = false
    var child: ChildProcess? = try ChildProcess.spawn(["sh", "-c", "echo here; exec sleep 1000"], options: options)
    let process = try #require(child?.processID)
    #expect(child?.firstLine(within: .seconds(20)) == "here")
    #expect(waitpid(process, nil, WNOHANG) == -1 && errno == ECHILD)
    child = nil
    #expect(kill(process, 0) == 0)
    #expect(kill(process, SIGKILL) == 0 && eventually { kill(process, 0) == -1 })
    let missing = #expect(throws: LabError.self) { try ChildProcess.spawn(["no-such-program"], options: options) }
    #expect(missing?.exitCode == 127)
  }

  @Test func `many start at the same time from many threads`() async throws {
    let codes = await withTaskGroup(of: Int32.self) { group in
      for code in 0..<40 {
        group.addTask {
          let child = try? ChildProcess.spawn(["sh", "-c", "exit \(code)"])
          if case .exited(let code) = child?.wait() { return code }
          return -1
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(codes.sorted() == Array(0..<40))
  }
}
