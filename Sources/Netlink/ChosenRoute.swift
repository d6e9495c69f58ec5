//  ChosenRoute.swift — the kernel's answer to "which way would this packet go?".

internal import CMnl
import Glibc
public import Primitives

public struct ChosenRoute: Equatable, Sendable {
  /// The address is one of this namespace's own.
  public var isLocal: Bool
  public var interface: InterfaceIndex?
  /// nil: the address is on the interface's own network.
  public var gateway: IPAddress?
  /// What a packet gets as its source when it has none.
  public var source: IPAddress?

  /// From an RTM_NEWROUTE message; nil when it leads nowhere.
  init?(message: UnsafePointer<nlmsghdr>) {
    let length = MemoryLayout<rtmsg>.size
    guard mnl_nlmsg_get_payload_len(message) >= length, let payload = mnl_nlmsg_get_payload(message) else { return nil }
    let kind = Int(payload.loadUnaligned(as: rtmsg.self).rtm_type)
    guard [RTN_UNICAST, RTN_LOCAL].contains(kind) else { return nil }
    isLocal = kind == RTN_LOCAL
    forEachAttribute(of: message, after: length) { type, value in
      switch UInt32(type) {
      case RTA_OIF.rawValue where value.count == 4: interface = InterfaceIndex(value.loadUnaligned(as: Int32.self))
      case RTA_GATEWAY.rawValue where [4, 16].contains(value.count): gateway = IPAddress(bytes: value)
      case RTA_PREFSRC.rawValue where [4, 16].contains(value.count): source = IPAddress(bytes: value)
      default: break
      }
    }
  }
}
