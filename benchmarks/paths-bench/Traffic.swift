//  Traffic.swift — what runs between the users while something is measured, and how to read it afterwards.
//
//  All times are seconds of the monotonic clock. ping prints the wall clock's; the difference of both is read when the
//  ping starts, which is right to a microsecond unless somebody sets the clock in that minute.

import Glibc
import Lab
import Primitives

/// A TCP flow from the first site's users to the second's.
struct Stream {
  private let group: ChildGroup
  private let sink: Int
  private let source: Int

  init(_ joined: JoinedSites, _ stand: TestStand, _ congestion: Words.Congestion) throws(LabError) {
    group = stand.newGroup()
    sink = try group.start(["/proc/self/exe", "sink"], in: joined.listener.namespace)
    let sink = sink
    guard try group.wait(atMost: .seconds(5), until: { !$0.output(of: sink).isEmpty }) else {
      throw LabError("the receiver did not start; \(group.complaint(of: sink))", exitCode: 1)
    }
    source = try group.start(
      ["/proc/self/exe", "source", "--cc", congestion.rawValue, joined.listener.address], in: joined.opener.namespace)
  }

  /// Lets it run, and reads what it says.
  func run(for time: Interval) throws(LabError) {
    let source = source
    _ = try group.wait(atMost: time) { $0.status(of: source) != nil }
    if group.status(of: source) != nil {
      throw LabError("the flow ended; \(group.complaint(of: source))", exitCode: 1)
    }
  }

  /// Ends it.
  func end() throws(LabError) {
    let (source, sink) = (source, sink)
    group.send(signal: SIGTERM, to: sink)
    group.send(signal: SIGTERM, to: source)
    _ = try group.wait(atMost: .seconds(5)) { $0.status(of: sink) != nil && $0.status(of: source) != nil }
  }

  /// When it asked for a connection; nil: it never did.
  var start: Double? {
    for line in String(decoding: group.output(of: source), as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("start ") { return Double(line.dropFirst(6)).map { $0 / 1e9 } }
    return nil
  }

  /// What came, and when.
  var arrivals: [(time: Double, bytes: Int)] {
    String(decoding: group.output(of: sink), as: UTF8.self).split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").compactMap { Int($0) }
      // In the middle of its bin.
      return words.count == 2 ? ((Double(words[0]) + 0.5) * Double(Sink.bin) / 1e9, words[1]) : nil
    }
  }
}

/// Pings from the first site's user to the second's.
struct Pings {
  private let group: ChildGroup
  private let ping: Int
  private let offset: Double

  init(_ joined: JoinedSites, _ stand: TestStand, every pause: String) throws(LabError) {
    group = stand.newGroup()
    var wall = timespec()
    clock_gettime(CLOCK_REALTIME, &wall)
    offset = Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9 - Moment.now
    ping = try group.start(
      ["ping", "-n", "-D", "-i", pause, "-I", joined.opener.address, joined.listener.address],
      in: joined.opener.namespace)
  }

  /// Reads what came in the meantime; ping's pipe must not fill.
  func read() throws(LabError) { _ = try group.wait(atMost: .milliseconds(1)) { _ in false } }

  func end() throws(LabError) -> PingTimeline {
    let ping = ping
    group.send(signal: SIGINT, to: ping)
    _ = try group.wait(atMost: .seconds(5)) { $0.status(of: ping) != nil }
    return PingTimeline(parsing: group.output(of: ping)).moved(by: -offset)
  }
}

enum Moment {
  static var now: Double { Double(monotonicNanoseconds()) / 1e9 }
}

/// What TCP can carry of a line's rate: 1,448 of the 1,514 bytes of a frame.
let payloadShare = 1448.0 / 1514

extension [StandPath] {
  /// What TCP could carry on all of them together at line rate; nil when one has no limit.
  var sum: Double? {
    let rates = compactMap(\.up)
    return rates.count == count && !isEmpty
      ? rates.reduce(0) { $0 + Double($1.bitsPerSecond) } * payloadShare : nil
  }
}
