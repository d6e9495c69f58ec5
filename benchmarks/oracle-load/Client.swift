//  Client.swift — a thousand connections on one thread, each asked at its time, whether the last answer came or not.
//
//  Times are planned before, and a request that had to wait for its connection has waited for its answer: who asks only
//  after the last answer would see a slow server less often. poll(2) over all of them costs some tens of microseconds,
//  which is small beside what it measures, on a core of its own.

import Glibc
import POSIX
import Primitives

struct Request {
  /// When it should leave.
  var at: Instant
  var isQuery: Bool
  var path: String
  var token: String
  var body: String
}

struct Done {
  let request: Request
  let status: Int
  let at: Instant
  var wait: Interval { at - request.at }
}

final class Client {
  private struct Line {
    var descriptor: Int32 = -1
    var waiting: [Request] = []
    var current: Request?
    var isRetry = false
    var output: [UInt8] = []
    var sent = 0
    var input: [UInt8] = []
  }

  private let port: UInt16
  private var lines: [Line]
  /// Connections that the server closed while they were idle, and were made anew.
  private(set) var reconnections = 0
  private(set) var failures = 0
  /// Bytes of streams.
  private(set) var heard = 0
  private var watched: [Int32] = []
  private var room = [UInt8](repeating: 0, count: 64 << 10)

  init(port: UInt16, lines: Int) {
    self.port = port
    self.lines = [Line](repeating: Line(), count: lines)
  }

  deinit { close() }

  /// Streams that are only counted: their first answer may have megabytes.
  func watch(_ count: Int) {
    let body = #"{"add":{"costs":{"resource-id":"costmap-routing"}}}"#
    let head =
      "POST /alto/updates HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
      + "Content-Type: application/alto-updatestreamparams+json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    for _ in 0..<count {
      let descriptor = connection()
      let bytes = Array((head + body).utf8)
      if descriptor < 0 || Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) != bytes.count {
        failures += 1
      } else {
        watched.append(descriptor)
      }
    }
  }

  private func hear(_ descriptor: Int32) {
    let count = recv(descriptor, &room, room.count, 0)
    if count > 0 {
      heard += count
    } else if count == 0 || errno != EAGAIN {
      failures += 1
      watched.removeAll { $0 == descriptor }
      Glibc.close(descriptor)
    }
  }

  func close() {
    for descriptor in watched { Glibc.close(descriptor) }
    watched = []
    for index in lines.indices where lines[index].descriptor >= 0 {
      Glibc.close(lines[index].descriptor)
      lines[index] = Line()
    }
  }

  var isIdle: Bool { lines.allSatisfy { $0.current == nil && $0.waiting.isEmpty } }

  func add(_ request: Request, on line: Int) {
    lines[line].waiting.append(request)
    next(line)
  }

  /// Waits until this time at most, and tells what was answered.
  func run(until time: Instant, _ each: (Done) -> Void) {
    var entries: [pollfd] = []
    var owners: [Int] = []
    for (index, line) in lines.enumerated() where line.descriptor >= 0 {
      let events = line.sent < line.output.count ? Int16(POLLIN | POLLOUT) : Int16(POLLIN)
      entries.append(pollfd(fd: line.descriptor, events: events, revents: 0))
      owners.append(index)
    }
    for descriptor in watched {
      entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
      owners.append(-1)
    }
    let left = (time - MonotonicClock.now).nanoseconds
    var pause = timespec(tv_sec: Int(max(0, left) / 1_000_000_000), tv_nsec: Int(max(0, left) % 1_000_000_000))
    guard ppoll(&entries, UInt(entries.count), &pause, nil) > 0 else { return }
    for (place, entry) in entries.enumerated() where entry.revents != 0 {
      let index = owners[place]
      if index < 0 {
        hear(entry.fd)
        continue
      }
      if entry.revents & Int16(POLLOUT) != 0 { send(index) }
      if entry.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { receive(index, each) }
    }
  }

  private func next(_ index: Int) {
    if lines[index].current != nil || lines[index].waiting.isEmpty { return }
    let request = lines[index].waiting.removeFirst()
    lines[index].current = request
    begin(index, request)
  }

  private func begin(_ index: Int, _ request: Request) {
    if lines[index].descriptor < 0 { lines[index].descriptor = connection() }
    let head =
      "POST \(request.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(request.token)\r\n"
      + "Content-Type: application/json\r\nContent-Length: \(request.body.utf8.count)\r\n\r\n"
    lines[index].output = Array(head.utf8) + Array(request.body.utf8)
    (lines[index].sent, lines[index].input) = (0, [])
    send(index)
  }

  private func connection() -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    let isThere = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(
          descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if !isThere {
      Glibc.close(descriptor)
      return -1
    }
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  private func send(_ index: Int) {
    if lines[index].descriptor < 0 { return fail(index) }
    let rest = lines[index].output[lines[index].sent...]
    if rest.isEmpty { return }
    let count = rest.withUnsafeBytes {
      Glibc.send(lines[index].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count > 0 { lines[index].sent += count } else if count < 0 && errno != EAGAIN { broken(index) }
  }

  private func receive(_ index: Int, _ each: (Done) -> Void) {
    let count = recv(lines[index].descriptor, &room, room.count, 0)
    if count < 0 && errno == EAGAIN { return }
    if count <= 0 { return broken(index) }
    lines[index].input += room[..<count]
    guard let request = lines[index].current, let status = Client.status(of: lines[index].input) else { return }
    (lines[index].current, lines[index].isRetry) = (nil, false)
    each(Done(request: request, status: status, at: MonotonicClock.now))
    next(index)
  }

  /// nil: the answer is not there as a whole.
  private static func status(of bytes: [UInt8]) -> Int? {
    let end = Array("\r\n\r\n".utf8)
    var at = 0
    while at + 4 <= bytes.count {
      if bytes[at] == 13, Array(bytes[at..<at + 4]) == end { break }
      at += 1
    }
    guard at + 4 <= bytes.count else { return nil }
    let head = String(decoding: bytes[..<at], as: UTF8.self)
    guard let line = head.split(separator: "\r\n").first(where: { $0.lowercased().hasPrefix("content-length:") }),
      let length = Int(line.split(separator: ":")[1].filter { $0 != " " }), bytes.count >= at + 4 + length
    else { return nil }
    return Int(head.dropFirst(9).prefix(3))
  }

  /// The server has closed it: while it was idle, or under a request, which is then sent once more.
  private func broken(_ index: Int) {
    Glibc.close(lines[index].descriptor)
    lines[index].descriptor = -1
    guard let request = lines[index].current else { return }
    if lines[index].isRetry || !lines[index].input.isEmpty { return fail(index) }
    reconnections += 1
    lines[index].isRetry = true
    begin(index, request)
  }

  private func fail(_ index: Int) {
    if lines[index].descriptor >= 0 { Glibc.close(lines[index].descriptor) }
    failures += lines[index].current == nil ? 0 : 1
    lines[index] = Line()
  }
}
