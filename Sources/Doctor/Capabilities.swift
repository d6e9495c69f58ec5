//  Capabilities.swift — may this process do what a gateway does?

import Glibc

struct Capabilities: Equatable {
  enum Capability: Int, CaseIterable {
    case netAdmin = 12
    case netRaw = 13
  }

  /// The effective ones, as a mask.
  let mask: UInt64

  func has(_ capability: Capability) -> Bool { mask >> UInt64(capability.rawValue) & 1 == 1 }

  static func observe() -> Capabilities {
    let text = field("CapEff", in: contents(of: "/proc/self/status") ?? "") ?? ""
    return Capabilities(mask: UInt64(text, radix: 16) ?? 0)
  }

  var diagnosis: Diagnosis {
    if !has(.netAdmin) {
      let both = has(.netRaw) ? "CAP_NET_ADMIN" : "CAP_NET_ADMIN and CAP_NET_RAW"
      return .failure(
        "capabilities", "\(both) missing: no interface can be made",
        remedy: "run as root, or give the service AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW")
    }
    if !has(.netRaw) {
      return .warning(
        "capabilities", "CAP_NET_RAW missing: paths cannot carry raw IP or DCCP",
        remedy: "give the service AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW")
    }
    return .fine("capabilities", "CAP_NET_ADMIN and CAP_NET_RAW")
  }
}
