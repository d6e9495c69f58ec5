//  LinkState.swift — what the kernel says of an interface.

internal import CMnl
import Glibc

public struct LinkState: Equatable, Sendable {
  public var index: InterfaceIndex
  public var name: String
  /// nil where there is none, as on a TUN device.
  public var hardware: HardwareAddress?
  public var mtu: UInt32
  public var queueLength: UInt32
  /// Somebody switched it on.
  public var isUp: Bool
  /// There is somebody at the other end.
  public var hasCarrier: Bool
  /// Whether a packet would be sent now. The kernel begins to send a moment after it sees a carrier, up to a second
  /// later when many interfaces come at once, and drops what comes before. Asking for one link makes it hurry.
  public var canSend: Bool
  public var isLoopback: Bool
  /// A bridge or a bond has it.
  public var isPart: Bool
  public var received: Traffic
  public var sent: Traffic

  public struct Traffic: Equatable, Sendable {
    public var packets: UInt64
    public var bytes: UInt64
    public var dropped: UInt64
    public var errors: UInt64
  }
}

extension LinkState {
  /// From an RTM_NEWLINK message; nil when it is cut short.
  init?(message: UnsafePointer<nlmsghdr>) {
    let subjectLength = MemoryLayout<ifinfomsg>.size
    guard mnl_nlmsg_get_payload_len(message) >= subjectLength, let payload = mnl_nlmsg_get_payload(message) else {
      return nil
    }
    let subject = payload.loadUnaligned(as: ifinfomsg.self)
    index = InterfaceIndex(subject.ifi_index)
    isUp = subject.ifi_flags & UInt32(IFF_UP) != 0
    hasCarrier = subject.ifi_flags & lowerUp != 0
    canSend = false
    isLoopback = subject.ifi_flags & UInt32(IFF_LOOPBACK) != 0
    isPart = false
    name = ""
    mtu = 0
    queueLength = 0
    received = Traffic(packets: 0, bytes: 0, dropped: 0, errors: 0)
    sent = received
    var isPair = false
    var operation = operationUnknown
    forEachAttribute(of: message, after: subjectLength) { type, value in
      switch Int(type) {
      case IFLA_IFNAME: name = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
      case IFLA_ADDRESS where value.count == 6: hardware = HardwareAddress(bytes: value)
      case IFLA_LINK: isPair = true
      case IFLA_MASTER: isPart = true
      case IFLA_OPERSTATE where value.count == 1: operation = value[0]
      case IFLA_MTU where value.count == 4: mtu = value.loadUnaligned(as: UInt32.self)
      case IFLA_TXQLEN where value.count == 4: queueLength = value.loadUnaligned(as: UInt32.self)
      case IFLA_STATS64 where value.count >= statisticsLength:
        // The kernel may know more counters than our headers: only the length that we know is read.
        let counters = value.loadUnaligned(as: rtnl_link_stats64.self)
        received = Traffic(
          packets: counters.rx_packets, bytes: counters.rx_bytes, dropped: counters.rx_dropped,
          errors: counters.rx_errors)
        sent = Traffic(
          packets: counters.tx_packets, bytes: counters.tx_bytes, dropped: counters.tx_dropped,
          errors: counters.tx_errors)
      default: break
      }
    }
    if name.isEmpty { return nil }
    // "Unknown" is the state of a TUN device at all times, and of a new pair until the kernel has looked at it.
    let isActivated = operation == operationUp || (operation == operationUnknown && !isPair)
    canSend = isUp && hasCarrier && isActivated
  }
}

/// IFF_LOWER_UP, IF_OPER_UNKNOWN and IF_OPER_UP of linux/if.h, which does not go together with the C library's
/// net/if.h.
private let lowerUp: UInt32 = 1 << 16
private let operationUnknown: UInt8 = 0
private let operationUp: UInt8 = 6
private let statisticsLength = MemoryLayout<rtnl_link_stats64>.size

/// Goes over a message's attributes, which begin `length` bytes into its payload.
func forEachAttribute(
  of message: UnsafePointer<nlmsghdr>, after length: Int, _ body: (UInt16, UnsafeRawBufferPointer) -> Void
) {
  guard let end = mnl_nlmsg_get_payload_tail(message),
    var attribute = mnl_nlmsg_get_payload_offset(message, length)?.assumingMemoryBound(to: nlattr.self)
  else { return }
  while case let left = end - UnsafeMutableRawPointer(attribute), left > 0, mnl_attr_ok(attribute, Int32(left)) {
    let length = Int(mnl_attr_get_payload_len(attribute))
    body(
      mnl_attr_get_type(attribute), UnsafeRawBufferPointer(start: mnl_attr_get_payload(attribute), count: length))
    attribute = mnl_attr_next(attribute)
  }
}
