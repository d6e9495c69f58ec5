//  PathSizes.swift — the largest packet that gets through, beside what the path's interface takes.
//
//  A gateway finds that out by itself and lives with it. All other programs of the machine go by the interface, and
//  where routers are silent about what they drop their connections hang: so it is worth to be known.

import Primitives

enum PathSizes {
  /// What a running gateway found.
  static func diagnosis(of way: RunningGateway.Way, interfaceMTU: Int?) -> Diagnosis {
    let to = "\(way.peer)" + (way.remote.map { " at \($0)" } ?? "")
    let found: Diagnosis
    switch way.search {
    case "error":
      found = .warning(
        "mtu", "not even packets of \(way.mtu) bytes are answered by \(to)",
        remedy: "see what is between: tracepath \(way.remote.map { "\($0.address)" } ?? "PEER")")
    case "searching": found = .fine("mtu", "at least \(way.mtu) bytes get through to \(to); it is being found out")
    default:
      if let interfaceMTU, way.mtu < interfaceMTU {
        found = narrow("packets of \(way.mtu) bytes get through to \(to)", way.interface, interfaceMTU, way.mtu)
      } else {
        found = .fine("mtu", "\(way.mtu) bytes get through to \(to)")
      }
    }
    return found.about(way.title)
  }

  /// What routers said when none runs.
  static func diagnosis(of greeting: Greeting, interface: String, interfaceMTU: Int) -> Diagnosis? {
    guard let mtu = greeting.mtu else { return nil }
    if mtu < interfaceMTU {
      return narrow("a router says that \(mtu) bytes get through to \(greeting.remote)", interface, interfaceMTU, mtu)
        .about(greeting.path)
    }
    return .fine(
      "mtu", "\(interface) takes \(interfaceMTU) bytes, and no router objects; what gets through a gateway finds out"
    ).about(greeting.path)
  }

  private static func narrow(_ what: String, _ interface: String, _ interfaceMTU: Int, _ mtu: Int) -> Diagnosis {
    .warning(
      "mtu", "\(what), where \(interface) takes \(interfaceMTU): the gateway keeps to it, other programs may hang",
      remedy: "ip link set \(interface) mtu \(mtu)")
  }
}
