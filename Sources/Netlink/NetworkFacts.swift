//  NetworkFacts.swift — the addresses that there are, and whether anything is routed to somebody through an interface.

internal import CMnl
import Glibc
public import Primitives

extension NetlinkSocket {
  /// All addresses of the namespace that can be used, with their interfaces. One that is still being looked for on the
  /// line (IPv6) is none yet.
  public mutating func addresses() throws(NetlinkError) -> [(interface: InterfaceIndex, address: IPAddress)] {
    var found: [(InterfaceIndex, IPAddress)] = []
    try dump(RTM_GETADDR, subjectLength: MemoryLayout<ifaddrmsg>.size, "list the addresses") { message in
      guard Int32(message.pointee.nlmsg_type) == Int32(RTM_NEWADDR),
        mnl_nlmsg_get_payload_len(message) >= MemoryLayout<ifaddrmsg>.size,
        let payload = mnl_nlmsg_get_payload(message)
      else { return }
      let subject = payload.loadUnaligned(as: ifaddrmsg.self)
      if UInt32(subject.ifa_flags) & UInt32(IFA_F_TENTATIVE) != 0 { return }
      var local: IPAddress?
      var address: IPAddress?
      forEachAttribute(of: message, after: MemoryLayout<ifaddrmsg>.size) { type, value in
        guard value.count == 4 || value.count == 16 else { return }
        switch Int(type) {
        case Int(IFA_LOCAL): local = IPAddress(bytes: value)
        case Int(IFA_ADDRESS): address = IPAddress(bytes: value)
        default: break
        }
      }
      // At the end of a line without neighbours `IFA_ADDRESS` is the other side's.
      if let own = local ?? address { found.append((InterfaceIndex(Int32(bitPattern: subject.ifa_index)), own)) }
    }
    return found.map { (interface: $0.0, address: $0.1) }
  }

  /// Neighbours on this interface for whom the kernel has asked, and who have not answered.
  public mutating func unansweredNeighbours(on interface: InterfaceIndex) throws(NetlinkError) -> [IPAddress] {
    var found: [IPAddress] = []
    try dump(RTM_GETNEIGH, subjectLength: MemoryLayout<ndmsg>.size, "list the neighbours") { message in
      guard Int32(message.pointee.nlmsg_type) == Int32(RTM_NEWNEIGH),
        mnl_nlmsg_get_payload_len(message) >= MemoryLayout<ndmsg>.size, let payload = mnl_nlmsg_get_payload(message)
      else { return }
      let subject = payload.loadUnaligned(as: ndmsg.self)
      let isUnanswered = Int32(subject.ndm_state) & (NUD_INCOMPLETE | NUD_FAILED) != 0
      guard subject.ndm_ifindex == interface.value, isUnanswered else { return }
      forEachAttribute(of: message, after: MemoryLayout<ndmsg>.size) { type, value in
        if Int(type) == Int(NDA_DST), value.count == 4 || value.count == 16 { found.append(IPAddress(bytes: value)) }
      }
    }
    return found
  }

  /// Whether a route leads to this address through this interface. The kernel would send to it all the same, as if it
  /// were a neighbour; so it is asked for the route itself (Linux 4.13).
  public mutating func hasRoute(to address: IPAddress, through interface: InterfaceIndex) throws(NetlinkError) -> Bool {
    let header = startQuestion(RTM_GETROUTE, flags: NLM_F_ACK)
    var subject = rtmsg()
    subject.rtm_family = address.family.rawValue
    subject.rtm_dst_len = UInt8(address.family.bitCount)
    subject.rtm_flags = fibMatch
    mnl_nlmsg_put_extra_header(header, MemoryLayout<rtmsg>.size)!.storeBytes(of: subject, as: rtmsg.self)
    mnl_attr_put(header, UInt16(RTA_DST.rawValue), address.byteCount, address.bytes)
    mnl_attr_put_u32(header, UInt16(RTA_OIF.rawValue), UInt32(bitPattern: interface.value))
    let nothing = [ENETUNREACH, EHOSTUNREACH, ENODEV, EINVAL, ESRCH]
    let found = try ask(header, "find the route to \(address)", nothing: nothing) { message -> Bool? in
      var way: UInt32?
      forEachAttribute(of: message, after: MemoryLayout<rtmsg>.size) { type, value in
        if Int(type) == Int(RTA_OIF.rawValue), value.count == 4 { way = value.loadUnaligned(as: UInt32.self) }
      }
      // Several ways at once have no interface of their own here.
      return way.map { $0 == UInt32(bitPattern: interface.value) } ?? true
    }
    return found ?? false
  }
}

/// RTM_F_FIB_MATCH.
private let fibMatch: UInt32 = 0x2000
