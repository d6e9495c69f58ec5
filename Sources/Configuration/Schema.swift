//  Schema.swift — every section and every key of hawser.conf, in one table.
//
//  Why.  The reader, its messages, the suggestions for what was misspelt, the printer's names and hawser.conf(5) must
//  not disagree. All of them are made from this table or held against it, and a new key is one declaration here and one
//  line where it is used.
//
//  A `Setting` has the type of its value; its `form` is the same without the type, for whoever only tells of it.

import Primitives
import Sealing

/// A key, as far as it can be told in words.
public struct SettingForm: Sendable {
  public let name: String
  /// To go after "expected".
  public let expectation: String
  public let isRequired: Bool
  /// 1, or how many values it can have: on one line with commas, or on several lines.
  public let most: Int
  /// What holds when it is absent; nil: nothing in particular, the summary says what.
  public let defaultText: String?
  /// A phrase for people, without a full stop.
  public let summary: String
  /// What others call it.
  let elsewhere: [String]
  let isKey: Bool
  /// Its value must not be shown to anybody.
  let isSecret: Bool

  public var isList: Bool { most > 1 }

  /// What it is about: PrivateKey and PrivateKeyFile say the same in two ways.
  var subject: String {
    for way in ["File", "Hash"] where name.hasSuffix(way) { return String(name.dropLast(way.count)) }
    return name
  }
}

public struct SectionForm: Sendable {
  public let name: String
  /// Whether a name in quotes follows: `[Path "fibre"]`.
  public let hasName: Bool
  public let isRequired: Bool
  public let most: Int
  public let summary: String
  public let settings: [SettingForm]
  let elsewhere: [String]

  /// Whether a key of it is a secret, or the file of one.
  public func isAboutSecret(_ form: SettingForm) -> Bool {
    settings.contains { $0.isSecret && $0.subject == form.subject }
  }

  /// As one would write it.
  public var example: String { hasName ? "[\(name) \"NAME\"]" : "[\(name)]" }

  init(
    _ name: String, hasName: Bool = false, isRequired: Bool = false, most: Int = 1, elsewhere: [String] = [],
    _ summary: String, _ settings: [SettingForm]
  ) {
    self.name = name
    self.hasName = hasName
    self.isRequired = isRequired
    self.most = most
    self.summary = summary
    self.settings = settings
    self.elsewhere = elsewhere
  }
}

struct Setting<Value: Sendable>: Sendable {
  let form: SettingForm
  let kind: SettingKind<Value>

  init(
    _ name: String, _ kind: SettingKind<Value>, isRequired: Bool = false, most: Int = 1, default: String? = nil,
    elsewhere: [String] = [], _ summary: String
  ) {
    self.kind = kind
    form = SettingForm(
      name: name, expectation: kind.expectation, isRequired: isRequired, most: most, defaultText: `default`,
      summary: summary, elsewhere: elsewhere, isKey: kind.isKey, isSecret: Value.self == KeptSecret.self)
  }
}

public enum Schema {
  /// In the order in which a file is best read.
  public static let sections = [gateway, path, peer, relay, oracleClient, trafficClass, rule, control, metrics]

  /// A hub with a thousand branches needs a quarter of a megabyte.
  public static let mostBytes = 4 << 20
  /// A line with a hundred networks fits.
  public static let mostLineBytes = 4_096

  static let gateway = SectionForm(
    "Gateway", isRequired: true, elsewhere: ["Interface"], "this gateway",
    [
      Gateway.privateKey.form, Gateway.privateKeyFile.form, Gateway.address.form, Gateway.listenPort.form,
      Gateway.mtu.form, Gateway.interface.form, Gateway.table.form, Gateway.rekeyAfter.form,
    ])
  static let path = SectionForm(
    "Path", hasName: true, isRequired: true, most: 16, "one way out of this machine",
    [
      Path.interface.form, Path.include.form, Path.exclude.form, Path.port.form, Path.weight.form, Path.mtu.form,
      Path.bind.form, Path.tier.form,
      Path.budget.form, Path.cost.form, Path.limit.form,
    ])
  static let peer = SectionForm(
    "Peer", hasName: true, isRequired: true, most: 4_096, "a gateway at the other side",
    [
      Peer.publicKey.form, Peer.presharedKey.form, Peer.presharedKeyFile.form, Peer.endpoint.form,
      Peer.allowedIPs.form, Peer.keepalive.form,
    ])
  static let relay = SectionForm(
    "Relay", hasName: true, most: 4, "a host that forwards for us: a way to peers over it is one more path",
    [Relay.publicKey.form, Relay.presharedKey.form, Relay.presharedKeyFile.form, Relay.endpoint.form])
  static let trafficClass = SectionForm(
    "Class", hasName: true, most: 32, "how flows are treated that a rule gives its name to",
    [Class.treatment.form, Class.redundancy.form])
  static let rule = SectionForm(
    "Rule", hasName: true, most: 256, "how some flows are carried; the first rule that matches decides",
    [
      Rule.from.form, Rule.to.form, Rule.protocols.form, Rule.ports.form, Rule.dscp.form, Rule.maxSize.form,
      Rule.className.form, Rule.stack.form,
    ])
  static let control = SectionForm(
    "Control", "how others speak to this gateway",
    [
      Control.socket.form, Control.listen.form, Control.token.form, Control.tokenFile.form, Control.certificate.form,
      Control.certificateKeyFile.form,
    ])
  static let metrics = SectionForm(
    "Metrics", elsewhere: ["Prometheus"], "where a monitoring system reads figures, and nothing else",
    [Metrics.listen.form])

  /// IPv6 needs the first on every line; beyond the second nobody sells frames.
  private static let mtus = 1_280...9_000

  enum Gateway {
    static let privateKey = Setting("PrivateKey", .secret, "the key that hawser genkey made for this gateway")
    static let privateKeyFile = Setting("PrivateKeyFile", .file, "a file with that key, instead of PrivateKey")
    static let address = Setting(
      "Address", .addressInNetwork, most: 64, "an address of the virtual interface and its network")
    static let listenPort = Setting(
      "ListenPort", .port, "the UDP port of all paths; without it the kernel chooses, and this gateway must begin")
    static let mtu = Setting(
      "MTU", .bytes(Schema.mtus), default: "\(GatewayConfiguration.defaultMTU.value)",
      "the largest packet that the virtual interface takes")
    static let interface = Setting(
      "Interface", .interface, default: GatewayConfiguration.defaultInterface, "the name of the virtual interface")
    static let table = Setting(
      "Table", SettingKind<GatewayConfiguration.Routes>.word, default: GatewayConfiguration.Routes.auto.rawValue,
      "whether the peers' AllowedIPs become routes")
    static let rekeyAfter = Setting(
      "RekeyAfter", .number(1...120 as ClosedRange<Int64>, of: "seconds") { Interval.seconds($0) },
      default: "\(GatewayConfiguration.defaultRekeyAfter.nanoseconds / 1_000_000_000)",
      "how old keys may become before the peers agree on new ones")
  }

  enum Path {
    static let interface = Setting(
      "Interface", .interface, isRequired: true, "the interface that this path leaves by; *: every uplink is a path")
    static let include = Setting(
      "Include", .interface, most: 16, "with Interface = *: which interfaces, such as wwan*; without it, all")
    static let exclude = Setting("Exclude", .interface, most: 16, "with Interface = *: which interfaces not")
    static let port = Setting(
      "Port", .port, elsewhere: ["ListenPort"], "the local UDP port of this path, instead of ListenPort")
    static let weight = Setting(
      "Weight", .number(1...1_000_000 as ClosedRange<UInt32>) { $0 }, default: "1",
      "how fast it is beside the others, until that is measured")
    static let mtu = Setting(
      "MTU", .bytes(Schema.mtus), "the largest IP packet that it carries; without it, what its interface says")
    static let bind = Setting("Bind", .address, "the local address, where the interface has several")
    static let tier = Setting(
      "Tier", SettingKind<GatewayConfiguration.Tier>.word, default: GatewayConfiguration.Tier.primary.rawValue,
      elsewhere: ["Priority"], "when it carries data: always, when those before it are full, when they are down, never")
    static let budget = Setting(
      "Budget", .budget, elsewhere: ["Quota", "DataLimit"], "how many bytes it may carry, both ways, in each period")
    static let cost = Setting(
      "Cost", .price, elsewhere: ["Price"], "what a gigabyte costs; within a tier the cheaper path is used first")
    static let limit = Setting(
      "Limit", .rateLimit, elsewhere: ["Bandwidth", "Rate"],
      "the most that it may carry, from here and to here; without it, what is measured")
  }

  enum Peer {
    static let publicKey = Setting(
      "PublicKey", .publicKey, isRequired: true, "its key, as hawser pubkey prints it there")
    static let presharedKey = Setting("PresharedKey", .secret, "a secret that both sides share, made by hawser genpsk")
    static let presharedKeyFile = Setting("PresharedKeyFile", .file, "a file with that secret, instead of PresharedKey")
    static let endpoint = Setting(
      "Endpoint", .endpoint, most: 16, "where it can be reached; without one, it comes to us")
    static let allowedIPs = Setting(
      "AllowedIPs", .network, isRequired: true, most: 1_024, "the inner addresses that are its own")
    static let keepalive = Setting(
      "Keepalive", .number(1...3_600 as ClosedRange<Int64>, of: "seconds") { Interval.seconds($0) },
      elsewhere: ["PersistentKeepalive"],
      "how often to send something at least, for a translator on the way; without it, only when needed")
  }

  enum Relay {
    static let publicKey = Setting(
      "PublicKey", .publicKey, isRequired: true, "its key, as hawser pubkey prints it there")
    static let presharedKey = Setting("PresharedKey", .secret, "a secret that both share, made by hawser genpsk")
    static let presharedKeyFile = Setting("PresharedKeyFile", .file, "a file with that secret, instead of PresharedKey")
    static let endpoint = Setting("Endpoint", .endpoint, isRequired: true, most: 4, "where it can be reached")
  }

  enum Class {
    static let treatment = Setting(
      "Treatment", SettingKind<GatewayConfiguration.Treatment>.word, isRequired: true, "how urgent these flows are")
    static let redundancy = Setting(
      "Redundancy", .protection, default: "none", "what is sent besides, so that a loss costs nothing")
  }

  enum Rule {
    static let from = Setting("From", .network, most: 64, "networks that the flow's source is in")
    static let to = Setting("To", .network, most: 64, "networks that the flow's destination is in")
    static let protocols = Setting("Protocol", .transport, most: 16, "the flow's transport protocol")
    static let ports = Setting("Ports", .ports, most: 64, "a port of either side, for tcp, udp, dccp and sctp")
    static let dscp = Setting("DSCP", .dscp, most: 64, "what the flow's packets are marked with")
    static let maxSize = Setting("MaxSize", .bytes(1...65_535), "the largest IP packet for which the rule holds")
    static let className = Setting(
      "Class", .name(of: "class"), "the class of these flows: bulk, interactive, realtime, or one of the file's")
    static let stack = Setting(
      "Stack", .stack, "how these flows are carried: over all paths, over one, or as they come")
  }

  enum Control {
    static let socket = Setting(
      "Socket", .socket, default: GatewayConfiguration.defaultSocket(of: "INTERFACE"),
      "the Unix socket where hawser status asks")
    static let listen = Setting(
      "Listen", .listener, most: 4, elsewhere: ["Address"],
      "where it answers over TCP; beyond the loopback only with a Certificate")
    static let token = Setting("Token", .secret, "the text that whoever asks over TCP shows, made by hawser genpsk")
    static let tokenFile = Setting("TokenFile", .file, "a file with that text, instead of Token")
    static let certificate = Setting("Certificate", .file, "a file with its certificate and those above it, in PEM")
    static let certificateKeyFile = Setting("CertificateKeyFile", .file, "a file with the certificate's key, in PEM")
  }

  enum Metrics {
    static let listen = Setting(
      "Listen", .listener, isRequired: true, most: 4, "where /metrics is read, by anybody who gets there")
  }
}

extension Schema {
  /// "did you mean 'Peer'?", or what there is.
  static func hint(_ word: String, among known: [(name: String, elsewhere: [String])]) -> (text: String, meant: String?)
  {
    let lower = word.lowercased()
    if let same = known.first(where: { $0.elsewhere.contains { $0.lowercased() == lower } }) {
      return ("it is called '\(same.name)' here", same.name)
    }
    if let near = nearestWord(to: word, in: known.map(\.name)) { return ("did you mean '\(near)'?", near) }
    return ("known are " + known.map(\.name).joined(separator: ", "), nil)
  }
}
