//  DirectRoute.swift — no bond at all: the sites' hosts reach each other by plain routes over the best path.
//
//  What a tunnel over that path costs shows against this, and that a host behind a gateway gets what the gateway
//  itself gets. The lab keeps sites apart (their gateways translate addresses and let no stranger in); for as long as
//  this is measured, they do not.

import Primitives

struct DirectRoute: Bond {
  let name = "direct"

  func requirePrograms() throws(LabError) {}

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    let way = surveyed.best.way
    if way.hasNAT {
      throw .refused(
        "direct: the best path, \(way.name), leads through a nat, which no plain route between the sites passes")
    }
    for site in [surveyed.sites.first, surveyed.sites.second] { try scaffold.openSite(site) }
    try scaffold.lead(sites: surveyed.sites, over: way)
    if !surveyed.sites.haveUsers { try scaffold.lead(over: way, from: surveyed.sites.first) }
    return surveyed.flowOfUsers(name, over: way, tunnel: nil)
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) -> [String] {
    ["direct is plain routing over \(surveyed.best.way.name), without a tunnel"]
  }
}

extension Scaffold {
  /// Takes a site's packet filter away for a while.
  func openSite(_ site: Int) throws(LabError) {
    let namespace = try testbed.namespace(of: site)
    let rules = Ruleset(testbed.topology, testbed.addresses, node: site)
    guard rules.text != nil else { return }
    try rules.unload(from: namespace)
    onTakeDown { try? rules.load(into: namespace) }
  }
}
