//  OracleOptions.swift — whom to ask, and as whom: the options that query, map and watch have in common.

import Commands
import Consulting
import Primitives
import Topology

enum OracleOptions {
  static let oracle = Option(
    "oracle", value: "URL", address, default: home, "the oracle to ask")
  static let alto = Option("alto", value: "URL", address, "ask an ALTO server instead, by the address of its directory")
  static let tokenFile = Option("token-file", value: "FILE", .file, "a file with the token that the server wants")
  static let trust = Option(
    "trust", value: "FILE", .file(ending: ".pem"), "whose certificates are good (PEM), instead of the system's")
  static let json = Flag("json", "print one JSON object")

  /// Where `path-oracle serve` listens when its file says nothing else.
  private static var home: ResourceAddress {
    guard let address = ResourceAddress("http://127.0.0.1:8460") else { preconditionFailure("it is an address") }
    return address
  }

  private static let address = ValueKind<ResourceAddress>(
    "an address as https://oracle.example.com:8460", placeholder: "URL", read: { ResourceAddress($0) },
    write: { $0.path == "/" ? $0.origin : $0.description })

  // MARK: Quantities

  static let delay = ValueKind<Interval>("a time such as 45ms", placeholder: "TIME") { try? Interval(parsing: $0) }
  static let loss = ValueKind<Probability>("a share such as 1%", placeholder: "SHARE") {
    try? Probability(parsing: $0)
  }
  static let name = ValueKind<String>(
    "a name of 1 to 128 characters", placeholder: "NAME",
    read: { (1...128).contains($0.unicodeScalars.count) ? $0 : nil }, write: { $0 })
}
