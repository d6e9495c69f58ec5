//  Stream.swift — one TCP connection whose arrivals are written down as they come: iperf3 counts tenths of a second,
//  and a path's death is over in one.
//
//      paths-bench source ADDRESS     connects, sends until it is told to end     prints  start NS, connected NS
//      paths-bench sink               takes one connection                        prints  ready, then  BIN BYTES
//
//  Bins are hundredths of a second of the machine's monotonic clock, which all namespaces share.

import Commands
import Glibc
import Lab
import Primitives
import Synchronization

/// When somebody told us to end.
let isOver = Atomic<Bool>(false)

func endOnSignal() {
  signal(SIGTERM) { _ in isOver.store(true, ordering: .relaxed) }
}

func monotonicNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

func fail(_ doing: String) -> Int32 {
  put("paths-bench: cannot \(doing): \(String(cString: strerror(errno)))\n", to: STDERR_FILENO)
  return 1
}

func ipv4(_ text: String, port: Int) -> sockaddr_in? {
  var name = sockaddr_in()
  name.sin_family = sa_family_t(AF_INET)
  name.sin_port = in_port_t(port).bigEndian
  return inet_pton(AF_INET, text, &name.sin_addr) == 1 ? name : nil
}

func with<Result>(
  _ name: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  withUnsafeMutablePointer(to: &name) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}

/// Whether something can be done now; looked at anew at least ten times a second.
func isReady(_ descriptor: Int32, _ event: Int32, for milliseconds: Int32 = 100) -> Bool {
  var watched = pollfd(fd: descriptor, events: Int16(event), revents: 0)
  return poll(&watched, 1, milliseconds) > 0
}

enum Source {
  private static let block = 256 << 10

  static func run(_ invocation: Invocation) -> Int32 {
    endOnSignal()
    guard var name = ipv4(invocation[Words.target], port: invocation[Words.port]) else {
      put("paths-bench source: \"\(invocation[Words.target])\" is no IPv4 address\n", to: STDERR_FILENO)
      return 64
    }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let control = invocation[Words.congestionControl].rawValue
    // linux/tcp.h: TCP_CONGESTION.
    if setsockopt(descriptor, Int32(IPPROTO_TCP), 13, control, socklen_t(control.utf8.count)) != 0 {
      return fail("use \(control)")
    }
    put("start \(monotonicNanoseconds())\n", to: STDOUT_FILENO)
    if with(&name, { connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1) }) != 0 {
      return fail("connect")
    }
    put("connected \(monotonicNanoseconds())\n", to: STDOUT_FILENO)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0x5a, count: block)
    while !isOver.load(ordering: .relaxed) {
      if !isReady(descriptor, POLLOUT) { continue }
      let count = send(descriptor, memory, block, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      if count < 0 && errno != EAGAIN && errno != EINTR { return fail("send") }
    }
    // What waits is nobody's any more.
    var lingering = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size))
    close(descriptor)
    return 0
  }
}

enum Sink {
  static let bin = 10_000_000

  static func run(_ invocation: Invocation) -> Int32 {
    endOnSignal()
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var one: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    guard var name = ipv4("0.0.0.0", port: invocation[Words.port]) else { return 64 }
    if with(&name, { bind(listener, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1) }) != 0
      || listen(listener, 1) != 0
    {
      return fail("listen at port \(invocation[Words.port])")
    }
    put("ready\n", to: STDOUT_FILENO)
    while !isReady(listener, POLLIN) { if isOver.load(ordering: .relaxed) { return 0 } }
    let descriptor = accept(listener, __SOCKADDR_ARG(__sockaddr__: nil), nil)
    if descriptor < 0 { return fail("take the connection") }
    let room = 1 << 20
    let memory = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 64)
    var (current, bytes) = (0, 0)
    func tell() { if bytes > 0 { put("\(current) \(bytes)\n", to: STDOUT_FILENO) } }
    while !isOver.load(ordering: .relaxed) {
      if !isReady(descriptor, POLLIN) { continue }
      let count = recv(descriptor, memory, room, Int32(MSG_DONTWAIT))
      if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { break }
      let now = monotonicNanoseconds() / bin
      if now != current {
        tell()
        (current, bytes) = (now, 0)
      }
      bytes += max(0, count)
    }
    tell()
    return 0
  }
}

/// Numbered datagrams at a steady pace.
enum Datagrams {
  static func send(_ invocation: Invocation) -> Int32 {
    guard var name = ipv4(invocation[Words.target], port: invocation[Words.port]) else { return 64 }
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var payload = [UInt8](repeating: 0x5a, count: invocation[Words.size])
    let start = monotonicNanoseconds()
    let all = invocation[Words.seconds] * invocation[Words.pace]
    for number in 0..<all {
      let due = start + number * (1_000_000_000 / invocation[Words.pace])
      let wait = due - monotonicNanoseconds()
      if wait > 0 { usleep(UInt32(wait / 1_000)) }
      payload.withUnsafeMutableBytes {
        $0.storeBytes(of: UInt32(number), as: UInt32.self)
        $0.storeBytes(of: monotonicNanoseconds(), toByteOffset: 8, as: Int.self)
      }
      let count = with(&name) {
        sendto(descriptor, payload, payload.count, 0, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1)
      }
      // A number that the host did not send would count as lost by us.
      if count != payload.count { return fail("send") }
    }
    put("\(all)\n", to: STDOUT_FILENO)
    return 0
  }

  /// Prints how many came, how many of them again, and how many behind a later one; then how long they were under way,
  /// median, 99th and longest, in milliseconds.
  static func receive(_ invocation: Invocation) -> Int32 {
    endOnSignal()
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard var name = ipv4("0.0.0.0", port: invocation[Words.port]) else { return 64 }
    if with(&name, { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1) }) != 0 {
      return fail("use port \(invocation[Words.port])")
    }
    put("ready\n", to: STDOUT_FILENO)
    var hasCome: Set<UInt32> = []
    var (next, again, behind): (UInt32, Int, Int) = (0, 0, 0)
    var delays: [Double] = []
    var payload = [UInt8](repeating: 0, count: 65_536)
    while !isOver.load(ordering: .relaxed) {
      if !isReady(descriptor, POLLIN) { continue }
      let count = recv(descriptor, &payload, payload.count, Int32(MSG_DONTWAIT))
      if count < 16 { continue }
      let number = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
      let sent = payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: Int.self) }
      if !hasCome.insert(number).inserted {
        again += 1
        continue
      }
      delays.append(Double(monotonicNanoseconds() - sent) / 1e6)
      if number < next {
        behind += 1
      } else {
        next = number + 1
      }
    }
    let samples = Samples(delays)
    let words = [0.5, 0.99, 1].map { "\(samples.quantile($0) ?? 0)" }.joined(separator: " ")
    put("\(hasCome.count) \(again) \(behind) \(words)\n", to: STDOUT_FILENO)
    return 0
  }
}
