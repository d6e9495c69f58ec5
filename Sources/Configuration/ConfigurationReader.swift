//  ConfigurationReader.swift — from sections with keys to a gateway's configuration, or to everything that is wrong.
//
//  Three steps. `SectionScanner` finds sections and keys; here their values are read, each by the kind that the schema
//  gives it; `ConfigurationAudit` then holds the values against each other. Each step goes on after a mistake, with
//  what could be read. All mistakes come out at once, in the order of the file.

import Sealing

/// A configuration, and where each of its values stands.
public struct ConfigurationFile: Sendable {
  /// As it is called in messages.
  public let name: String
  public let gateway: GatewayConfiguration
  let places: Places

  /// Reads a whole file. What holds secrets in `text` is the caller's to wipe.
  public init(reading text: [UInt8], named name: String) throws(Mistakes) {
    try self.init(reading: [ConfigurationText(text, named: name)])
  }

  /// Reads a file, which comes first, and what is dropped in beside it.
  public init(reading texts: [ConfigurationText]) throws(Mistakes) {
    var reader = ConfigurationReader(texts)
    let gateway = reader.read()
    self.gateway = try reader.whole(gateway)
    places = reader.places
    name = places.name
  }

  /// Whether there is a secret in this one of its texts, so that nobody else may read it.
  public func holdsSecrets(inText text: Int) -> Bool { places.textsWithSecrets.contains(text) }

  /// The section that a value stands in.
  public enum Part: Hashable, Sendable {
    case gateway
    case path(Int)
    case peer(Int)
    case relay(Int)
    case trafficClass(Int)
    case rule(Int)
    case control
    case metrics
    case oracle
    case client(Int)
    case knownGateway(Int)
  }

  /// What only the machine could tell: the value of this key is wrong here. `item` counts the values of a list.
  public func mistake(_ part: Part, _ key: String, item: Int = 0, _ message: String) -> Mistake {
    places.mistake(part, key, item, message)
  }
}

/// Where values stand, for messages that come later. Looked up only, never walked through.
struct Places: Sendable {
  private struct Spot: Hashable {
    let part: ConfigurationFile.Part
    let key: String
    let item: Int
  }
  private var spots: [Spot: Place] = [:]
  let labels: [TextLabel]
  /// In rising order.
  private(set) var textsWithSecrets: [Int] = []

  init(_ texts: [ConfigurationText]) { labels = texts.map(\.label) }

  /// Of the file itself.
  var name: String { labels[0].name }

  mutating func note(_ part: ConfigurationFile.Part, _ key: String, _ item: Int, _ place: Place) {
    spots[Spot(part: part, key: key, item: item)] = place
  }

  /// The value's place, else that of its section.
  func place(_ part: ConfigurationFile.Part, _ key: String, _ item: Int) -> Place {
    spots[Spot(part: part, key: key, item: item)] ?? header(part)
  }

  func mistake(_ part: ConfigurationFile.Part, _ key: String, _ item: Int, _ message: String) -> Mistake {
    mistake(at: place(part, key, item), message)
  }

  func mistake(at place: Place, _ message: String) -> Mistake {
    let text = labels[place.text]
    return Mistake(file: text.name, place: place, message: message, title: text.title(ofLine: place.line))
  }

  /// "line 3", or "line 3 of branch.conf" where that is another text than the one of the message.
  func line(_ other: Place, from place: Place) -> String {
    TextLabel.line(other, from: place.text, of: labels)
  }

  /// "line 3, column 5": the column tells apart what is on one line of one text.
  func lineAndColumn(_ other: Place, from place: Place) -> String {
    let isNumbered = labels[other.text].titles.isEmpty
    return line(other, from: place) + (isNumbered ? ", column \(other.column)" : "")
  }

  mutating func noteSecret(inText text: Int) {
    if !textsWithSecrets.contains(text) { textsWithSecrets.append(text) }
  }

  func header(_ part: ConfigurationFile.Part) -> Place {
    spots[Spot(part: part, key: "", item: 0)] ?? Place(line: 1, column: 1)
  }
}

struct ConfigurationReader {
  private let texts: [ConfigurationText]
  private(set) var noted: [(place: Place, message: String)] = []
  var places: Places

  /// The file itself comes first.
  init(_ texts: [ConfigurationText]) {
    precondition(!texts.isEmpty, "a configuration is a file at least")
    self.texts = texts
    places = Places(texts)
  }

  mutating func note(_ place: Place, _ message: String) { noted.append((place, message)) }

  /// What was read, if nothing was wrong with it.
  func whole<Value>(_ value: Value?) throws(Mistakes) -> Value {
    if let value, noted.isEmpty { return value }
    var mistakes = Mistakes()
    for (place, message) in noted {
      mistakes.add(places.mistake(at: place, message))
    }
    mistakes.sort()
    throw mistakes
  }

  /// nil when there is no gateway to speak of; what is wrong is noted either way.
  mutating func read() -> GatewayConfiguration? {
    guard let scanner = scan(Schema.sections, atLeast: "[Gateway], a [Path] and a [Peer]") else { return nil }
    // A configuration without a key is none, but what else is wrong with it should be said too.
    var configuration = GatewayConfiguration(privateKey: .file(""))
    var hasKey = false
    var indices: [String: Int] = [:]
    for section in scanner.sections {
      let index = indices[section.form.name, default: 0]
      switch section.form.name {
      case Schema.gateway.name: hasKey = gateway(section, into: &configuration)
      case Schema.path.name:
        guard let path = path(section, index) else { continue }
        configuration.paths.append(path)
      case Schema.peer.name:
        guard let peer = peer(section, index) else { continue }
        configuration.peers.append(peer)
      case Schema.relay.name:
        guard let relay = relay(section, index) else { continue }
        configuration.relays.append(relay)
      case Schema.oracleClient.name: configuration.oracle = oracleClient(section)
      case Schema.trafficClass.name:
        guard let known = trafficClass(section, index) else { continue }
        configuration.classes.append(known)
      case Schema.rule.name:
        guard let rule = rule(section, index) else { continue }
        configuration.rules.append(rule)
      case Schema.control.name: control(section, into: &configuration)
      case Schema.metrics.name:
        places.note(.metrics, "", 0, section.place)
        configuration.metricsListen = list(Schema.Metrics.listen, in: section, .metrics)
      default: preconditionFailure("a section of the schema that nobody reads: \(section.form.name)")
      }
      indices[section.form.name] = index + 1
    }
    if !scanner.sections.contains(where: { $0.form.name == Schema.control.name && !$0.entries.isEmpty }) {
      configuration.controlSocket = GatewayConfiguration.defaultSocket(of: configuration.interface)
    }
    for finding in configuration.audit(places, isComplete: noted.isEmpty) { note(finding.place, finding.message) }
    return hasKey ? configuration : nil
  }

  /// nil when there is nothing to read.
  mutating func scan(_ forms: [SectionForm], atLeast least: String) -> SectionScanner? {
    if texts.reduce(0, { $0 + $1.bytes.count }) > Schema.mostBytes {
      note(Place(line: 1, column: 1), "a file of more than \(Schema.mostBytes >> 20) MiB: expected a configuration")
      return nil
    }
    var found: [(place: Place, message: String)] = []
    var scanner = SectionScanner(texts, forms: forms) { found.append(($0, $1)) }
    scanner.scan()
    noted += found
    if scanner.sections.isEmpty && noted.isEmpty {
      note(
        scanner.end,
        "nothing is configured here: expected at least \(least); hawser.conf(5) has an example")
      return nil
    }
    for form in forms where form.isRequired {
      let isThere = scanner.sections.contains { $0.form.name == form.name } || scanner.excused.contains(form.name)
      if isThere || scanner.isDoubtful { continue }
      note(scanner.end, "no \(form.example): expected one, \(form.summary)")
    }
    return scanner
  }

  // MARK: Sections

  private mutating func gateway(_ section: Section, into configuration: inout GatewayConfiguration) -> Bool {
    places.note(.gateway, "", 0, section.place)
    let held = one(Schema.Gateway.privateKey, in: section, .gateway)
    let file = one(Schema.Gateway.privateKeyFile, in: section, .gateway)
    let key = source(held, file, Schema.Gateway.privateKey.form, Schema.Gateway.privateKeyFile.form, section)
    if let key { configuration.privateKey = key }
    let isExcused = has(Schema.Gateway.privateKey.form, section) || has(Schema.Gateway.privateKeyFile.form, section)
    if key == nil && !isExcused {
      note(section.place, "[Gateway] has no PrivateKey: expected it or PrivateKeyFile; hawser genkey makes one")
    }
    configuration.addresses = list(Schema.Gateway.address, in: section, .gateway)
    configuration.listenPort = one(Schema.Gateway.listenPort, in: section, .gateway)
    configuration.mtu = one(Schema.Gateway.mtu, in: section, .gateway) ?? configuration.mtu
    configuration.interface = one(Schema.Gateway.interface, in: section, .gateway) ?? configuration.interface
    configuration.routes = one(Schema.Gateway.table, in: section, .gateway) ?? configuration.routes
    configuration.rekeyAfter = one(Schema.Gateway.rekeyAfter, in: section, .gateway) ?? configuration.rekeyAfter
    return key != nil
  }

  private mutating func path(_ section: Section, _ index: Int) -> GatewayConfiguration.Path? {
    let part = ConfigurationFile.Part.path(index)
    places.note(part, "", 0, section.place)
    let interface = one(Schema.Path.interface, in: section, part)
    let include = list(Schema.Path.include, in: section, part)
    let exclude = list(Schema.Path.exclude, in: section, part)
    let port = one(Schema.Path.port, in: section, part)
    let weight = one(Schema.Path.weight, in: section, part)
    let mtu = one(Schema.Path.mtu, in: section, part)
    let bind = one(Schema.Path.bind, in: section, part)
    let tier = one(Schema.Path.tier, in: section, part)
    let budget = one(Schema.Path.budget, in: section, part)
    let cost = one(Schema.Path.cost, in: section, part)
    let limit = one(Schema.Path.limit, in: section, part)
    guard let interface else { return nil }
    var path = GatewayConfiguration.Path(name: section.name, interface: interface)
    path.include = include
    path.exclude = exclude
    path.port = port
    path.weight = weight ?? path.weight
    path.mtu = mtu
    path.bind = bind
    path.tier = tier ?? path.tier
    path.budget = budget
    path.cost = cost ?? path.cost
    path.limit = limit
    return path
  }

  private mutating func peer(_ section: Section, _ index: Int) -> GatewayConfiguration.Peer? {
    let part = ConfigurationFile.Part.peer(index)
    places.note(part, "", 0, section.place)
    let key = one(Schema.Peer.publicKey, in: section, part)
    let held = one(Schema.Peer.presharedKey, in: section, part)
    let file = one(Schema.Peer.presharedKeyFile, in: section, part)
    let shared = source(held, file, Schema.Peer.presharedKey.form, Schema.Peer.presharedKeyFile.form, section)
    let endpoints = list(Schema.Peer.endpoint, in: section, part)
    let allowed = list(Schema.Peer.allowedIPs, in: section, part)
    let keepalive = one(Schema.Peer.keepalive, in: section, part)
    guard let key else { return nil }
    var peer = GatewayConfiguration.Peer(name: section.name, publicKey: key)
    peer.presharedKey = shared
    peer.endpoints = endpoints
    peer.allowedIPs = allowed
    peer.keepalive = keepalive
    return peer
  }

  private mutating func relay(_ section: Section, _ index: Int) -> GatewayConfiguration.Relay? {
    let part = ConfigurationFile.Part.relay(index)
    places.note(part, "", 0, section.place)
    let key = one(Schema.Relay.publicKey, in: section, part)
    let held = one(Schema.Relay.presharedKey, in: section, part)
    let file = one(Schema.Relay.presharedKeyFile, in: section, part)
    let shared = source(held, file, Schema.Relay.presharedKey.form, Schema.Relay.presharedKeyFile.form, section)
    let endpoints = list(Schema.Relay.endpoint, in: section, part)
    guard let key else { return nil }
    var relay = GatewayConfiguration.Relay(name: section.name, publicKey: key)
    relay.presharedKey = shared
    relay.endpoints = endpoints
    return relay
  }

  private mutating func trafficClass(_ section: Section, _ index: Int) -> GatewayConfiguration.Class? {
    let part = ConfigurationFile.Part.trafficClass(index)
    places.note(part, "", 0, section.place)
    let treatment = one(Schema.Class.treatment, in: section, part)
    let protection = one(Schema.Class.redundancy, in: section, part)
    guard let treatment else { return nil }
    var known = GatewayConfiguration.Class(name: section.name, treatment)
    known.protection = protection ?? known.protection
    return known
  }

  private mutating func rule(_ section: Section, _ index: Int) -> GatewayConfiguration.Rule? {
    let part = ConfigurationFile.Part.rule(index)
    places.note(part, "", 0, section.place)
    var rule = GatewayConfiguration.Rule(name: section.name)
    rule.from = list(Schema.Rule.from, in: section, part)
    rule.to = list(Schema.Rule.to, in: section, part)
    rule.protocols = list(Schema.Rule.protocols, in: section, part)
    rule.ports = list(Schema.Rule.ports, in: section, part)
    rule.dscp = list(Schema.Rule.dscp, in: section, part)
    rule.maxSize = one(Schema.Rule.maxSize, in: section, part)
    rule.className = one(Schema.Rule.className, in: section, part)
    let stack = one(Schema.Rule.stack, in: section, part)
    rule.stack = stack ?? rule.stack
    if stack != nil || rule.className != nil { return rule }
    if !has(Schema.Rule.stack.form, section) && !has(Schema.Rule.className.form, section) {
      note(section.place, "[Rule \"\(section.name)\"] has no Class and no Stack: expected one of them, or both")
    }
    return nil
  }

  private mutating func control(_ section: Section, into configuration: inout GatewayConfiguration) {
    places.note(.control, "", 0, section.place)
    let socket = one(Schema.Control.socket, in: section, .control)
    configuration.controlSocket = socket ?? GatewayConfiguration.defaultSocket(of: configuration.interface)
    configuration.remoteControl = remoteControl(section)
  }

  /// nil when there is none, or not enough of it.
  private mutating func remoteControl(_ section: Section) -> GatewayConfiguration.RemoteControl? {
    typealias Form = Schema.Control
    let listen = list(Form.listen, in: section, .control)
    let held = one(Form.token, in: section, .control)
    let file = one(Form.tokenFile, in: section, .control)
    let token = source(held, file, Form.token.form, Form.tokenFile.form, section)
    let certificate = one(Form.certificate, in: section, .control)
    let key = one(Form.certificateKeyFile, in: section, .control)
    both(Form.certificate.form, Form.certificateKeyFile.form, in: section)
    if !has(Form.listen.form, section) {
      let others = [Form.token.form, Form.tokenFile.form, Form.certificate.form, Form.certificateKeyFile.form]
        .map(\.name)
      if let entry = section.entries.first(where: { others.contains($0.form.name) }) {
        note(entry.place, "\(entry.form.name) without Listen: expected both, since the socket needs neither")
      }
      return nil
    }
    if token == nil && !has(Form.token.form, section) && !has(Form.tokenFile.form, section),
      let entry = section.entries.first(where: { $0.form.name == Form.listen.form.name })
    {
      note(
        entry.place,
        "Listen without a Token: expected it or a TokenFile, or every program could ask; hawser genpsk "
          + "makes a token")
    }
    guard let token, !listen.isEmpty else { return nil }
    var remote = GatewayConfiguration.RemoteControl(listen: listen, token: token)
    remote.certificate = certificate
    remote.certificateKeyFile = key
    return remote
  }

  /// A certificate without its key is of no use, nor is the key.
  mutating func both(_ one: SettingForm, _ other: SettingForm, in section: Section) {
    for (form, other) in [(one, other), (other, one)] {
      guard let entry = section.entries.first(where: { $0.form.name == form.name }), !has(other, section) else {
        continue
      }
      note(entry.place, "\(form.name) without \(other.name): expected both of them, or none")
    }
  }

  // MARK: Values

  /// The value of a key that is given once.
  mutating func one<Value>(
    _ setting: Setting<Value>, in section: Section, _ part: ConfigurationFile.Part
  ) -> Value? {
    precondition(!setting.form.isList, "\(setting.form.name) is a list")
    guard let entry = section.entries.first(where: { $0.form.name == setting.form.name }) else {
      missing(setting.form, in: section)
      return nil
    }
    places.note(part, setting.form.name, 0, entry.valuePlace)
    return value(setting, entry.value, entry.valuePlace)
  }

  /// All values of a key that can have several, one a line or with commas.
  mutating func list<Value>(
    _ setting: Setting<Value>, in section: Section, _ part: ConfigurationFile.Part
  ) -> [Value] {
    precondition(setting.form.isList, "\(setting.form.name) is no list")
    var values: [Value] = []
    var isThere = false
    for entry in section.entries where entry.form.name == setting.form.name {
      isThere = true
      for item in texts[entry.place.text].bytes[entry.value].split(
        separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      {
        let blanks = item.prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.count
        let trailing = item.reversed().prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.count
        let start = item.startIndex + blanks
        var place = entry.valuePlace
        place.column += start - entry.value.lowerBound
        if blanks == item.count {
          note(place, "\(setting.form.name) has nothing between two commas: expected \(setting.form.expectation)")
          continue
        }
        if values.count == setting.form.most {
          note(place, "\(setting.form.name) with more than \(setting.form.most) values: expected at most so many")
          return values
        }
        guard let value = value(setting, start..<item.endIndex - trailing, place) else { continue }
        places.note(part, setting.form.name, values.count, place)
        values.append(value)
      }
    }
    if !isThere { missing(setting.form, in: section) }
    return values
  }

  private mutating func value<Value>(_ setting: Setting<Value>, _ range: Range<Int>, _ place: Place) -> Value? {
    let bytes = texts[place.text].bytes[range]
    do throws(Complaint) {
      let value = try setting.kind.read(bytes)
      if value is KeptSecret { places.noteSecret(inText: place.text) }
      return value
    } catch {
      let what = setting.form.isKey ? setting.form.name : "\(setting.form.name) = \(shown(bytes))"
      note(place, "\(what): \(error.sentence)")
      return nil
    }
  }

  private mutating func missing(_ form: SettingForm, in section: Section) {
    guard form.isRequired, !has(form, section) else { return }
    let header = section.form.hasName ? "[\(section.form.name) \"\(section.name)\"]" : "[\(section.form.name)]"
    note(section.place, "\(header) has no \(form.name): expected \(form.expectation)")
  }

  /// Whether the key is there, or was meant to be.
  func has(_ form: SettingForm, _ section: Section) -> Bool {
    section.isDoubtful || section.excused.contains(form.name)
      || section.entries.contains { $0.form.name == form.name }
  }

  /// A secret from the file itself or from another one; both would leave open which is meant.
  mutating func source(
    _ held: KeptSecret?, _ file: String?, _ heldForm: SettingForm, _ fileForm: SettingForm, _ section: Section
  ) -> KeySource? {
    if let second = section.entries.first(where: { $0.form.name == fileForm.name }),
      let first = section.entries.first(where: { $0.form.name == heldForm.name })
    {
      note(
        max(first.place, second.place),
        "\(heldForm.name) and \(fileForm.name) in one section: expected one of them")
    }
    return held.map { .held($0) } ?? file.map { .file($0) }
  }
}
