//  ConfigurationAudit.swift — values that are each right and together wrong.
//
//  Every check here is about a configuration that would start and then do something that nobody meant: two peers that
//  claim one address, a path that leads into the tunnel itself, a rule that never comes to pass. What others can only
//  find with the machine at hand (is there such an interface, may we read that file) is for whoever has it.
//
//  Overlaps.  An inner address belongs to one peer, or a packet would go where the operator did not look. Networks
//  that lie in each other are refused with one exception: 0.0.0.0/0 and ::/0 mean "whatever nobody else has", and the
//  longer network wins. Found in one pass over the sorted networks: those that hold the current one are the current
//  stack, as with brackets.

import Primitives
public import Sealing

extension GatewayConfiguration {
  struct Finding {
    let place: Place
    let message: String
  }

  /// `isComplete` says that nothing was wrong so far: only then something that is not there is really missing.
  func audit(_ places: Places, isComplete: Bool) -> [Finding] {
    var findings: [Finding] = []
    addressesTwice(places, &findings)
    pathsTwice(places, &findings)
    peersTwice(places, &findings)
    overlaps(places, &findings)
    ownAddresses(places, &findings)
    tiersWithoutData(places, &findings)
    rulesWithoutEffect(places, isComplete: isComplete, &findings)
    listeners(places, &findings)
    if isComplete, listenPort == nil, paths.allSatisfy({ $0.port == nil }), peers.allSatisfy({ $0.endpoints.isEmpty }) {
      findings.append(
        Finding(
          place: places.header(.gateway),
          message: "no ListenPort here and no Endpoint at any peer: expected one of them, or nobody finds the other"))
    }
    return findings
  }

  private func listeners(_ places: Places, _ findings: inout [Finding]) {
    let control = remoteControl?.listen ?? []
    let all =
      control.indices.map { (part: ConfigurationFile.Part.control, item: $0, endpoint: control[$0]) }
      + metricsListen.indices.map { (part: .metrics, item: $0, endpoint: metricsListen[$0]) }
    for (index, (part, item, endpoint)) in all.enumerated() {
      let place = places.place(part, "Listen", item)
      if let first = all[..<index].first(where: { $0.endpoint == endpoint }) {
        let before = places.place(first.part, "Listen", first.item)
        findings.append(
          Finding(
            place: place,
            message: "Listen = \(endpoint): this is there already in line \(before.line): expected it once"))
      }
      if part == .control && !OracleConfiguration.isLoopback(endpoint.address) && remoteControl?.certificate == nil {
        findings.append(
          Finding(
            place: place,
            message: "Listen = \(endpoint): others can reach this, and the token would be readable: expected a "
              + "Certificate and a CertificateKeyFile, or an address of the loopback"))
      }
    }
  }

  private func addressesTwice(_ places: Places, _ findings: inout [Finding]) {
    for (index, prefix) in addresses.enumerated() {
      guard let first = addresses[..<index].firstIndex(where: { $0.address == prefix.address }) else { continue }
      let before = places.place(.gateway, "Address", first)
      let place = places.place(.gateway, "Address", index)
      findings.append(
        Finding(
          place: place,
          message: "Address = \(prefix): \(prefix.address) is an Address already in "
            + "\(places.line(before, from: place)): expected it once"))
    }
  }

  private func pathsTwice(_ places: Places, _ findings: inout [Finding]) {
    for (index, path) in paths.enumerated() {
      let place = places.place(.path(index), "Interface", 0)
      if path.interface == interface {
        findings.append(
          Finding(
            place: place,
            message: "Interface = \(path.interface): this is the gateway's own virtual interface: "
              + "expected one that leads out"))
      }
      for (key, patterns) in [("Include", path.include), ("Exclude", path.exclude)] where !path.isEvery {
        guard let first = patterns.first else { continue }
        findings.append(
          Finding(
            place: places.place(.path(index), key, 0),
            message: "\(key) = \(first): this path has one interface, \(path.interface): expected Interface = *, or no "
              + key))
      }
      // One interface may carry several paths when their sockets differ in what the operator set.
      let same = paths[..<index].firstIndex { other in
        other.interface == path.interface && other.bind == path.bind && (other.port == path.port)
      }
      if let same {
        findings.append(
          Finding(
            place: place,
            message: "Interface = \(path.interface): path \"\(paths[same].name)\" in "
              + "\(places.line(places.header(.path(same)), from: place)) has it already: "
              + "expected another Interface, Bind or Port"
          ))
      }
    }
  }

  private func peersTwice(_ places: Places, _ findings: inout [Finding]) {
    var known: [PublicKey: (name: String, part: ConfigurationFile.Part)] = [:]
    let all =
      peers.enumerated().map { ($1.publicKey, "peer \"\($1.name)\"", ConfigurationFile.Part.peer($0)) }
      + relays.enumerated().map { ($1.publicKey, "relay \"\($1.name)\"", ConfigurationFile.Part.relay($0)) }
    for (key, name, part) in all {
      guard let first = known[key] else {
        known[key] = (name, part)
        continue
      }
      let place = places.place(part, "PublicKey", 0)
      let line = places.line(places.place(first.part, "PublicKey", 0), from: place)
      findings.append(
        Finding(place: place, message: "PublicKey: \(first.name) in \(line) has this key: expected another"))
    }
  }

  /// A network of a peer, for the pass over all of them.
  private struct Claim {
    let network: IPPrefix
    let peer: Int
    let item: Int

    func precedes(_ other: Claim) -> Bool {
      let a = network
      let b = other.network
      if a.family != b.family { return a.family.rawValue < b.family.rawValue }
      if a.address.high != b.address.high { return a.address.high < b.address.high }
      if a.address.low != b.address.low { return a.address.low < b.address.low }
      if a.length != b.length { return a.length < b.length }
      return (peer, item) < (other.peer, other.item)
    }
  }

  private func overlaps(_ places: Places, _ findings: inout [Finding]) {
    var claims: [Claim] = []
    for (peer, value) in peers.enumerated() {
      for (item, network) in value.allowedIPs.enumerated() {
        claims.append(Claim(network: network, peer: peer, item: item))
      }
    }
    claims.sort { $0.precedes($1) }
    var holders: [Claim] = []
    for claim in claims {
      while let last = holders.last, !last.network.contains(claim.network.address) { holders.removeLast() }
      // The closest that conflicts is the one to name; a peer may have a network within its own.
      if let holder = holders.last(where: { conflicts($0, claim) }) {
        findings.append(overlap(holder, claim, places))
      }
      holders.append(claim)
    }
  }

  private func conflicts(_ holder: Claim, _ claim: Claim) -> Bool {
    if holder.network == claim.network { return true }
    return holder.peer != claim.peer && holder.network.length > 0
  }

  private func overlap(_ one: Claim, _ two: Claim, _ places: Places) -> Finding {
    // The later line is the one to point at: it was probably written last.
    let onePlace = places.place(.peer(one.peer), "AllowedIPs", one.item)
    let twoPlace = places.place(.peer(two.peer), "AllowedIPs", two.item)
    let (first, second) = onePlace < twoPlace ? (one, two) : (two, one)
    let firstPlace = min(onePlace, twoPlace)
    let lastPlace = max(onePlace, twoPlace)
    let where_ = "in \(places.lineAndColumn(firstPlace, from: lastPlace))"
    let message: String
    if one.peer == two.peer {
      message = "it is given \(where_) already: expected it once"
    } else if one.network == two.network {
      message = "peer \"\(peers[first.peer].name)\" has it \(where_): expected that one address belongs to one peer"
    } else {
      message =
        "overlaps with \(first.network) of peer \"\(peers[first.peer].name)\" \(where_): expected that one address "
        + "belongs to one peer"
    }
    return Finding(place: lastPlace, message: "AllowedIPs = \(second.network): \(message)")
  }

  /// A network that a peer shares with us is how it is done; our very address is not.
  private func ownAddresses(_ places: Places, _ findings: inout [Finding]) {
    for (index, peer) in peers.enumerated() {
      for (item, network) in peer.allowedIPs.enumerated() where network.length == network.family.bitCount {
        guard let own = addresses.firstIndex(where: { $0.address == network.address }) else { continue }
        let place = places.place(.peer(index), "AllowedIPs", item)
        let line = places.line(places.place(.gateway, "Address", own), from: place)
        findings.append(
          Finding(
            place: place,
            message: "AllowedIPs = \(network): this is the gateway's own Address in \(line): expected the peer's"))
      }
    }
  }

  private func rulesWithoutEffect(_ places: Places, isComplete: Bool, _ findings: inout [Finding]) {
    let names = paths.map(\.name)
    for (index, rule) in rules.enumerated() {
      // A path that could not be read is missing here for another reason.
      if isComplete, case .single(let path?) = rule.stack, !names.contains(path) {
        findings.append(
          Finding(
            place: places.place(.rule(index), "Stack", 0),
            message: "Stack = single \(path): unknown path; \(hint(path, names))"))
      }
      classOfRule(index, places, isComplete: isComplete, &findings)
      let withPorts: [UInt8] = [6, 17, 33, 132]
      if !rule.ports.isEmpty, let other = rule.protocols.first(where: { !withPorts.contains($0) }) {
        findings.append(
          Finding(
            place: places.place(.rule(index), "Ports", 0),
            message: "Ports together with Protocol = \(KnownNumbers.name(of: other, among: KnownNumbers.protocols)), "
              + "which has none: expected tcp, udp, dccp or sctp"))
      }
      if isComplete, rule.matchesEverything, index < rules.count - 1 {
        findings.append(
          Finding(
            place: places.header(.rule(index)),
            message: "[Rule \"\(rule.name)\"] has no condition, so [Rule \"\(rules[index + 1].name)\"] in "
              + "\(places.line(places.header(.rule(index + 1)), from: places.header(.rule(index)))) never decides: "
              + "expected this one to be the last"
          ))
      }
    }
  }
}

extension ConfigurationFile {
  /// What is wrong once the public half of the gateway's own key is known.
  public func mistakes(ownKey: PublicKey) -> [Mistake] {
    let same =
      gateway.peers.indices.filter { gateway.peers[$0].publicKey == ownKey }.map { Part.peer($0) }
      + gateway.relays.indices.filter { gateway.relays[$0].publicKey == ownKey }.map { Part.relay($0) }
    return same.map { part in
      mistake(
        part, "PublicKey",
        "PublicKey: this is the key of the gateway itself: expected the one that hawser pubkey prints at the other side"
      )
    }
  }
}
