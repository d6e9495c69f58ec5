//  Rows.swift — what the store keeps, a type for each table, and what of it is too long, or no name.
//
//  Limits are here and not in the database, so that a source who sends nonsense gets a verdict: a row that the database
//  refuses would take its whole batch along. What is read is checked again: a database is edited by hand sooner or
//  later.
//
//  A name is 1 to 64 visible characters of ASCII: gateways, relays, sources and oracles have such names, and they are
//  the same bytes in any database, whatever language that was set up for.

public import Primitives
public import Sealing

/// Why a row is not kept.
public enum Defect: Equatable, Sendable, CustomStringConvertible {
  /// 1 to 64 visible characters of ASCII.
  case name
  /// At most 128 bytes, none of them a control character.
  case text
  /// Too many bytes, or too many addresses.
  case length
  /// More than 63 bits can say.
  case number

  public var description: String {
    switch self {
    case .name: "a name has 1 to 64 visible characters of ASCII"
    case .text: "a text has at most 128 bytes and no control characters"
    case .length: "it is too long to be kept"
    case .number: "a number is larger than a database can hold"
    }
  }
}

/// What a source says of an edge.
public struct MeasurementRow: Equatable, Sendable {
  /// A histogram of 64 classes takes 300 bytes; more than this is no histogram.
  public static let histogramBound = 4_096

  public var source: String
  public var origin: String
  public var target: String
  /// By the source's clock, from 1970 on.
  public var time: Instant
  public var leastDelay: Interval?
  public var loss: Probability?
  /// What fits.
  public var rate: BitRate?
  /// Millionths of the operator's currency for a gigabyte.
  public var price: UInt64?
  /// Of the delay above the least, in the form that the map gave it.
  public var histogram: [UInt8]

  public init(
    source: String, origin: String, target: String, time: Instant, leastDelay: Interval? = nil,
    loss: Probability? = nil, rate: BitRate? = nil, price: UInt64? = nil, histogram: [UInt8] = []
  ) {
    (self.source, self.origin, self.target, self.time) = (source, origin, target, time)
    (self.leastDelay, self.loss, self.rate, self.price) = (leastDelay, loss, rate, price)
    self.histogram = histogram
  }

  public var defect: Defect? {
    if ![source, origin, target].allSatisfy(Checks.isName) { return .name }
    if histogram.count > MeasurementRow.histogramBound { return .length }
    if ![time.nanoseconds, rate?.bitsPerSecond ?? 0, price ?? 0].allSatisfy(Checks.fits) { return .number }
    return nil
  }
}

/// A measurement as all oracles of a database see it.
public struct StoredMeasurement: Equatable, Sendable {
  /// Without gaps, in the order in which they became visible.
  public let sequence: UInt64
  /// When, by the clock of the oracle that stored it.
  public let stored: Instant
  public let oracle: String
  public let measurement: MeasurementRow
}

/// What is known of a gateway or a relay, beside what is measured.
public struct NodeRow: Equatable, Sendable {
  public static let addressBound = 64

  public let name: String
  /// Set by the store.
  public internal(set) var version: UInt64 = 0
  /// "gateway", "relay"
  public var role: String
  public var provider = ""
  public var region = ""
  /// Millionths of the operator's currency for a gigabyte.
  public var price: UInt64?
  public var capacity: BitRate?
  public var addresses: [IPPrefix] = []

  public init(name: String, role: String) { (self.name, self.role) = (name, role) }
}

/// Who may report.
public struct SourceRow: Equatable, Sendable {
  public let name: String
  public internal(set) var version: UInt64 = 0
  /// Of what it shows with its reports. As text in the database, in the digits that sha256sum prints.
  public var token: TokenHash

  public init(name: String, token: TokenHash) { (self.name, self.token) = (name, token) }
}

/// A piece of configuration that all oracles of a database share.
public struct SettingRow: Equatable, Sendable {
  public static let valueBound = 65_536

  public let name: String
  public internal(set) var version: UInt64 = 0
  public var value: [UInt8]

  public init(name: String, value: [UInt8]) { (self.name, self.value) = (name, value) }
}

/// Something that one holder has at a time, until it expires.
public struct LeaseRow: Equatable, Sendable {
  public static let valueBound = 1_024

  public let name: String
  /// Larger than any that an earlier holder had.
  public internal(set) var version: UInt64 = 0
  public var holder: String
  public var expires: Instant
  public var value: [UInt8]

  public init(name: String, holder: String, expires: Instant, value: [UInt8] = []) {
    (self.name, self.holder, self.expires, self.value) = (name, holder, expires, value)
  }
}

enum Checks {
  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }

  static func isText(_ text: String) -> Bool {
    text.utf8.count <= 128 && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
  }

  static func fits(_ number: UInt64) -> Bool { number <= UInt64(Int64.max) }
}

// MARK: As values

extension MeasurementRow {
  /// In the order of `Statement.addMeasurement`.
  func values(sequence: Int64, stored: Instant, oracle: String) -> [Value] {
    [
      .integer(sequence), Value(stored), .text(oracle), .text(source), .text(origin), .text(target), Value(time),
      Value(leastDelay?.nanoseconds), Value((loss?.partsPerBillion).map { Int64($0) }), Value(rate), Value(price),
      .bytes(histogram),
    ]
  }
}

extension StoredMeasurement {
  init?(_ row: [Value]) {
    guard row.count == 12, let sequence = row[0].number, let stored = row[1].instant, let oracle = row[2].text,
      let source = row[3].text, let origin = row[4].text, let target = row[5].text, let time = row[6].instant,
      let histogram = row[11].bytes
    else { return nil }
    (self.sequence, self.stored, self.oracle) = (sequence, stored, oracle)
    var measurement = MeasurementRow(
      source: source, origin: origin, target: target, time: time,
      leastDelay: row[7].integer.map(Interval.init(nanoseconds:)),
      histogram: histogram)
    if let parts = row[8].integer {
      guard (0...1_000_000_000).contains(parts) else { return nil }
      measurement.loss = Probability(partsPerBillion: UInt32(parts))
    }
    if row[9] != .null {
      guard let rate = row[9].rate else { return nil }
      measurement.rate = rate
    }
    if row[10] != .null {
      guard let price = row[10].number else { return nil }
      measurement.price = price
    }
    guard measurement.defect == nil else { return nil }
    self.measurement = measurement
  }
}

/// A row of a `Table`: name and version come first.
protocol Row {
  static var table: Table { get }
  var name: String { get }
  var version: UInt64 { get }
  var defect: Defect? { get }
  /// Behind name and version.
  var columns: [Value] { get }
  init?(_ row: [Value])
}

extension NodeRow: Row {
  static var table: Table { .nodes }

  var defect: Defect? {
    if ![name, role].allSatisfy(Checks.isName) { return .name }
    if ![provider, region].allSatisfy(Checks.isText) { return .text }
    if addresses.count > NodeRow.addressBound { return .length }
    return [price ?? 0, capacity?.bitsPerSecond ?? 0].allSatisfy(Checks.fits) ? nil : .number
  }

  var columns: [Value] {
    [
      .text(role), .text(provider), .text(region), Value(price), Value(capacity),
      .text(addresses.map(\.description).joined(separator: " ")),
    ]
  }

  init?(_ row: [Value]) {
    guard row.count == 8, let name = row[0].text, let version = row[1].number, let role = row[2].text,
      let provider = row[3].text, let region = row[4].text, let addresses = row[7].text
    else { return nil }
    self.init(name: name, role: role)
    (self.version, self.provider, self.region) = (version, provider, region)
    if row[5] != .null {
      guard let price = row[5].number else { return nil }
      self.price = price
    }
    if row[6] != .null {
      guard let capacity = row[6].rate else { return nil }
      self.capacity = capacity
    }
    for text in addresses.split(separator: " ") {
      guard let prefix = IPPrefix(String(text)) else { return nil }
      self.addresses.append(prefix)
    }
    if defect != nil { return nil }
  }
}

extension SourceRow: Row {
  static var table: Table { .sources }
  var defect: Defect? { Checks.isName(name) ? nil : .name }
  var columns: [Value] { [.text(token.description)] }

  init?(_ row: [Value]) {
    guard row.count == 3, let name = row[0].text, let version = row[1].number, let digits = row[2].text,
      let token = TokenHash(hexadecimal: digits)
    else { return nil }
    self.init(name: name, token: token)
    self.version = version
    if defect != nil { return nil }
  }
}

extension SettingRow: Row {
  static var table: Table { .settings }
  var columns: [Value] { [.bytes(value)] }

  var defect: Defect? {
    if !Checks.isName(name) { return .name }
    return value.count > SettingRow.valueBound ? .length : nil
  }

  init?(_ row: [Value]) {
    guard row.count == 3, let name = row[0].text, let version = row[1].number, let value = row[2].bytes else {
      return nil
    }
    self.init(name: name, value: value)
    self.version = version
    if defect != nil { return nil }
  }
}

extension LeaseRow: Row {
  static var table: Table { .leases }
  var columns: [Value] { [.text(holder), Value(expires), .bytes(value)] }

  var defect: Defect? {
    if ![name, holder].allSatisfy(Checks.isName) { return .name }
    if value.count > LeaseRow.valueBound { return .length }
    return Checks.fits(expires.nanoseconds) ? nil : .number
  }

  init?(_ row: [Value]) {
    guard row.count == 5, let name = row[0].text, let version = row[1].number, let holder = row[2].text,
      let expires = row[3].instant, let value = row[4].bytes
    else { return nil }
    self.init(name: name, holder: holder, expires: expires, value: value)
    self.version = version
    if defect != nil { return nil }
  }
}

/// Whoever makes one of these has asked `Checks.fits` before; clamping is for the clock of a machine gone mad.
extension Value {
  init(_ number: UInt64?) { self = number.map { Value.integer(Int64(clamping: $0)) } ?? .null }
  init(_ rate: BitRate?) { self.init(rate?.bitsPerSecond) }
  init(_ instant: Instant) { self = .integer(Int64(clamping: instant.nanoseconds)) }

  var number: UInt64? { integer.flatMap { UInt64(exactly: $0) } }
  var rate: BitRate? { number.flatMap { $0 > 0 ? BitRate(bitsPerSecond: $0) : nil } }
  var instant: Instant? { number.map { Instant(nanoseconds: $0) } }
}
