//  EdgeBelief.swift — what the reports of one edge say together, so that one liar among three moves nothing.
//
//  Why.  A source may be wrong, old, or paid for by somebody who sells the next relay. A mean follows each of them.
//
//  How.  Each figure by itself is the weighted median of the reports that have it: sorted by value, and cut where half
//  of the weight lies on either side. Where the cut falls between two (two ends that disagree), it is their mean. The
//  shape of the delay is a median as well, bucket by bucket of the curves: curves that never fall have a median that
//  never falls, so it is a curve again.
//
//      weight       1.5        1      1.5
//      loss      ───┤0.4%├──┤0.5%├───┤60%├───▶      half of 4 lies within the second: 0.5 %
//
//  A report weighs 1, one of an end of the edge 1.5; less when it has faded. What is left of the strongest is the
//  belief's confidence: it says how far to trust an edge of which nobody spoke lately.
//
//  Rejected.  Medians of whole reports (which of them is the middle one?); mixing histograms (a liar's histogram is
//  then a part of the mix).
//
//  Always true.  (1) A figure lies between the least and the most of the reports that have it; with three of equal
//  weight, between those of the two that are nearer. (2) Without reports there is no belief.
//
//  Cost: 32 sums for the curve of one report, 32 medians for those of more. About 0.7 µs an edge, reading it included.

public import Primitives

public struct EdgeBelief: Equatable, Sendable {
  /// The least, by the clocks of both ends: see OneWay.swift for what it is good for.
  public var oneWay: Interval?
  /// The least there and back.
  public var roundTrip: Interval?
  /// By how much delays exceed the least, on average.
  public var excess: Interval
  public var deviation: Interval
  /// A share between 0 and 1.
  public var loss: Double?
  public var rate: BitRate?
  public var price: Price?
  /// 1 for what was just heard, ½ a half-life later.
  public var confidence: Double
  public var sources: Int
}

/// How much a report weighs that was made so long ago.
struct Fading {
  let halfLife: Interval

  /// Straight lines between the halvings: within 6 % of the exponential, and the same on every machine.
  func weight(afterNanoseconds age: Int64) -> Double {
    let faded = age - PathMap.Limits.fresh.nanoseconds
    if faded <= 0 { return 1 }
    let (halvings, rest) = faded.quotientAndRemainder(dividingBy: halfLife.nanoseconds)
    var weight = 1.0
    for _ in 0..<min(halvings, 60) { weight /= 2 }
    return weight * (1 - Double(rest) / Double(halfLife.nanoseconds) / 2)
  }
}

/// What up to four sources say of one figure.
struct Voices {
  private var values = InlineArray<4, Int64>(repeating: 0)
  private var weights = InlineArray<4, Double>(repeating: 0)
  private var count = 0
  private var total = 0.0
  /// Weights that differ by less are equal: who reported a second earlier is not less right.
  private static let tie = 0.05

  mutating func add(_ value: Int64, weight: Double) {
    var place = count
    while place > 0, values[place - 1] > value {
      values[place] = values[place - 1]
      weights[place] = weights[place - 1]
      place -= 1
    }
    values[place] = value
    weights[place] = weight
    count += 1
    total += weight
  }

  var median: Int64? {
    if count == 0 { return nil }
    var below = 0.0
    for place in 0..<(count - 1) {
      below += weights[place]
      if below * 2 > total * (1 + Voices.tie) { return values[place] }
      if below * 2 >= total * (1 - Voices.tie) { return values[place] + (values[place + 1] - values[place]) / 2 }
    }
    return values[count - 1]
  }
}

/// The reports of one edge and what each of them weighs.
struct Testimony {
  /// An end measured it; the others have it from hearsay.
  private static let weightOfAnEnd = 1.5

  private var places = InlineArray<4, Int32>(repeating: Report.none)
  private var weights = InlineArray<4, Double>(repeating: 0)
  private(set) var count = 0
  private(set) var confidence = 0.0

  init(of edge: UInt64, in reports: borrowing ReportStore, fading: Fading, at now: Int64) {
    var place = reports.first(of: edge)
    while place != Report.none {
      let report = reports[place]
      let weight = fading.weight(afterNanoseconds: now - report.made)
      places[count] = place
      weights[count] = weight * (report.isOfAnEnd ? Testimony.weightOfAnEnd : 1)
      confidence = max(confidence, weight)
      count += 1
      place = report.next
    }
  }

  /// The median of a figure that is nil where a report does not have it.
  func median(in reports: borrowing ReportStore, _ figure: (Report) -> Int64?) -> Int64? {
    var voices = Voices()
    for index in 0..<count {
      if let value = figure(reports[places[index]]) { voices.add(value, weight: weights[index]) }
    }
    return voices.median
  }

  func curve(in reports: borrowing ReportStore) -> DelayCurve {
    var curves = InlineArray<4, DelayCurve>(repeating: DelayCurve())
    var shapes = InlineArray<4, Double>(repeating: 0)
    var found = 0
    for index in 0..<count {
      let shape = reports[places[index]].shape
      if shape.isEmpty { continue }
      curves[found] = DelayCurve(shape)
      shapes[found] = weights[index]
      found += 1
    }
    if found <= 1 { return curves[0] }
    var together = DelayCurve()
    for bucket in 0..<DelayShape.buckets {
      var voices = Voices()
      for index in 0..<found { voices.add(Int64(curves[index].landed[bucket]), weight: shapes[index]) }
      together.landed[bucket] = UInt16(clamping: voices.median ?? Int64(DelayCurve.everything))
    }
    return together
  }
}

/// A belief as the choice needs it: figures without units, and the curve.
struct EdgeFigures {
  var oneWay: Int64?
  var roundTrip: Int64?
  var loss: Double?
  var kilobitsPerSecond: Int64?
  var price: Int64?
  var curve = DelayCurve()
  var confidence = 0.0
  var sources = 0
}

/// What the way back is asked for.
struct DelayFigures {
  var oneWay: Int64?
  var roundTrip: Int64?
}

extension Report {
  var knownOneWay: Int64? { oneWay == Report.unknownDelay ? nil : oneWay }

  var knownRoundTrip: Int64? {
    roundTripMicroseconds == Report.unknown ? nil : Int64(roundTripMicroseconds) * 1_000
  }

  fileprivate static func known(_ figure: UInt32) -> Int64? { figure == unknown ? nil : Int64(figure) }
}

extension PathMap {
  /// What is believed of this direction between two nodes; nil when nobody reports of it.
  public func belief(from: String, to: String, at now: Instant) -> EdgeBelief? {
    guard let from = number(of: from), let to = number(of: to),
      let figures = figures(of: Report.edge(from, to), at: now)
    else { return nil }
    let moments = figures.curve.moments
    return EdgeBelief(
      oneWay: figures.oneWay.map(Interval.init(nanoseconds:)),
      roundTrip: figures.roundTrip.map(Interval.init(nanoseconds:)),
      excess: Interval(nanoseconds: Int64(moments.mean)),
      deviation: Interval(nanoseconds: Int64(moments.variance.squareRoot())), loss: figures.loss,
      rate: figures.kilobitsPerSecond.map { BitRate(bitsPerSecond: UInt64(max(1, $0)) * 1_000) },
      price: figures.price.map { Price(microsPerGigabyte: UInt64(max(0, $0))) }, confidence: figures.confidence,
      sources: figures.sources)
  }

  func figures(of edge: UInt64, at now: Instant) -> EdgeFigures? {
    let testimony = Testimony(of: edge, in: reports, fading: Fading(halfLife: halfLife), at: now.made)
    if testimony.count == 0 { return nil }
    var figures = EdgeFigures()
    figures.oneWay = testimony.median(in: reports) { $0.knownOneWay }
    figures.roundTrip = testimony.median(in: reports) { $0.knownRoundTrip }
    figures.loss = testimony.median(in: reports) { Report.known($0.lossPerBillion) }.map { Double($0) / 1e9 }
    figures.kilobitsPerSecond = testimony.median(in: reports) { Report.known($0.kilobitsPerSecond) }
    figures.price = testimony.median(in: reports) { Report.known($0.priceInMicros) }
    figures.curve = testimony.curve(in: reports)
    figures.confidence = testimony.confidence
    figures.sources = testimony.count
    return figures
  }

  func delays(of edge: UInt64, at now: Instant) -> DelayFigures {
    let testimony = Testimony(of: edge, in: reports, fading: Fading(halfLife: halfLife), at: now.made)
    return DelayFigures(
      oneWay: testimony.median(in: reports) { $0.knownOneWay },
      roundTrip: testimony.median(in: reports) { $0.knownRoundTrip })
  }
}
