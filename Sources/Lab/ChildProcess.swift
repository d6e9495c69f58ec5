//  ChildProcess.swift — a program that runs inside a namespace, under our eyes.
//
//  It gets only what is named here: three descriptors, its arguments, our environment. It is killed when we die,
//  however we die, unless it shall outlive us; and when nobody holds this object any more. So a measurement that is
//  interrupted leaves nothing running.
//
//  Its output comes through pipes that the caller reads by himself (`output`, to follow it), or all at once with
//  `collect`, which reads both pipes together: a program that fills one while we wait for the other would wait for
//  ever.

import CLinux
import Glibc
import POSIX
public import Primitives

public final class ChildProcess {
  public enum Stream: Sendable {
    case null
    /// Our own.
    case inherited
    /// We read it (for input: we write it).
    case pipe
    /// Made anew, or emptied.
    case file(String)
  }

  public enum Status: Equatable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)
    /// It was not ours, so nobody tells us how it ended.
    case gone

    public var isSuccess: Bool { self == .exited(0) }

    public var description: String {
      switch self {
      case .exited(let code): "exit code \(code)"
      case .gone: "ended"
      case .killed(let signal): "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
      }
    }
  }

  public struct Options: Sendable {
    public var input = Stream.null
    public var output = Stream.pipe
    public var errorOutput = Stream.pipe
    /// Added to our environment, or in the place of what is there.
    public var environment: [String: String] = [:]
    /// What it sees as /etc/hosts. With one, it also gets its namespace's devices in /sys.
    public var hosts: String?
    /// A session of its own: Ctrl-C at our terminal does not reach it.
    public var hasOwnSession = false
    /// Otherwise it is nobody's child, and outlives us.
    public var diesWithUs = true

    public init() {}
  }

  public struct Collected: Sendable {
    public var output: [UInt8]
    public var errorOutput: [UInt8]
    /// nil: it still ran when the time was over.
    public var status: Status?

    public var text: String { String(decoding: output, as: UTF8.self) }
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
  }

  public let processID: Int32
  /// Our end of its input, when that is a pipe.
  public private(set) var input: Int32?
  /// Our ends of its outputs, when those are pipes. Reading blocks; poll(2) them for more at a time.
  public private(set) var output: Int32?
  public private(set) var errorOutput: Int32?
  /// Readable when the process has ended.
  public let processDescriptor: Int32
  private let isOurs: Bool
  private var status: Status?

  private init(processID: Int32, ends: Ends, isOurs: Bool) throws(LabError) {
    self.processID = processID
    self.isOurs = isOurs
    (input, output, errorOutput) = (ends.ours[0], ends.ours[1], ends.ours[2])
    processDescriptor = hawser_pidfd_open(processID)
    if processDescriptor < 0 { throw .failed("watch process \(processID)", -processDescriptor) }
  }

  deinit {
    if isOurs && status == nil {
      kill()
      _ = wait(atMost: .seconds(5))
    }
    for fd in [input, output, errorOutput, processDescriptor] { if let fd, fd >= 0 { close(fd) } }
  }

  // MARK: Starting

  /// Starts a program inside a namespace (nil: in ours). Arguments begin with its name, looked up in PATH.
  public static func spawn(
    _ command: [String], in namespace: Namespace? = nil, options: Options = Options()
  ) throws(LabError) -> ChildProcess {
    guard let program = command.first, !command.contains(where: { $0.utf8.contains(0) }) else {
      throw .wrongUsage("there is no command to run")
    }
    var ends = Ends()
    defer { ends.closeTheirs() }
    do throws(LabError) {
      try ends.open([options.input, options.output, options.errorOutput])
      let lock = try namespace?.holdName()
      var order = hawser_spawn_order()
      order.namespace_fd = namespace?.descriptor ?? -1
      (order.input, order.output, order.error_output) = (ends.theirs[0], ends.theirs[1], ends.theirs[2])
      order.own_session = options.hasOwnSession ? 1 : 0
      order.signal_at_our_death = options.diesWithUs ? SIGKILL : 0
      order.is_detached = options.diesWithUs ? 0 : 1
      let failed = order.withProgram(command, options.environment, hosts: options.hosts) { hawser_spawn(&$0) }
      _ = consume lock
      if failed != 0 { throw order.failure(program) }
      return try ChildProcess(processID: order.pid, ends: ends, isOurs: options.diesWithUs)
    } catch {
      ends.closeOurs()
      throw error
    }
  }

  /// One that somebody else started; nil when there is none any more.
  static func attach(to processID: Int32) -> ChildProcess? {
    try? ChildProcess(processID: processID, ends: Ends(), isOurs: false)
  }

  // MARK: Ending

  /// Whether it has not ended yet.
  public var isRunning: Bool { wait(atMost: .zero) == nil }

  /// Waits for its end, or until the time is over (then nil).
  public func wait(atMost patience: Interval? = nil) -> Status? {
    if let status { return status }
    let deadline = patience.map { MonotonicClock.now + $0 }
    var watched = pollfd(fd: processDescriptor, events: Int16(POLLIN), revents: 0)
    while poll(&watched, 1, deadline.map(millisecondsLeft(until:)) ?? -1) <= 0 {
      if let deadline, MonotonicClock.now >= deadline { return nil }
    }
    if !isOurs {
      status = .gone
      return status
    }
    var raw: Int32 = 0
    while waitpid(processID, &raw, 0) < 0 && errno == EINTR {}
    status = raw & 0x7f == 0 ? .exited(raw >> 8 & 0xff) : .killed(signal: raw & 0x7f)
    return status
  }

  /// Sends a signal; to a process that has ended, nothing happens.
  public func send(signal: Int32) { _ = hawser_pidfd_signal(processDescriptor, signal) }

  public func kill() { send(signal: SIGKILL) }

  // MARK: Reading

  /// Closes its input: a program that reads to the end of it goes on.
  public func closeInput() {
    if let input { close(input) }
    input = nil
  }

  /// Reads both outputs until they end, and waits for the process. It is killed when it says more than `limit`. When
  /// the time is over first, what came by then is returned and the process runs on.
  public func collect(limit: ByteCount = ByteCount(16 << 20), atMost patience: Interval) -> Collected {
    let deadline = MonotonicClock.now + patience
    var result = Collected(output: [], errorOutput: [], status: nil)
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while output != nil || errorOutput != nil {
      var watched = [output, errorOutput].map { pollfd(fd: $0 ?? -1, events: Int16(POLLIN), revents: 0) }
      let ready = poll(&watched, 2, millisecondsLeft(until: deadline))
      if ready <= 0 {
        if MonotonicClock.now >= deadline { return result }
        continue
      }
      for index in 0..<2 where watched[index].revents != 0 {
        let count = read(watched[index].fd, &piece, piece.count)
        if count < 0 && errno == EINTR { continue }
        if count > 0 {
          if index == 0 { result.output += piece[..<count] } else { result.errorOutput += piece[..<count] }
        } else {
          close(watched[index].fd)
          if index == 0 { output = nil } else { errorOutput = nil }
        }
      }
      if result.output.count + result.errorOutput.count > limit.value {
        kill()
        break
      }
    }
    let left = deadline - MonotonicClock.now
    result.status = wait(atMost: left > .zero ? left : .zero)
    return result
  }
}

/// For poll(2): rounded up, so that a wait never ends a turn too early and spins.
func millisecondsLeft(until deadline: Instant) -> Int32 {
  let left = (deadline - MonotonicClock.now).nanoseconds
  return left <= 0 ? 0 : Int32(min(left / 1_000_000 + 1, Int64(Int32.max)))
}

// MARK: Descriptors

/// Both ends of the three streams.
private struct Ends {
  var ours: [Int32?] = [nil, nil, nil]
  var theirs: [Int32] = [-1, -1, -1]
  private var isToClose = [false, false, false]

  mutating func open(_ streams: [ChildProcess.Stream]) throws(LabError) {
    for (index, stream) in streams.enumerated() {
      switch stream {
      case .null: break
      case .inherited: theirs[index] = Int32(index)
      case .pipe:
        var pair: [Int32] = [0, 0]
        if pipe2(&pair, O_CLOEXEC) != 0 { throw .failed("make a pipe", errno) }
        (theirs[index], ours[index]) = index == 0 ? (pair[0], pair[1]) : (pair[1], pair[0])
        isToClose[index] = true
      case .file(let path):
        let how = index == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
        theirs[index] = Glibc.open(path, how | O_CLOEXEC, 0o644)
        if theirs[index] < 0 { throw .failed("open \(path)", errno) }
        isToClose[index] = true
      }
    }
  }

  mutating func closeTheirs() {
    for index in 0..<3 where isToClose[index] { close(theirs[index]) }
    isToClose = [false, false, false]
  }

  mutating func closeOurs() {
    for fd in ours { if let fd { close(fd) } }
    ours = [nil, nil, nil]
  }
}

// MARK: The order

extension hawser_spawn_order {
  /// Calls `body` while the C strings of the program live.
  mutating func withProgram<Result>(
    _ command: [String], _ changes: [String: String], hosts: String?,
    _ body: (inout hawser_spawn_order) -> Result
  ) -> Result {
    var arguments = command.map { strdup($0) } + [nil]
    var environment = mergedEnvironment(changes).map { strdup($0) } + [nil]
    let hosts = hosts.map { strdup($0) } ?? nil
    defer { for string in arguments + environment + [hosts] { free(string) } }
    return arguments.withUnsafeMutableBufferPointer { arguments in
      environment.withUnsafeMutableBufferPointer { environment in
        file = UnsafePointer(arguments[0])
        self.arguments = UnsafePointer(arguments.baseAddress)
        self.environment = UnsafePointer(environment.baseAddress)
        self.hosts = UnsafePointer(hosts)
        return body(&self)
      }
    }
  }

  /// What went wrong, in words.
  func failure(_ program: String) -> LabError {
    switch step {
    case hawser_spawn_namespace: .failed("enter the namespace", error)
    case hawser_spawn_mounts: .failed("give \(program) its own /etc/hosts and /sys", error)
    case hawser_spawn_exec where error == ENOENT:
      LabError("cannot run \(program): there is no such program", exitCode: 127)
    case hawser_spawn_exec:
      LabError("cannot run \(program): \(String(cString: strerror(error)))", exitCode: 126)
    default: .failed("start \(program)", error)
    }
  }
}

private func mergedEnvironment(_ changes: [String: String]) -> [String] {
  var lines: [String] = []
  var next = environ
  while let line = next.pointee {
    let text = String(cString: line)
    if changes[String(text.prefix { $0 != "=" })] == nil { lines.append(text) }
    next += 1
  }
  return lines + changes.map { "\($0.key)=\($0.value)" }.sorted()
}
