//  Measurement.swift — what one host says of one direction between two hosts, and what we make of it.
//
//  A measurement says how long ago it was made, not when: then nobody's clock matters. All figures are optional, since
//  a host knows what it knows; unknown is not zero.

public import Primitives

/// What a gigabyte (10⁹ bytes) costs, in millionths of the unit that whoever runs the oracle calculates in.
public struct Price: Comparable, Hashable, Sendable {
  public var microsPerGigabyte: UInt64

  public init(microsPerGigabyte: UInt64) { self.microsPerGigabyte = microsPerGigabyte }

  public static let nothing = Price(microsPerGigabyte: 0)
  /// More is a slip of the pen: satellites take ten.
  public static let most = Price(microsPerGigabyte: 4_000_000_000)

  public static func < (a: Price, b: Price) -> Bool { a.microsPerGigabyte < b.microsPerGigabyte }
}

public struct Measurement: Equatable, Sendable {
  /// Who says so: a node's name.
  public var source: String
  public var from: String
  public var to: String
  /// How long ago it was measured.
  public var age: Interval
  /// The least one-way delay: the receiver's clock at its arrival minus the sender's at its departure. Clocks that
  /// nobody set make it any number, also a negative one.
  public var oneWay: Interval?
  /// The least round trip. It knows one clock only, and is exact.
  public var roundTrip: Interval?
  /// By how much delays exceed the least.
  public var shape: DelayShape
  public var loss: Probability?
  /// What fits.
  public var rate: BitRate?
  public var price: Price?

  public init(
    source: String, from: String, to: String, age: Interval = .zero, oneWay: Interval? = nil,
    roundTrip: Interval? = nil, shape: DelayShape = DelayShape(), loss: Probability? = nil, rate: BitRate? = nil,
    price: Price? = nil
  ) {
    self.source = source
    self.from = from
    self.to = to
    self.age = age
    self.oneWay = oneWay
    self.roundTrip = roundTrip
    self.shape = shape
    self.loss = loss
    self.rate = rate
    self.price = price
  }

  public enum Verdict: String, CaseIterable, Sendable {
    /// The first that this source says of this edge.
    case added
    case updated
    /// Source or an end is no node of ours.
    case unknownNode
    /// From a node to itself.
    case noEdge
    /// It says nothing.
    case empty
    case fromTheFuture
    case tooOld
    /// We have a later one from the same source.
    case superseded
    case impossibleDelay
    case impossibleRate
    case impossiblePrice
    /// This source has as many reports as one may have.
    case sourceFull
    /// Enough others speak of this edge already.
    case edgeFull
    /// There are as many as fit, and none of them is old.
    case mapFull

    public var isKept: Bool { self == .added || self == .updated }
  }

  enum Limits {
    /// 36 years on either side: clocks since boot and since 1970 in one fleet.
    static let oneWay: Int64 = 1 << 60
    /// Longer, and it is no path.
    static let roundTrip = Interval.seconds(60)
  }

  /// What is wrong with it whatever the map says; nil when nothing is.
  func objection(oldest: Interval) -> Verdict? {
    if from == to { return .noEdge }
    if oneWay == nil && roundTrip == nil && shape.isEmpty && loss == nil && rate == nil && price == nil {
      return .empty
    }
    if age < .zero { return .fromTheFuture }
    if age > oldest { return .tooOld }
    if let oneWay, oneWay.nanoseconds.magnitude > UInt64(Limits.oneWay) { return .impossibleDelay }
    if let roundTrip, roundTrip <= .zero || roundTrip > Limits.roundTrip { return .impossibleDelay }
    if let rate, rate > BitRate.maximum { return .impossibleRate }
    if let price, price > Price.most { return .impossiblePrice }
    return nil
  }
}
