//  RelayConfiguration.swift — what the operator wants of a relay, and the file that he writes it into.

public import Primitives
public import Sealing

public struct RelayConfiguration: Equatable, Sendable {
  public enum Answer: String, CaseIterable, Sendable {
    case no
    case yes
  }

  public var privateKey: KeySource
  public var listenPort: UInt16
  /// As others see it; nothing is forwarded there.
  public var addresses: [IPAddress] = []
  public var allowPrivate = Answer.no
  /// Empty: all that are not private.
  public var destinations: [IPPrefix] = []
  public var mostBindings = 10_000
  public var clients: [Client] = []
  /// Who hears how far our clients are. Only what it takes to reach it means something here.
  public var oracle: OracleClient?

  public init(privateKey: KeySource, listenPort: UInt16) {
    self.privateKey = privateKey
    self.listenPort = listenPort
  }

  public struct Client: Equatable, Sendable {
    public var name: String
    public var publicKey: PublicKey
    public var presharedKey: KeySource?
    public var mostBindings = 64
    /// nil: as much as it is.
    public var limit: BitRate?
    public var daily: ByteCount?

    public init(name: String, publicKey: PublicKey) {
      self.name = name
      self.publicKey = publicKey
    }
  }
}

/// A relay's configuration, and where each of its values stands.
public struct RelayFile: Sendable {
  /// As it is called in messages.
  public let name: String
  public let relay: RelayConfiguration
  private let places: Places

  /// Reads a whole file. What holds secrets in `text` is the caller's to wipe.
  public init(reading text: [UInt8], named name: String) throws(Mistakes) {
    try self.init(reading: [ConfigurationText(text, named: name)])
  }

  /// Reads a file, which comes first, and what is dropped in beside it.
  public init(reading texts: [ConfigurationText]) throws(Mistakes) {
    var reader = ConfigurationReader(texts)
    let relay = reader.readRelay()
    self.relay = try reader.whole(relay)
    places = reader.places
    name = places.name
  }

  /// Whether there is a secret in this one of its texts, so that nobody else may read it.
  public func holdsSecrets(inText text: Int) -> Bool { places.textsWithSecrets.contains(text) }

  /// What only the machine could tell: the value of this key is wrong here.
  public func mistake(_ part: ConfigurationFile.Part, _ key: String, _ message: String) -> Mistake {
    places.mistake(part, key, 0, message)
  }

  /// What is wrong once the public half of the relay's own key is known.
  public func mistakes(ownKey: PublicKey) -> [Mistake] {
    relay.clients.indices.filter { relay.clients[$0].publicKey == ownKey }.map { index in
      mistake(
        .client(index), "PublicKey",
        "PublicKey: this is the key of the relay itself: expected the one that hawser pubkey prints at the gateway")
    }
  }
}

extension ConfigurationReader {
  /// nil when there is no relay to speak of; what is wrong is noted either way.
  mutating func readRelay() -> RelayConfiguration? {
    guard let scanner = scan(Schema.relaySections, atLeast: "[Relay] and a [Client]") else { return nil }
    // A configuration without a key is none, but what else is wrong with it should be said too.
    var configuration = RelayConfiguration(privateKey: .file(""), listenPort: 1)
    var isWhole = false
    for section in scanner.sections {
      switch section.form.name {
      case Schema.host.name: isWhole = host(section, into: &configuration)
      case Schema.client.name:
        guard let client = client(section, configuration.clients.count) else { continue }
        configuration.clients.append(client)
      case Schema.oracleReport.name: configuration.oracle = oracleReport(section)
      default: preconditionFailure("a section of the schema that nobody reads: \(section.form.name)")
      }
    }
    clientsTwice(configuration)
    return isWhole ? configuration : nil
  }

  private mutating func host(_ section: Section, into configuration: inout RelayConfiguration) -> Bool {
    places.note(.gateway, "", 0, section.place)
    let held = one(Schema.Host.privateKey, in: section, .gateway)
    let file = one(Schema.Host.privateKeyFile, in: section, .gateway)
    let key = source(held, file, Schema.Host.privateKey.form, Schema.Host.privateKeyFile.form, section)
    if let key { configuration.privateKey = key }
    if key == nil && !has(Schema.Host.privateKey.form, section) && !has(Schema.Host.privateKeyFile.form, section) {
      note(section.place, "[Relay] has no PrivateKey: expected it or PrivateKeyFile; hawser genkey makes one")
    }
    let port = one(Schema.Host.listenPort, in: section, .gateway)
    configuration.listenPort = port ?? configuration.listenPort
    configuration.addresses = list(Schema.Host.address, in: section, .gateway)
    configuration.allowPrivate = one(Schema.Host.allowPrivate, in: section, .gateway) ?? .no
    configuration.destinations = list(Schema.Host.destinations, in: section, .gateway)
    configuration.mostBindings = one(Schema.Host.bindings, in: section, .gateway) ?? configuration.mostBindings
    return key != nil && port != nil
  }

  private mutating func client(_ section: Section, _ index: Int) -> RelayConfiguration.Client? {
    let part = ConfigurationFile.Part.client(index)
    places.note(part, "", 0, section.place)
    let key = one(Schema.Client.publicKey, in: section, part)
    let held = one(Schema.Client.presharedKey, in: section, part)
    let file = one(Schema.Client.presharedKeyFile, in: section, part)
    let shared = source(held, file, Schema.Client.presharedKey.form, Schema.Client.presharedKeyFile.form, section)
    let bindings = one(Schema.Client.bindings, in: section, part)
    let limit = one(Schema.Client.limit, in: section, part)
    let daily = one(Schema.Client.daily, in: section, part)
    guard let key else { return nil }
    var client = RelayConfiguration.Client(name: section.name, publicKey: key)
    client.presharedKey = shared
    client.mostBindings = bindings ?? client.mostBindings
    client.limit = limit
    client.daily = daily
    return client
  }

  private mutating func clientsTwice(_ configuration: RelayConfiguration) {
    var known: [PublicKey: Int] = [:]
    for (index, client) in configuration.clients.enumerated() {
      guard let first = known[client.publicKey] else {
        known[client.publicKey] = index
        continue
      }
      let place = places.place(.client(index), "PublicKey", 0)
      let line = places.line(places.place(.client(first), "PublicKey", 0), from: place)
      note(
        place, "PublicKey: client \"\(configuration.clients[first].name)\" in \(line) has this key: expected another")
    }
  }
}
