//  OracleSchema.swift — every section and every key of an oracle's file, as Schema has those of a gateway's.

import Primitives

extension Schema {
  public static let oracleSections = [oracle, knownGateway, knownRelay, reader]

  static let oracle = SectionForm(
    "Oracle", isRequired: true, elsewhere: ["Server"], "this oracle",
    [
      Oracle.name.form, Oracle.listen.form, Oracle.certificate.form, Oracle.certificateKeyFile.form,
      Oracle.store.form, Oracle.halfLife.form, Oracle.strategy.form, Oracle.readers.form,
    ])
  static let knownGateway = SectionForm(
    "Gateway", hasName: true, most: 4_096, elsewhere: ["Peer", "Client"], "a gateway that reports and asks",
    [
      Node.token.form, Node.tokenFile.form, Node.tokenHash.form, Node.address.form, Node.endpoint.form,
      Node.provider.form, Node.region.form, Node.price.form,
    ])
  static let knownRelay = SectionForm(
    "Relay", hasName: true, most: 256, "a relay that reports, and that paths may lead over",
    [
      Node.token.form, Node.tokenFile.form, Node.tokenHash.form, Node.publicKey.form, Node.endpoint.form,
      Node.provider.form, Node.region.form, Node.price.form, Node.capacity.form,
    ])
  static let reader = SectionForm(
    "Reader", hasName: true, most: 256, elsewhere: ["User"], "somebody who may read the map, and reports nothing",
    [Node.token.form, Node.tokenFile.form, Node.tokenHash.form])

  enum Oracle {
    static let name = Setting(
      "Name", .name(of: "oracle"), default: OracleConfiguration.defaultName, "who it is among several on one store")
    static let listen = Setting(
      "Listen", .listener, most: 8, default: OracleConfiguration.defaultListen.description,
      "where it answers; beyond the loopback only with a Certificate")
    static let certificate = Setting("Certificate", .file, "a file with its certificate and those above it, in PEM")
    static let certificateKeyFile = Setting("CertificateKeyFile", .file, "a file with the certificate's key, in PEM")
    static let store = Setting(
      "Store", .store, elsewhere: ["Database"],
      "where it keeps what it knows; without it, nothing is kept over a restart")
    static let halfLife = Setting(
      "HalfLife", .duration(OracleConfiguration.halfLives),
      default: writtenDuration(OracleConfiguration.defaultHalfLife),
      "after how long without news a measurement counts half")
    static let strategy = Setting(
      "Strategy", SettingKind<OracleConfiguration.Strategy>.word,
      default: OracleConfiguration.Strategy.model.rawValue, "how paths are chosen for who asks for no other way")
    static let readers = Setting(
      "Readers", SettingKind<OracleConfiguration.Readers>.word,
      "who may read the map: anyone, or those with a token; without it, anyone on the loopback")
  }

  enum Node {
    static let token = Setting("Token", .secret, "the text that it shows, made by hawser genpsk")
    static let tokenFile = Setting("TokenFile", .file, "a file with that text, instead of Token")
    static let tokenHash = Setting("TokenHash", .tokenHash, "the SHA-256 of that text, instead of Token")
    static let publicKey = Setting(
      "PublicKey", .publicKey, isRequired: true, "its key, as hawser pubkey prints it there")
    static let address = Setting(
      "Address", .network, most: 32, elsewhere: ["AllowedIPs"], "networks behind it, for who asks by address")
    static let endpoint = Setting("Endpoint", .endpoint, most: 4, "where it takes our datagrams")
    static let provider = Setting(
      "Provider", .label, elsewhere: ["AS", "ISP"], "whose network it is in: paths over one provider share its fate")
    static let region = Setting("Region", .label, elsewhere: ["Location"], "where it stands")
    static let price = Setting(
      "Price", .price, elsewhere: ["Cost"], "what a gigabyte costs that it sends, or that passes it")
    static let capacity = Setting(
      "Capacity", .rate, elsewhere: ["Limit", "Bandwidth", "Rate"], "the most that passes it at a time")
  }
}
