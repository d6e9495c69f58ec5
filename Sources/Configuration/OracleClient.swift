//  OracleClient.swift — the section [Oracle] of a gateway's or a relay's file: whom it asks, under which name, for
//  what.
//
//  An oracle's own file has a section of this name, too; there it says how the oracle answers.

public import Primitives
import Sealing

public struct OracleClient: Equatable, Sendable {
  public enum Objective: String, CaseIterable, Sendable {
    case throughput
    case latency
    case resilience
    case cost
  }

  /// With its scheme, without a path.
  public var url: String
  /// Ours, as the oracle's file calls us; it knows our peers by the names that they have here.
  public var name: String
  public var token: KeySource
  /// Certificates in PEM that are trusted instead of the system's.
  public var authorities: String?
  /// Ways to a peer, the direct one among them.
  public var paths = OracleClient.defaultPaths
  public var objective = Objective.throughput
  public var mostPrice: GatewayConfiguration.Price?
  public var mostDelay: Interval?
  public var withoutProviders: [String] = []
  public var withoutRegions: [String] = []

  public init(url: String, name: String, token: KeySource) {
    self.url = url
    self.name = name
    self.token = token
  }

  static let defaultPaths = 3
  /// What an oracle answers for.
  static let mostPaths = 4
}

extension Schema {
  static let oracleClient = SectionForm(
    "Oracle", elsewhere: ["PathOracle"], "who knows which relays serve us best, and hears what we measure",
    [
      Advice.url.form, Advice.name.form, Advice.token.form, Advice.tokenFile.form, Advice.authorities.form,
      Advice.paths.form, Advice.objective.form, Advice.mostPrice.form, Advice.mostDelay.form,
      Advice.withoutProviders.form, Advice.withoutRegions.form,
    ])

  /// Of a relay, which asks for nothing.
  static let oracleReport = SectionForm(
    "Oracle", elsewhere: ["PathOracle"], "who hears from us how far our clients are",
    [
      Advice.url.form, Advice.name.form, Advice.token.form, Advice.tokenFile.form, Advice.authorities.form,
    ])

  enum Advice {
    static let url = Setting("URL", .url, isRequired: true, "where it answers; beyond this machine only with https")
    static let name = Setting(
      "Name", .name(of: "node"), isRequired: true, "our name there; our peers have there the names that they have here")
    static let token = Setting("Token", .secret, "what shows that we are it, made by hawser genpsk")
    static let tokenFile = Setting("TokenFile", .file, "a file with that, instead of Token")
    static let authorities = Setting(
      "Certificates", .file, elsewhere: ["CAFile"],
      "a file with the certificates that are trusted, in PEM; without it, the system's")
    static let paths = Setting(
      "Paths", .number(1...OracleClient.mostPaths as ClosedRange<Int>) { $0 }, default: "\(OracleClient.defaultPaths)",
      "how many ways to a peer it is asked for, the direct one among them")
    static let objective = Setting(
      "Objective", SettingKind<OracleClient.Objective>.word, default: OracleClient.Objective.throughput.rawValue,
      "what the ways shall be good for")
    static let mostPrice = Setting("MostPrice", .price, "what a gigabyte may cost on a way")
    static let mostDelay = Setting(
      "MostDelay", .number(1...10_000 as ClosedRange<Int64>, of: "milliseconds") { Interval.milliseconds($0) },
      "how long a way may take, one direction")
    static let withoutProviders = Setting(
      "WithoutProviders", .label, most: 32, "providers over which nothing of ours shall go")
    static let withoutRegions = Setting(
      "WithoutRegions", .label, most: 32, "regions over which nothing of ours shall go")
  }
}

extension SettingKind where Value == String {
  /// Of a server: its paths are known.
  static var url: SettingKind {
    SettingKind("a URL such as https://oracle.example.net:8460") { (bytes) throws(Complaint) in
      let wish = Complaint("expected a URL such as https://oracle.example.net:8460")
      let text = String(decoding: bytes, as: UTF8.self)
      guard let host = OracleClient.host(of: text), text.utf8.count <= 256 else { throw wish }
      if text.lowercased().hasPrefix("https://") || OracleClient.isHere(host) { return text }
      throw Complaint("the token would be readable on the way: expected https, or an oracle on this machine")
    }
  }
}

extension OracleClient {
  /// `[::1]`, without the brackets; nil when it is no URL of a server.
  static func host(of url: String) -> Substring? {
    let lower = url.lowercased()
    guard let scheme = ["https://", "http://"].first(where: { lower.hasPrefix($0) }) else { return nil }
    let rest = url.dropFirst(scheme.count)
    let isPlain = rest.utf8.allSatisfy { byte in
      byte > 32 && byte < 127 && !"/?#@\\\"'<>".utf8.contains(byte)
    }
    guard isPlain else { return nil }
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else { return nil }
      let behind = rest[rest.index(after: end)...]
      return isPort(behind) ? rest[rest.index(after: rest.startIndex)..<end] : nil
    }
    let end = rest.firstIndex(of: ":") ?? rest.endIndex
    return end > rest.startIndex && isPort(rest[end...]) ? rest[..<end] : nil
  }

  private static func isPort(_ text: Substring) -> Bool {
    if text.isEmpty { return true }
    guard text.hasPrefix(":"), text.dropFirst().utf8.allSatisfy({ (48...57).contains($0) }) else { return false }
    return UInt16(text.dropFirst()).map { $0 > 0 } ?? false
  }

  static func isHere(_ host: Substring) -> Bool {
    if host == "localhost" || host == "::1" { return true }
    return IPAddress(host)?.family == .ipv4 && host.hasPrefix("127.")
  }
}

extension ConfigurationReader {
  /// Of a relay: only how to reach it.
  mutating func oracleReport(_ section: Section) -> OracleClient? {
    places.note(.oracle, "", 0, section.place)
    let url = one(Schema.Advice.url, in: section, .oracle)
    let name = one(Schema.Advice.name, in: section, .oracle)
    let held = one(Schema.Advice.token, in: section, .oracle)
    let file = one(Schema.Advice.tokenFile, in: section, .oracle)
    let token = source(held, file, Schema.Advice.token.form, Schema.Advice.tokenFile.form, section)
    if token == nil && !has(Schema.Advice.token.form, section) && !has(Schema.Advice.tokenFile.form, section) {
      note(section.place, "[Oracle] has no Token: expected it or TokenFile; hawser genpsk makes one")
    }
    let authorities = one(Schema.Advice.authorities, in: section, .oracle)
    guard let url, let name, let token else { return nil }
    var client = OracleClient(url: url, name: name, token: token)
    client.authorities = authorities
    return client
  }

  mutating func oracleClient(_ section: Section) -> OracleClient? {
    let known = oracleReport(section)
    let paths = one(Schema.Advice.paths, in: section, .oracle)
    let objective = one(Schema.Advice.objective, in: section, .oracle)
    let mostPrice = one(Schema.Advice.mostPrice, in: section, .oracle)
    let mostDelay = one(Schema.Advice.mostDelay, in: section, .oracle)
    let withoutProviders = list(Schema.Advice.withoutProviders, in: section, .oracle)
    let withoutRegions = list(Schema.Advice.withoutRegions, in: section, .oracle)
    guard var client = known else { return nil }
    client.paths = paths ?? client.paths
    client.objective = objective ?? client.objective
    client.mostPrice = mostPrice
    client.mostDelay = mostDelay
    client.withoutProviders = withoutProviders
    client.withoutRegions = withoutRegions
    return client
  }
}
