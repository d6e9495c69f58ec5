//  OracleConfiguration.swift — what the operator wants of an oracle, and the file that he writes it into.

public import Primitives
public import Sealing

public struct OracleConfiguration: Equatable, Sendable {
  public enum Strategy: String, CaseIterable, Sendable {
    case model
    case random = "random-k"
    case lastGood = "last-good"
    case race = "race-3"
    case cheapest
  }

  public enum Readers: String, CaseIterable, Sendable {
    case anyone
    case known
  }

  public enum Store: Equatable, Sendable {
    /// SQLite.
    case file(String)
    /// PostgreSQL.
    case server(String)

    public var printed: String {
      switch self {
      case .file(let text), .server(let text): text
      }
    }
  }

  /// What it is that somebody shows, or what is known of it.
  public enum Token: Equatable, Sendable {
    case held(KeptSecret)
    case file(String)
    case hash(TokenHash)
  }

  /// A gateway or a relay.
  public struct Node: Equatable, Sendable {
    public var name: String
    public var token: Token
    /// Only a relay has one.
    public var publicKey: PublicKey?
    public var addresses: [IPPrefix] = []
    public var endpoints: [EndpointText] = []
    public var provider = ""
    public var region = ""
    public var price = GatewayConfiguration.Price(thousandths: 0)
    public var capacity: BitRate?

    public init(name: String, token: Token, publicKey: PublicKey? = nil) {
      self.name = name
      self.token = token
      self.publicKey = publicKey
    }
  }

  public struct Reader: Equatable, Sendable {
    public var name: String
    public var token: Token

    public init(name: String, token: Token) {
      self.name = name
      self.token = token
    }
  }

  public static let defaultName = "oracle"
  public static let defaultListen = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 8_460)
  public static let defaultHalfLife = Interval.seconds(300)
  /// Shorter, and nothing outlives two missing reports; longer, and nobody ever learns that something changed.
  public static let halfLives = Interval.seconds(10)...Interval.seconds(86_400)
  /// In thousandths for a gigabyte; satellites take a tenth of a hundredth of it.
  public static let mostPrice: UInt32 = 4_000_000

  public var name = OracleConfiguration.defaultName
  public var listen = [OracleConfiguration.defaultListen]
  public var certificate: String?
  public var certificateKeyFile: String?
  public var store: Store?
  public var halfLife = OracleConfiguration.defaultHalfLife
  public var strategy = Strategy.model
  /// nil: anyone where it listens on the loopback, those with a token elsewhere.
  public var readers: Readers?
  public var gateways: [Node] = []
  public var relays: [Node] = []
  public var knownReaders: [Reader] = []

  public init() {}

  /// Whether nobody but this machine reaches it there.
  public static func isLoopback(_ address: IPAddress) -> Bool {
    switch address.family {
    case .ipv4: address.high >> 56 == 127
    case .ipv6: address.high == 0 && address.low == 1
    }
  }
}

/// An oracle's configuration, and where each of its values stands.
public struct OracleFile: Sendable {
  /// As it is called in messages.
  public let name: String
  public let oracle: OracleConfiguration
  private let places: Places

  /// Reads a whole file. What holds secrets in `text` is the caller's to wipe.
  public init(reading text: [UInt8], named name: String) throws(Mistakes) {
    try self.init(reading: [ConfigurationText(text, named: name)])
  }

  /// Reads a file, which comes first, and what is dropped in beside it.
  public init(reading texts: [ConfigurationText]) throws(Mistakes) {
    var reader = ConfigurationReader(texts)
    let oracle = reader.readOracle()
    self.oracle = try reader.whole(oracle)
    places = reader.places
    name = places.name
  }

  /// Whether there is a secret in this one of its texts, so that nobody else may read it.
  public func holdsSecrets(inText text: Int) -> Bool {
    // How a database is reached has its password in it, often.
    if case .server = oracle.store, places.place(.gateway, Schema.Oracle.store.form.name, 0).text == text {
      return true
    }
    return places.textsWithSecrets.contains(text)
  }

  /// What only the machine could tell: the value of this key is wrong here.
  public func mistake(_ part: ConfigurationFile.Part, _ key: String, item: Int = 0, _ message: String) -> Mistake {
    places.mistake(part, key, item, message)
  }

  /// Whether a file is an oracle's: it has [Oracle], and neither [Gateway] nor [Relay] without a name. A gateway's file
  /// may have [Oracle] too; there it says whom to ask.
  public static func isOracle(_ text: [UInt8]) -> Bool {
    var isThere = false
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let word = String(decoding: line.prefix(64), as: UTF8.self).filter { !$0.isWhitespace }.lowercased()
      func isHeader(_ name: String) -> Bool { word == "[\(name)]" || word.hasPrefix("[\(name)]#") }
      if isHeader("gateway") || isHeader("relay") || isHeader("interface") { return false }
      if isHeader("oracle") { isThere = true }
    }
    return isThere
  }
}

extension ConfigurationReader {
  /// nil when there is nothing to speak of; what is wrong is noted either way.
  mutating func readOracle() -> OracleConfiguration? {
    guard let scanner = scan(Schema.oracleSections, atLeast: "[Oracle]") else { return nil }
    var configuration = OracleConfiguration()
    for section in scanner.sections {
      switch section.form.name {
      case Schema.oracle.name: oracle(section, into: &configuration)
      case Schema.knownGateway.name:
        guard let node = gateway(section, configuration.gateways.count) else { continue }
        configuration.gateways.append(node)
      case Schema.knownRelay.name:
        guard let node = relayNode(section, configuration.relays.count) else { continue }
        configuration.relays.append(node)
      case Schema.reader.name:
        guard let reader = reader(section, configuration.knownReaders.count) else { continue }
        configuration.knownReaders.append(reader)
      default: preconditionFailure("a section of the schema that nobody reads: \(section.form.name)")
      }
    }
    for finding in configuration.audit(places) { note(finding.place, finding.message) }
    return configuration
  }

  private mutating func oracle(_ section: Section, into configuration: inout OracleConfiguration) {
    places.note(.gateway, "", 0, section.place)
    configuration.name = one(Schema.Oracle.name, in: section, .gateway) ?? configuration.name
    let listen = list(Schema.Oracle.listen, in: section, .gateway)
    if !listen.isEmpty { configuration.listen = listen }
    configuration.certificate = one(Schema.Oracle.certificate, in: section, .gateway)
    configuration.certificateKeyFile = one(Schema.Oracle.certificateKeyFile, in: section, .gateway)
    both(Schema.Oracle.certificate.form, Schema.Oracle.certificateKeyFile.form, in: section)
    configuration.store = one(Schema.Oracle.store, in: section, .gateway)
    configuration.halfLife = one(Schema.Oracle.halfLife, in: section, .gateway) ?? configuration.halfLife
    configuration.strategy = one(Schema.Oracle.strategy, in: section, .gateway) ?? configuration.strategy
    configuration.readers = one(Schema.Oracle.readers, in: section, .gateway)
  }

  private mutating func gateway(_ section: Section, _ index: Int) -> OracleConfiguration.Node? {
    let part = ConfigurationFile.Part.knownGateway(index)
    places.note(part, "", 0, section.place)
    let token = token(section, part)
    let addresses = list(Schema.Node.address, in: section, part)
    let endpoints = list(Schema.Node.endpoint, in: section, part)
    let provider = one(Schema.Node.provider, in: section, part)
    let region = one(Schema.Node.region, in: section, part)
    let price = one(Schema.Node.price, in: section, part)
    guard let token else { return nil }
    var node = OracleConfiguration.Node(name: section.name, token: token)
    node.addresses = addresses
    node.endpoints = endpoints
    node.provider = provider ?? ""
    node.region = region ?? ""
    node.price = price ?? node.price
    return node
  }

  private mutating func relayNode(_ section: Section, _ index: Int) -> OracleConfiguration.Node? {
    let part = ConfigurationFile.Part.relay(index)
    places.note(part, "", 0, section.place)
    let token = token(section, part)
    let key = one(Schema.Node.publicKey, in: section, part)
    let endpoints = list(Schema.Node.endpoint, in: section, part)
    let provider = one(Schema.Node.provider, in: section, part)
    let region = one(Schema.Node.region, in: section, part)
    let price = one(Schema.Node.price, in: section, part)
    let capacity = one(Schema.Node.capacity, in: section, part)
    // A path over a relay that nobody finds is none.
    if endpoints.isEmpty && !has(Schema.Node.endpoint.form, section) {
      note(
        section.place,
        "[Relay \"\(section.name)\"] has no Endpoint: expected \(Schema.Node.endpoint.form.expectation)")
    }
    guard let token, let key else { return nil }
    var node = OracleConfiguration.Node(name: section.name, token: token, publicKey: key)
    node.endpoints = endpoints
    node.provider = provider ?? ""
    node.region = region ?? ""
    node.price = price ?? node.price
    node.capacity = capacity
    return node
  }

  private mutating func reader(_ section: Section, _ index: Int) -> OracleConfiguration.Reader? {
    let part = ConfigurationFile.Part.client(index)
    places.note(part, "", 0, section.place)
    return token(section, part).map { OracleConfiguration.Reader(name: section.name, token: $0) }
  }

  /// One of the three; two would leave open which is meant.
  private mutating func token(_ section: Section, _ part: ConfigurationFile.Part) -> OracleConfiguration.Token? {
    let held = one(Schema.Node.token, in: section, part)
    let file = one(Schema.Node.tokenFile, in: section, part)
    let hash = one(Schema.Node.tokenHash, in: section, part)
    let forms = [Schema.Node.token.form, Schema.Node.tokenFile.form, Schema.Node.tokenHash.form]
    let given = section.entries.filter { entry in forms.contains { $0.name == entry.form.name } }
    if given.count > 1 {
      note(given[1].place, "\(given[0].form.name) and \(given[1].form.name) in one section: expected one of them")
    } else if given.isEmpty && !forms.contains(where: { has($0, section) }) {
      note(
        section.place,
        "[\(section.form.name) \"\(section.name)\"] has no Token: expected it, TokenFile or TokenHash; hawser genpsk "
          + "makes a token")
    }
    return held.map { .held($0) } ?? file.map { .file($0) } ?? hash.map { .hash($0) }
  }
}

extension OracleConfiguration {
  fileprivate func audit(_ places: Places) -> [GatewayConfiguration.Finding] {
    var findings: [GatewayConfiguration.Finding] = []
    func add(_ part: ConfigurationFile.Part, _ key: String, _ item: Int = 0, _ message: String) {
      findings.append(GatewayConfiguration.Finding(place: places.place(part, key, item), message: message))
    }
    for (index, endpoint) in listen.enumerated() {
      if let first = listen[..<index].firstIndex(of: endpoint) {
        let line = places.line(
          places.place(.gateway, "Listen", first), from: places.place(.gateway, "Listen", index))
        add(.gateway, "Listen", index, "Listen = \(endpoint): this is there already in \(line): expected it once")
      }
      if !OracleConfiguration.isLoopback(endpoint.address) && certificate == nil && certificateKeyFile == nil {
        add(
          .gateway, "Listen", index,
          "Listen = \(endpoint): others can reach this, and tokens would be readable: expected a Certificate and a "
            + "CertificateKeyFile, or an address of the loopback")
      }
    }
    let nodes =
      gateways.indices.map { (part: ConfigurationFile.Part.knownGateway($0), node: gateways[$0], kind: "gateway") }
      + relays.indices.map { (part: ConfigurationFile.Part.relay($0), node: relays[$0], kind: "relay") }
    var names: [String: Int] = [:]
    var networks: [IPPrefix: Int] = [:]
    for (index, (part, node, _)) in nodes.enumerated() {
      if let first = names[node.name] {
        let line = places.line(places.header(nodes[first].part), from: places.header(part))
        add(
          part, "", 0,
          "\"\(node.name)\" is a \(nodes[first].kind) already in \(line): expected another name, since all are on "
            + "one map")
      } else {
        names[node.name] = index
      }
      for (item, network) in node.addresses.enumerated() {
        guard let first = networks[network] else {
          networks[network] = index
          continue
        }
        add(
          part, "Address", item,
          "Address = \(network): this network is behind \"\(nodes[first].node.name)\" already: expected it once")
      }
      if node.price.thousandths > OracleConfiguration.mostPrice {
        add(
          part, "Price", 0,
          "Price = \(node.price.printed): expected at most \(OracleConfiguration.mostPrice / 1_000) per GB")
      }
    }
    tokensTwice(
      nodes.map { ($0.part, $0.node.name, $0.node.token) }
        + knownReaders.indices.map { (.client($0), knownReaders[$0].name, knownReaders[$0].token) }, places, &findings)
    return findings
  }

  /// Who shows a token is one of them, and only one.
  private func tokensTwice(
    _ owners: [(part: ConfigurationFile.Part, name: String, token: Token)], _ places: Places,
    _ findings: inout [GatewayConfiguration.Finding]
  ) {
    var hashes: [TokenHash: String] = [:]
    var files: [String: String] = [:]
    var held: [(secret: KeptSecret, name: String)] = []
    for (part, name, token) in owners {
      var other: String?
      var key = "Token"
      switch token {
      case .hash(let hash):
        key = "TokenHash"
        other = hashes[hash]
        hashes[hash] = name
      case .file(let file):
        key = "TokenFile"
        other = files[file]
        files[file] = name
      case .held(let secret):
        // Tokens in the file itself are few: a fleet's are in files of their own.
        other = held.prefix(256).first { $0.secret == secret }?.name
        held.append((secret, name))
      }
      guard let other else { continue }
      findings.append(
        GatewayConfiguration.Finding(
          place: places.place(part, key, 0), message: "\(key): \"\(other)\" has this token: expected another"))
    }
  }
}
