//  ReportStore.swift — all reports: a block of 128 bytes for each source of each edge, in one array.
//
//  Why.  1,000 gateways and 100 relays have 200,000 directed edges, most of them seen by both ends, and 40,000 of the
//  400,000 reports are renewed each second. So a report is flat, stays where it is, and is found by its edge.
//
//  How.  A dictionary has the first report of each edge; the others of that edge hang on it (four at most). A second
//  chain runs through all of them in the order in which they came in:
//
//      A→R ──▶ ┌ by A ┐──▶┌ by R ┐          oldest ▶ ┌ ┐─▶┌ ┐─▶┌ ┐ … ─▶┌ ┐ ◀ newest
//              └──────┘   └──────┘                   └ ┘  └ ┘  └ ┘     └ ┘
//
//  so a query touches a cache line or two for an edge, renewing and forgetting are O(1), and whoever must go is known.
//
//  Rejected.  A matrix of all nodes (a million edges of which a fifth exists); an array for each edge (an allocation
//  each, and 32 bytes before the first report).
//
//  Always true.  (1) Each record is in the chain of its edge and in that of all, or it is free. (2) An edge has at most
//  one record of a source. (3) An edge without records is not in the dictionary. Checked in `audit()` by the tests.
//
//  Not here.  Whose report is taken: PathMap. What reports say together: EdgeBelief.

struct Report: BitwiseCopyable {
  static let none: Int32 = -1
  static let unknown = UInt32.max
  static let unknownDelay = Int64.min

  /// Sender in the upper half, receiver in the lower.
  var edge: UInt64 = 0
  /// When it was measured, by the oracle's clock; before its start for what was kept over a restart.
  var made: Int64 = 0
  /// Nanoseconds, clocks and all.
  var oneWay = Report.unknownDelay
  var roundTripMicroseconds = Report.unknown
  var lossPerBillion = Report.unknown
  var kilobitsPerSecond = Report.unknown
  var priceInMicros = Report.unknown
  var source: Int32 = 0
  var shape = DelayShape()
  fileprivate(set) var next = Report.none
  fileprivate(set) var older = Report.none
  fileprivate(set) var newer = Report.none

  static func edge(_ from: Int, _ to: Int) -> UInt64 { UInt64(UInt32(from)) << 32 | UInt64(UInt32(to)) }

  var from: Int { Int(edge >> 32) }
  var to: Int { Int(edge & 0xffff_ffff) }

  /// An end of the edge saw it itself; all others know it from hearsay.
  var isOfAnEnd: Bool { Int(source) == from || Int(source) == to }
}

struct ReportStore: ~Copyable {
  private var records: [Report] = []
  /// Chained by `next`.
  private var free = Report.none
  private var heads: [UInt64: Int32] = [:]
  private(set) var oldest = Report.none
  private var newest = Report.none
  private(set) var count = 0

  var edgeCount: Int { heads.count }

  subscript(_ place: Int32) -> Report { records[Int(place)] }

  /// The first report of an edge, or `Report.none`; `self[place].next` has the others.
  func first(of edge: UInt64) -> Int32 { heads[edge] ?? Report.none }

  /// The place of what this source says of the edge, or `Report.none`.
  func place(of edge: UInt64, by source: Int32) -> Int32 {
    var place = first(of: edge)
    while place != Report.none && records[Int(place)].source != source { place = records[Int(place)].next }
    return place
  }

  mutating func add(_ report: Report) {
    let place: Int32
    if free != Report.none {
      place = free
      free = records[Int(place)].next
      records[Int(place)] = report
    } else {
      place = Int32(records.count)
      records.append(report)
    }
    records[Int(place)].next = first(of: report.edge)
    heads[report.edge] = place
    count += 1
    append(place)
  }

  /// The same source says something new of the same edge.
  mutating func replace(_ place: Int32, by report: Report) {
    let next = records[Int(place)].next
    unlink(place)
    records[Int(place)] = report
    records[Int(place)].next = next
    append(place)
  }

  mutating func remove(_ place: Int32) {
    unlink(place)
    let edge = records[Int(place)].edge
    let next = records[Int(place)].next
    var before = first(of: edge)
    if before == place {
      heads[edge] = next == Report.none ? nil : next
    } else {
      while records[Int(before)].next != place { before = records[Int(before)].next }
      records[Int(before)].next = next
    }
    records[Int(place)].next = free
    free = place
    count -= 1
  }

  /// All reports, the longest known first.
  func forEach(_ body: (Int32, Report) -> Void) {
    var place = oldest
    while place != Report.none {
      let report = records[Int(place)]
      body(place, report)
      place = report.newer
    }
  }

  // MARK: The chain of all

  private mutating func append(_ place: Int32) {
    records[Int(place)].older = newest
    records[Int(place)].newer = Report.none
    if newest == Report.none { oldest = place } else { records[Int(newest)].newer = place }
    newest = place
  }

  private mutating func unlink(_ place: Int32) {
    let older = records[Int(place)].older
    let newer = records[Int(place)].newer
    if older == Report.none { oldest = newer } else { records[Int(older)].newer = newer }
    if newer == Report.none { newest = older } else { records[Int(newer)].older = older }
  }

  /// What the header promises; for tests.
  func audit() -> Bool {
    var seen = 0
    var place = oldest
    var before = Report.none
    while place != Report.none {
      let report = records[Int(place)]
      if report.older != before || self.place(of: report.edge, by: report.source) != place { return false }
      before = place
      place = report.newer
      seen += 1
      if seen > count { return false }
    }
    if before != newest || seen != count { return false }
    var chained = 0
    for (_, head) in heads {  // only a sum comes out
      var place = head
      while place != Report.none {
        chained += 1
        place = records[Int(place)].next
      }
    }
    var unused = 0
    place = free
    while place != Report.none {
      unused += 1
      place = records[Int(place)].next
    }
    return chained == count && unused + count == records.count
  }
}
