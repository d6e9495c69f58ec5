//  RelaySchema.swift — every section and every key of a relay's file, as Schema has those of a gateway's.

import Primitives

extension Schema {
  public static let relaySections = [host, client, oracleReport]

  static let host = SectionForm(
    "Relay", isRequired: true, elsewhere: ["Gateway", "Interface"], "this relay",
    [
      Host.privateKey.form, Host.privateKeyFile.form, Host.listenPort.form, Host.address.form, Host.allowPrivate.form,
      Host.destinations.form, Host.bindings.form,
    ])
  static let client = SectionForm(
    "Client", hasName: true, isRequired: true, most: 4_096, elsewhere: ["Peer"], "a gateway that may ask",
    [
      Client.publicKey.form, Client.presharedKey.form, Client.presharedKeyFile.form, Client.bindings.form,
      Client.limit.form, Client.daily.form,
    ])

  enum Host {
    static let privateKey = Setting("PrivateKey", .secret, "the key that hawser genkey made for this relay")
    static let privateKeyFile = Setting("PrivateKeyFile", .file, "a file with that key, instead of PrivateKey")
    static let listenPort = Setting(
      "ListenPort", .port, isRequired: true, "the UDP port where clients ask, and send what is to be forwarded")
    static let address = Setting(
      "Address", .address, most: 16, "an address of this relay, as others see it: nothing is forwarded there")
    static let allowPrivate = Setting(
      "AllowPrivate", SettingKind<RelayConfiguration.Answer>.word, default: RelayConfiguration.Answer.no.rawValue,
      "whether it forwards into private networks")
    static let destinations = Setting(
      "Destinations", .network, most: 256, "networks that it forwards to; without it, to all that are not private")
    static let bindings = Setting(
      "Bindings", .number(1...1_000_000 as ClosedRange<Int>) { $0 }, default: "10000",
      "how many ways it forwards at a time")
  }

  enum Client {
    static let publicKey = Setting(
      "PublicKey", .publicKey, isRequired: true, "its key, as hawser pubkey prints it there")
    static let presharedKey = Setting("PresharedKey", .secret, "a secret that both share, made by hawser genpsk")
    static let presharedKeyFile = Setting("PresharedKeyFile", .file, "a file with that secret, instead of PresharedKey")
    static let bindings = Setting(
      "Bindings", .number(1...1_024 as ClosedRange<Int>) { $0 }, default: "64", "how many ways it may have at a time")
    static let limit = Setting(
      "Limit", .rate, elsewhere: ["Bandwidth", "Rate"], "the most that is forwarded for it, both directions together")
    static let daily = Setting(
      "Daily", .amount, elsewhere: ["Budget", "Quota"], "how much is forwarded for it within a day, both directions")
  }
}
