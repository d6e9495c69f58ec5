//  NetlinkEncoding.swift — a change as the bytes that rtnetlink takes.
//
//  Every message is a header, a fixed struct for its subject, and attributes. The bytes go straight into the socket's
//  batch; the longest message that a change can make (a veth pair with everything set) has 300 bytes, so `longest` is
//  never reached, and the batch only needs to have that much room before each.

internal import CMnl
import Glibc
import Primitives

struct NetlinkEncoder {
  /// What a message needs at most.
  static let longest = 1_024

  private let header: UnsafeMutablePointer<nlmsghdr>

  /// Writes the change at `place`, where `longest` bytes are free, and returns its header.
  static func encode(_ change: NetlinkChange, at place: UnsafeMutableRawPointer, sequence: UInt32)
    -> UnsafeMutablePointer<nlmsghdr>
  {
    let encoder = NetlinkEncoder(header: mnl_nlmsg_put_header(place))
    encoder.header.pointee.nlmsg_seq = sequence
    encoder.put(change)
    precondition(Int(encoder.header.pointee.nlmsg_len) <= longest, "a netlink message outgrew its bound")
    return encoder.header
  }

  private func put(_ change: NetlinkChange) {
    switch change {
    case .createVeth(let one, let other):
      start(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      putVeth(one, other)
    case .configure(let interface, let settings):
      start(RTM_NEWLINK)
      putLinkHeader(interface, isUp: settings.isUp)
      put(settings)
    case .deleteLink(let interface):
      start(RTM_DELLINK)
      putLinkHeader(interface)
    case .addAddress(let address):
      start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
      put(address)
    case .removeAddress(let address):
      start(RTM_DELADDR)
      put(address)
    case .addRoute(let route):
      start(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
      put(route, isRemoval: false)
    case .replaceRoute(let route):
      start(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE)
      put(route, isRemoval: false)
    case .removeRoute(let route):
      start(RTM_DELROUTE)
      put(route, isRemoval: true)
    case .addRule(let rule):
      start(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL)
      put(rule)
    case .removeRule(let rule):
      start(RTM_DELRULE)
      put(rule)
    case .setNeighbour(let neighbour):
      start(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE)
      put(neighbour)
    case .removeNeighbour(let neighbour):
      start(RTM_DELNEIGH)
      put(neighbour)
    }
  }

  // MARK: The subjects

  private func putVeth(_ one: VethEnd, _ other: VethEnd) {
    putLinkHeader()
    put(one)
    let info = nest(IFLA_LINKINFO)
    put(IFLA_INFO_KIND, "veth")
    let data = nest(IFLA_INFO_DATA)
    let peer = nest(VETH_INFO_PEER)
    putLinkHeader()
    put(other)
    end(peer)
    end(data)
    end(info)
  }

  private func put(_ end: VethEnd) {
    if let namespace = end.namespace { put(IFLA_NET_NS_FD, UInt32(bitPattern: namespace)) }
    put(LinkSettings(name: end.name, hardware: end.hardware, mtu: end.mtu, queueLength: end.queueLength))
  }

  private func putLinkHeader(_ interface: InterfaceIndex? = nil, isUp: Bool? = nil) {
    var link = ifinfomsg()
    link.ifi_index = interface?.value ?? 0
    if let isUp {
      link.ifi_change = UInt32(IFF_UP)
      link.ifi_flags = isUp ? UInt32(IFF_UP) : 0
    }
    putSubject(link)
  }

  private func put(_ settings: LinkSettings) {
    if let name = settings.name { put(IFLA_IFNAME, name) }
    if let namespace = settings.namespace { put(IFLA_NET_NS_FD, UInt32(bitPattern: namespace)) }
    if let hardware = settings.hardware { put(IFLA_ADDRESS, hardware.bytes) }
    if let mtu = settings.mtu { put(IFLA_MTU, mtu) }
    if let queueLength = settings.queueLength { put(IFLA_TXQLEN, queueLength) }
    if let length = settings.longestSuperPacket { put(IFLA_GSO_MAX_SIZE, length) }
    if let makesAddress = settings.makesLinkLocalAddress {
      let families = nest(IFLA_AF_SPEC)
      let family = nest(AF_INET6)
      let mode = makesAddress ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE
      mnl_attr_put_u8(header, UInt16(IFLA_INET6_ADDR_GEN_MODE), UInt8(mode.rawValue))
      end(family)
      end(families)
    }
  }

  private func put(_ address: InterfaceAddress) {
    var subject = ifaddrmsg()
    subject.ifa_family = address.prefix.family.rawValue
    subject.ifa_prefixlen = UInt8(address.prefix.length)
    subject.ifa_index = UInt32(bitPattern: address.interface.value)
    putSubject(subject)
    put(IFA_LOCAL, address.prefix.address.bytes)
    put(IFA_ADDRESS, address.prefix.address.bytes)
    var flags: Int32 = 0
    if !address.checksForDuplicates { flags |= IFA_F_NODAD }
    if !address.makesRoute { flags |= IFA_F_NOPREFIXROUTE }
    put(IFA_FLAGS, UInt32(bitPattern: flags))
  }

  private func put(_ route: Route, isRemoval: Bool) {
    precondition(route.destination == route.destination.network, "a route leads to a network")
    var subject = rtmsg()
    subject.rtm_family = route.destination.family.rawValue
    subject.rtm_dst_len = UInt8(route.destination.length)
    subject.rtm_table = UInt8(RT_TABLE_UNSPEC.rawValue)
    subject.rtm_protocol = isRemoval ? 0 : UInt8(RTPROT_STATIC)
    subject.rtm_type = UInt8(type(of: route.kind))
    let isDirect = route.kind == .unicast && route.gateway == nil && route.destination.family == .ipv4
    subject.rtm_scope = UInt8((isRemoval ? RT_SCOPE_NOWHERE : isDirect ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE).rawValue)
    if route.isOnLink { subject.rtm_flags = UInt32(RTNH_F_ONLINK) }
    putSubject(subject)
    if route.destination.length > 0 { put(RTA_DST.rawValue, route.destination.address.bytes) }
    put(RTA_TABLE.rawValue, route.table.number)
    if let interface = route.interface { put(RTA_OIF.rawValue, UInt32(bitPattern: interface.value)) }
    if let gateway = route.gateway { put(RTA_GATEWAY.rawValue, gateway.bytes) }
    if let metric = route.metric { put(RTA_PRIORITY.rawValue, metric) }
    if let source = route.source { put(RTA_PREFSRC.rawValue, source.bytes) }
  }

  private func type(of kind: Route.Kind) -> Int {
    switch kind {
    case .unicast: RTN_UNICAST
    case .unreachable: RTN_UNREACHABLE
    case .blackhole: RTN_BLACKHOLE
    case .notHere: RTN_THROW
    }
  }

  private func put(_ rule: RoutingRule) {
    var subject = fib_rule_hdr()
    subject.family = rule.family.rawValue
    subject.src_len = UInt8(rule.source?.length ?? 0)
    subject.action = UInt8(FR_ACT_TO_TBL)
    putSubject(subject)
    if let source = rule.source { put(FRA_SRC, source.address.bytes) }
    if let name = rule.boundTo { put(FRA_OIFNAME, name) }
    put(FRA_PRIORITY, rule.priority)
    put(FRA_TABLE, rule.table.number)
  }

  private func put(_ neighbour: Neighbour) {
    var subject = ndmsg()
    subject.ndm_family = neighbour.address.family.rawValue
    subject.ndm_ifindex = neighbour.interface.value
    subject.ndm_state = UInt16(NUD_PERMANENT)
    putSubject(subject)
    put(NDA_DST, neighbour.address.bytes)
    put(NDA_LLADDR, neighbour.hardware.bytes)
  }

  // MARK: libmnl

  private func start(_ type: some BinaryInteger, _ flags: Int32 = 0) {
    header.pointee.nlmsg_type = UInt16(type)
    header.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST | flags)
  }

  private func putSubject<Subject: BitwiseCopyable>(_ subject: Subject) {
    mnl_nlmsg_put_extra_header(header, MemoryLayout<Subject>.size)!
      .storeBytes(of: subject, as: Subject.self)
  }

  private func put(_ attribute: some BinaryInteger, _ value: UInt32) {
    mnl_attr_put_u32(header, UInt16(attribute), value)
  }

  private func put(_ attribute: some BinaryInteger, _ bytes: [UInt8]) {
    mnl_attr_put(header, UInt16(attribute), bytes.count, bytes)
  }

  private func put(_ attribute: some BinaryInteger, _ text: String) {
    precondition(text.utf8.count < Int(IF_NAMESIZE), "an interface's name has at most 15 bytes")
    mnl_attr_put_strz(header, UInt16(attribute), text)
  }

  private func nest(_ attribute: some BinaryInteger) -> UnsafeMutablePointer<nlattr> {
    mnl_attr_nest_start(header, UInt16(attribute))
  }

  private func end(_ nest: UnsafeMutablePointer<nlattr>) { mnl_attr_nest_end(header, nest) }
}
