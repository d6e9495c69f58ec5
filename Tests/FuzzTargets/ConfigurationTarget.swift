//  ConfigurationTarget.swift — hawser.conf: a configuration, or sentences that say where and what would be right.
//
//  Nobody's enemy writes it, but every operator does, in every way there is. What was read is within its limits, can be
//  printed, and reads back as itself; a drop-in that says the same again changes nothing. A secret that is in the file
//  is in no message.

import Configuration
import Primitives

func checkConfiguration(_ bytes: [UInt8]) throws(Violation) {
  if OracleFile.isOracle(bytes) { return try checkOracleFile(bytes) }
  let file: ConfigurationFile
  do throws(Mistakes) {
    file = try ConfigurationFile(reading: bytes, named: "f.conf")
  } catch {
    return try checkMistakes(error, bytes)
  }
  let gateway = file.gateway
  for form in Schema.sections {
    let counts = [
      "Path": gateway.paths.count, "Peer": gateway.peers.count, "Class": gateway.classes.count,
      "Rule": gateway.rules.count, "Relay": gateway.relays.count,
    ]
    let count = counts[form.name] ?? 1
    try demand(count <= form.most && (count > 0 || !form.isRequired), "\(count) sections [\(form.name)]")
  }
  try demand(Set(gateway.peers.map(\.publicKey)).count == gateway.peers.count, "two peers have one key")
  try demand(Set(gateway.paths.map(\.name)).count == gateway.paths.count, "two paths have one name")
  try demand((1_280...9_000).contains(gateway.mtu.value), "an MTU of \(gateway.mtu.value)")

  let printed = gateway.printed()
  let again: ConfigurationFile
  do throws(Mistakes) {
    again = try ConfigurationFile(reading: printed, named: "printed.conf")
  } catch {
    throw Violation("what was printed does not read back: \(error)\n\(String(decoding: printed, as: UTF8.self))")
  }
  try demand(again.gateway == gateway, "it reads back as another:\n\(String(decoding: printed, as: UTF8.self))")

  // Dropped in beside itself, it says what it says already.
  if bytes.count > Schema.mostBytes / 2 { return }
  let twice: ConfigurationFile
  do throws(Mistakes) {
    twice = try ConfigurationFile(reading: ["f.conf", "f.conf.d/a.conf"].map { ConfigurationText(bytes, named: $0) })
  } catch {
    throw Violation("dropped in beside itself it is wrong: \(error)")
  }
  try demand(twice.gateway == gateway, "dropped in beside itself it is another")
}

/// The same of an oracle's.
private func checkOracleFile(_ bytes: [UInt8]) throws(Violation) {
  let oracle: OracleConfiguration
  do throws(Mistakes) {
    oracle = try OracleFile(reading: bytes, named: "f.conf").oracle
  } catch {
    return try checkMistakes(error, bytes)
  }
  let names = (oracle.gateways + oracle.relays).map(\.name)
  try demand(Set(names).count == names.count, "two nodes have one name")
  let networks = oracle.gateways.flatMap(\.addresses)
  try demand(Set(networks).count == networks.count, "two nodes have one network")
  try demand((oracle.certificate == nil) == (oracle.certificateKeyFile == nil), "half of an identity")
  let isSafe = oracle.certificate != nil || oracle.listen.allSatisfy { OracleConfiguration.isLoopback($0.address) }
  try demand(!oracle.listen.isEmpty && isSafe, "tokens would be readable")
  let printed = oracle.printed()
  let again: OracleConfiguration
  do throws(Mistakes) {
    again = try OracleFile(reading: printed, named: "printed.conf").oracle
  } catch {
    throw Violation("what was printed does not read back: \(error)\n\(String(decoding: printed, as: UTF8.self))")
  }
  try demand(again == oracle, "it reads back as another:\n\(String(decoding: printed, as: UTF8.self))")
}

private func checkMistakes(_ mistakes: Mistakes, _ bytes: [UInt8]) throws(Violation) {
  try demand((1...Mistakes.most).contains(mistakes.listed.count), "\(mistakes.listed.count) mistakes are listed")
  let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
  var before = Place(line: 1, column: 1)
  for mistake in mistakes.listed {
    let text = mistake.description
    try demand(mistake.place >= before, "out of order: \(mistakes)")
    before = mistake.place
    try demand(mistake.place.line <= lines && mistake.place.column >= 1, "no such place in \(lines) lines: \(text)")
    try demand(!mistake.message.isEmpty && text.utf8.count <= 700, "no sentence: \(text)")
    for scalar in text.unicodeScalars {
      try demand(
        scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value), "a control character: \(text.debugDescription)")
    }
  }
  // What stands on a secret's line, when it is long enough to be one.
  for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
    guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
    let key = String(decoding: line[..<equals].filter { $0 > 32 }, as: UTF8.self).lowercased()
    guard ["privatekey", "presharedkey", "token"].contains(key) else { continue }
    let value = line[line.index(after: equals)...].drop { $0 <= 32 }.prefix { (33...126).contains($0) }
    guard value.count >= 20 else { continue }
    for mistake in mistakes.listed where mistake.place.line == index + 1 {
      let shows = mistake.message.contains(String(decoding: value.prefix(20), as: UTF8.self))
      try demand(!shows, "a secret in a message: \(mistake)")
    }
  }
}
