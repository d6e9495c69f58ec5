//  TrafficPolicy.swift — what a path may be used for and may cost, and how a class of flows is treated: as values, and
//  as they are written.

public import Primitives

extension GatewayConfiguration {
  /// When a path carries data.
  public enum Tier: String, CaseIterable, Sendable {
    case primary
    /// When the primaries are full, or down.
    case secondary
    /// When nothing else is up.
    case backup
    /// Only whether it is alive is asked.
    case never
  }

  public enum Weekday: String, CaseIterable, Sendable {
    case monday, tuesday, wednesday, thursday, friday, saturday, sunday
  }

  /// How many bytes a path may carry, both ways, in each period.
  public struct Budget: Equatable, Sendable {
    public enum Period: Equatable, Sendable {
      case day
      case week(from: Weekday)
      /// 1 to 31; a month without that day begins on its last.
      case month(from: UInt8)
    }

    public var bytes: ByteCount
    public var period: Period

    public init(bytes: ByteCount, per period: Period) {
      self.bytes = bytes
      self.period = period
    }
  }

  /// What a gigabyte costs, in thousandths of whatever the operator counts in.
  public struct Price: Equatable, Sendable {
    public var thousandths: UInt32

    public init(thousandths: UInt32) { self.thousandths = thousandths }
  }

  /// The most that a path may carry: from here, and to here.
  public struct RateLimit: Equatable, Sendable {
    public var up: BitRate
    public var down: BitRate

    public init(up: BitRate, down: BitRate) {
      self.up = up
      self.down = down
    }
  }

  /// How some flows are treated; rules choose it by its name.
  public struct Class: Equatable, Sendable {
    public var name: String
    public var treatment: Treatment
    public var protection = Protection.none

    public init(name: String, _ treatment: Treatment) {
      self.name = name
      self.treatment = treatment
    }
  }

  public enum Treatment: String, CaseIterable, Sendable {
    case bulk
    /// Before what is bulk, over the path that lands first.
    case interactive
    /// The same, and it may use secondary paths at any time.
    case realtime
  }

  /// What is done so that a loss costs nothing.
  public enum Protection: Equatable, Sendable {
    case none
    /// Everything twice, over the two paths that land first.
    case copies
    /// So many datagrams more for so many.
    case parity(data: UInt8, parity: UInt8)
    /// As much parity as the measured loss asks for.
    case adaptive
  }

  /// Classes that are there without being written; a [Class] of the same name takes its place.
  public static let ownClasses = Treatment.allCases.map(\.rawValue)
}

// MARK: As they are written

extension GatewayConfiguration.Budget {
  public var printed: String {
    let amount = written(UInt64(bytes.value), Units.bytes)
    switch period {
    case .day: return "\(amount) per day"
    case .week(.monday): return "\(amount) per week"
    case .week(let first): return "\(amount) per week from \(first.rawValue)"
    case .month(1): return "\(amount) per month"
    case .month(let first): return "\(amount) per month from day \(first)"
    }
  }
}

extension GatewayConfiguration.Price {
  public var printed: String { "\(written(UInt64(thousandths), [("", 1_000)])) per GB" }
}

extension GatewayConfiguration.RateLimit {
  public var printed: String {
    let ends = [up, down].map { written($0.bitsPerSecond, Units.rates) }
    return ends[0] == ends[1] ? ends[0] : ends.joined(separator: "/")
  }
}

extension GatewayConfiguration.Protection {
  public var printed: String {
    switch self {
    case .none: "none"
    case .copies: "copies"
    case .parity(let data, let parity): "parity \(data)+\(parity)"
    case .adaptive: "adaptive"
    }
  }
}

/// Units by what a thousandth, a thousand or one of them is worth, the largest first.
enum Units {
  /// As providers count: a gigabyte is a thousand million bytes.
  static let bytes: [(name: String, worth: UInt64)] = [
    ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000),
  ]
  static let rates: [(name: String, worth: UInt64)] = [
    ("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000),
  ]
}

/// In the largest unit of which it is a whole number, else with decimals in the smallest.
func written(_ value: UInt64, _ units: [(name: String, worth: UInt64)]) -> String {
  let unit = units.first { value >= $0.worth && value % $0.worth == 0 } ?? units[units.count - 1]
  var text = "\(value / unit.worth)"
  var rest = value % unit.worth
  if rest > 0 { text += "." }
  while rest > 0 {
    text += "\(rest * 10 / unit.worth)"
    rest = rest * 10 % unit.worth
  }
  return text + unit.name
}
