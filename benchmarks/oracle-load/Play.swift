//  Play.swift — a fleet at work: who reports when, who asks when, on which connection.
//
//  All reports are written before the play begins, two of each which take turns: what is measured is the oracle, not
//  how fast we write. Reports are spread over ten seconds by chance, each member's pieces one after the other; queries
//  come by chance too, so that some meet a report and some each other.

import POSIX
import Primitives

struct Play {
  static let period = Interval.seconds(10)
  /// Connections for queries: as many as wait at once on a bad moment, and some.
  static let askers = 32

  private struct Report {
    let offset: Interval
    let line: Int
    let token: String
    let bodies: [String]
  }

  let client: Client
  private(set) var queries = 0
  private(set) var sent = 0
  private var fleet: Fleet
  private let queryPause: Interval
  private let began: Instant
  private var reports: [Report] = []
  private var turn = 0
  private var queryAt: Instant

  /// `lasting`: how often a member's pieces follow each other.
  init(_ fleet: consuming Fleet, port: UInt16, queries rate: Int) {
    var fleet = fleet
    var reports: [Report] = []
    for (number, member) in (fleet.gateways + fleet.relays).enumerated() {
      let isRelay = number >= fleet.gateways.count
      let start = fleet.moment(within: Play.period)
      let both = (0..<2).map { _ in fleet.reports(of: member, isRelay: isRelay) }
      for piece in both[0].indices {
        let pause = Play.period / Int64(both[0].count) * Int64(piece)
        let offset = (start + pause).nanoseconds % Play.period.nanoseconds
        reports.append(
          Report(
            offset: Interval(nanoseconds: offset), line: Play.askers + number, token: member.token,
            bodies: both.map { $0[piece] }))
      }
    }
    client = Client(port: port, lines: fleet.gateways.count + fleet.relays.count + Play.askers)
    self.reports = reports.sorted { $0.offset < $1.offset }
    self.fleet = fleet
    queryPause = Interval(nanoseconds: 1_000_000_000 / Int64(rate))
    began = MonotonicClock.now
    queryAt = began
  }

  var edgesEach: Int { reports.reduce(0) { $0 + $1.bodies[0].utf8.count(where: { $0 == UInt8(ascii: "{") }) - 1 } }
  var reportsEach: Int { reports.count }
  var bytesEach: Int { reports.reduce(0) { $0 + $1.bodies[0].utf8.count } }

  /// Plays until this time.
  mutating func run(until end: Instant, _ each: (Done) -> Void) {
    while true {
      let now = MonotonicClock.now
      if now >= end { return }
      while reportAt <= now { report() }
      while queryAt <= now { query() }
      client.run(until: min(end, min(reportAt, queryAt)), each)
    }
  }

  private var reportAt: Instant {
    began + Play.period * Int64(turn / reports.count) + reports[turn % reports.count].offset
  }

  private mutating func report() {
    let next = reports[turn % reports.count]
    let body = next.bodies[turn / reports.count % 2]
    let request = Request(at: reportAt, isQuery: false, path: "/v1/measurements", token: next.token, body: body)
    client.add(request, on: next.line)
    turn += 1
    sent += 1
  }

  private mutating func query() {
    let (token, body) = fleet.query()
    let request = Request(at: queryAt, isQuery: true, path: "/v1/query", token: token, body: body)
    client.add(request, on: queries % Play.askers)
    queries += 1
    queryAt += fleet.moment(within: queryPause * 2)
  }
}
