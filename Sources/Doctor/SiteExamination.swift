//  SiteExamination.swift — a site's checks, path by path: first what is under it, then what keeps packets away, then
//  whether anybody answers.
//
//  What comes first explains what comes after it: of a path without a carrier nothing else is told.

import Crypto
import Netlink
public import Primitives
public import Sealing
public import Uplinks

public enum SiteExamination {
  /// All interfaces as a gateway sees them, for paths that mean several.
  public static func interfaces(reaching remotes: [IPAddress], own: String) -> [Uplinks.Interface] {
    guard var network = try? NetlinkSocket.open() else { return [] }
    return (try? Ground.interfaces(reaching: remotes, own: own, &network)) ?? []
  }

  /// Takes up to `Greeting.patience` when no gateway runs, and a moment else.
  public static func examine(_ site: Site, _ cryptography: (any Cryptography)?) -> [Diagnosis] {
    let ground = Ground.observe(site)
    let filter = FirewallRules.observe()
    var greetings: [Greeting] = []
    if site.running == nil, let cryptography { greetings = Greeting.observe(site, ground, cryptography) }
    let key = cryptography.flatMap { library in site.privateKey.map { library.publicKey(of: $0.copied()) } }
    var found = site.files.isEmpty ? [] : [FileRights.observe(site.files, socket: site.socket).diagnosis]
    for path in site.paths { found += diagnoses(of: path, site, ground, filter, greetings, ownKey: key) }
    for peer in site.peers { found += peer.unresolved.map { unresolved($0, of: peer) } }
    return found
  }

  static func diagnoses(
    of path: Site.Path, _ site: Site, _ ground: Ground, _ filter: FirewallRules, _ greetings: [Greeting],
    ownKey: PublicKey?
  ) -> [Diagnosis] {
    let interface = ground.interfaces.first { $0.name == path.interface }
    let under = ground.diagnosis(of: path, remotes: site.remotes).about(path.name)
    if under.state == .failure { return [under] }
    var found = [under]
    let ways = (site.running?.ways ?? []).filter { $0.path == path.name && $0.interface == path.interface }
    if let filter = ground.filterDiagnosis(of: path) { found.append(filter.about(path.name)) }
    if let features = ground.features[path.interface] {
      let isRefused = ways.contains { !$0.hasOffload }
      found.append(features.diagnosis(of: path.interface, isRefused: isRefused).about(path.name))
    }
    let own = interface?.addresses ?? []
    let families = Set(own.map(\.family))
    let remotes = site.remotes.filter { families.contains($0.family) }
    found.append(filter.diagnosis(of: path, remotes: remotes, isCalled: site.isCalled))
    found.append(Translation.diagnosis(of: path, own: own, site.running, isCalled: site.isCalled))
    if site.running == nil { return found + greeted(path, greetings, interface, ownKey, site) }
    found += ways.filter(\.isUp).map { PathSizes.diagnosis(of: $0, interfaceMTU: interface?.mtu) }
    if ways.isEmpty { return found + [Reachability.unused(path, isCalled: site.isCalled)] }
    return found + peers(ways, named: \.peer, answers: \.isUp) { Reachability.diagnosis(of: $0) }
  }

  /// What is told of a path's peers, in their order. Of one who answers, what answers: his other addresses are only
  /// tried. Who does not answer where others do says nothing against the path.
  private static func peers<Question>(
    _ questions: [Question], named name: (Question) -> String, answers: (Question) -> Bool,
    _ diagnosis: (Question) -> Diagnosis
  ) -> [Diagnosis] {
    let works = questions.contains(where: answers)
    var names: [String] = []
    for question in questions where !names.contains(name(question)) { names.append(name(question)) }
    return names.flatMap { peer in
      let his = questions.filter { name($0) == peer }
      let answered = his.filter(answers)
      if !answered.isEmpty { return answered.map(diagnosis) }
      return his.map { works ? diagnosis($0).atMostWarning : diagnosis($0) }
    }
  }

  private static func greeted(
    _ path: Site.Path, _ greetings: [Greeting], _ interface: Uplinks.Interface?, _ ownKey: PublicKey?, _ site: Site
  ) -> [Diagnosis] {
    let ours = greetings.filter { $0.path == path.name }
    guard let ownKey, !ours.isEmpty else {
      return site.isCalled
        ? [.fine("peer", "whoever calls here is heard once a gateway runs").about(path.name)]
        : [Reachability.unused(path, isCalled: false)]
    }
    let answered = ours.filter(\.isAnswered)
    var found: [Diagnosis] = []
    if let mtu = interface?.mtu {
      let sizes = (answered.isEmpty ? ours : answered).compactMap {
        PathSizes.diagnosis(of: $0, interface: path.interface, interfaceMTU: mtu)
      }
      found += sizes.min { $0.state > $1.state }.map { [$0] } ?? []
    }
    return found + peers(ours, named: \.peer, answers: \.isAnswered) { Reachability.diagnosis(of: $0, ownKey: ownKey) }
  }

  private static func unresolved(_ name: String, of peer: Site.Peer) -> Diagnosis {
    .warning(
      "name", "\(peer.name): \(name) has no address now",
      remedy: "getent ahosts \(name.split(separator: ":").first ?? ""); a gateway that runs asks again")
  }
}
