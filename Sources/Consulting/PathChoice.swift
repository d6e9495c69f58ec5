//  PathChoice.swift — the paths that somebody chose, with what is known of each and what is not.
//
//  An oracle of ours knows nearly everything of a path; another ALTO server may know a delay and nothing else. So every
//  figure may be absent, and what could not be known is said in `unknown`, a sentence each.

import JSON
public import Primitives

public struct PathChoice: Equatable, Sendable {
  public struct Path: Equatable, Sendable {
    /// nil for the direct one.
    public var via: String?
    /// One way, on average.
    public var delay: Interval?
    public var deviation: Interval?
    public var roundTrip: Interval?
    public var loss: Double?
    public var rate: BitRate?
    /// False: nobody measured the rate, and this one is a guess.
    public var isRateMeasured = true
    /// A gigabyte.
    public var price: Double?
    /// 1 for what was just heard.
    public var confidence: Double?
    public var provider: String?
    public var reason = ""

    public init(via: String?) { self.via = via }
  }

  /// All paths together.
  public struct Whole: Equatable, Sendable {
    public var rate: BitRate?
    /// What waits to be put in order, in bytes.
    public var occupancy: Double?
    public var addedDelay: Interval?
    public var loss: Double?

    public init() {}
  }

  public struct Alternative: Equatable, Sendable {
    public var via: [String?]
    public var whole: Whole
  }

  /// The best first; none when there is no way, and `leftOut` says why.
  public var paths: [Path]
  public var whole: Whole?
  public var runnerUp: Alternative?
  public var strategy: String?
  public var considered: Int?
  /// Why ways are not among those considered, and how many for each reason; none is zero.
  public var leftOut: [LeftOut] = []
  public var isOptimal = false
  public var isRace = false
  /// Sentences.
  public var unknown: [String] = []
  /// As the server wrote it.
  var document: JSONValue?

  public struct LeftOut: Equatable, Sendable {
    public var reason: String
    public var count: Int
  }

  public init(paths: [Path]) { self.paths = paths }

  /// More are no choice, but a way to fill a terminal.
  private static let mostPaths = 64

  /// The oracle's answer to a question.
  public init(_ reply: WebReply, to question: PathQuestion, from oracle: ResourceAddress) throws(ConsultingFailure) {
    let document = try reply.document(from: oracle.appending("v1/query"))
    guard let paths = document["paths"]?.array, paths.count <= PathChoice.mostPaths,
      paths.allSatisfy({ $0.object != nil })
    else { throw ConsultingFailure("\(oracle) is no path oracle: its answer has no list of paths") }
    self.paths = paths.map { Path(reading: $0) }
    whole = document["set"].flatMap { $0.object == nil ? nil : Whole(reading: $0) }
    if let other = document["runner_up"], let via = other["via"]?.array, via.count <= PathChoice.mostPaths {
      runnerUp = Alternative(via: via.map { $0.string.map { Figures.shown($0) } }, whole: Whole(reading: other))
    }
    strategy = document["strategy"]?.string.map { Figures.shown($0) }
    considered = document["considered"]?.integer.flatMap { (0...1_000_000).contains($0) ? Int($0) : nil }
    isOptimal = document["optimal"]?.bool ?? false
    isRace = document["race"]?.bool ?? false
    for member in document["left_out"]?.object?.members.prefix(PathChoice.mostPaths) ?? [] {
      guard let count = member.value.integer, (1...1_000_000).contains(count) else { continue }
      let words = member.name.split(separator: "_").joined(separator: " ")
      leftOut.append(LeftOut(reason: Figures.shown(words), count: Int(count)))
    }
    self.document = document
  }
}

extension PathChoice.Path {
  init(reading value: JSONValue) {
    via = value["via"]?.string.map { Figures.shown($0) }
    delay = Figures.interval(microseconds: value["delay_us"]?.number)
    deviation = Figures.interval(microseconds: value["deviation_us"]?.number)
    roundTrip = Figures.interval(microseconds: value["round_trip_us"]?.number)
    loss = Figures.share(value["loss"]?.number)
    rate = Figures.rate(bitsPerSecond: value["rate_bps"]?.number)
    isRateMeasured = value["rate_measured"]?.bool ?? true
    price = Figures.amount(value["price_per_gb"]?.number)
    confidence = Figures.share(value["confidence"]?.number)
    provider = value["provider"]?.string.flatMap { $0.isEmpty ? nil : Figures.shown($0) }
    reason = Figures.shown(value["reason"]?.string ?? "")
  }
}

extension PathChoice.Whole {
  init(reading value: JSONValue) {
    rate = Figures.rate(bitsPerSecond: value["rate_bps"]?.number)
    occupancy = Figures.amount(value["occupancy_bytes"]?.number)
    addedDelay = Figures.interval(microseconds: value["added_delay_us"]?.number)
    loss = Figures.share(value["loss"]?.number)
  }
}
