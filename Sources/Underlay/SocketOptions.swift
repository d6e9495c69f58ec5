//  SocketOptions.swift — a socket on its way to being a UDPSocket: one option after the other, each with its error.

import Glibc
import Primitives

struct SocketOptions {
  let descriptor: Int32
  let isIPv6: Bool
  var limitations: [String] = []

  // linux/in.h and in6.h; some of them hide behind macros that Swift does not see on every version.
  private static let mtuDiscover4: Int32 = 10
  private static let mtuDiscover6: Int32 = 23
  /// Don't Fragment is set and what ICMP says of the path is ignored.
  private static let mtuProbe: Int32 = 3
  private static let receiveTypeOfService4: Int32 = 13
  private static let receiveTrafficClass6: Int32 = 66
  private static let receivePacketInfo6: Int32 = 49
  private static let only6: Int32 = 26

  static func make(mayUseIPv6: Bool) throws(UnderlayFailure) -> SocketOptions {
    let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    if mayUseIPv6 {
      let descriptor = socket(AF_INET6, kind, 0)
      if descriptor >= 0 { return SocketOptions(descriptor: descriptor, isIPv6: true) }
      if errno != EAFNOSUPPORT { throw UnderlayFailure(.make, errno: errno) }
    }
    let descriptor = socket(AF_INET, kind, 0)
    if descriptor < 0 { throw UnderlayFailure(.make, errno: errno) }
    return SocketOptions(
      descriptor: descriptor, isIPv6: false,
      limitations: mayUseIPv6 ? ["this kernel has no IPv6: peers are reached over IPv4 only"] : [])
  }

  func set(interface: String?) throws(UnderlayFailure) {
    guard let interface else { return }
    // The kernel would cut a longer name and bind to another interface.
    let isTooLong = interface.utf8.count >= Int(IF_NAMESIZE)
    let done =
      isTooLong || interface.isEmpty
      ? ENODEV
      : setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)) == 0 ? 0 : errno
    if done == 0 { return }
    throw UnderlayFailure(
      .bindToInterface(interface), errno: done, remedy: done == ENODEV ? SocketOptions.known(near: interface) : nil)
  }

  /// "there are eth0 and lo".
  private static func known(near name: String) -> String? {
    var names: [String] = []
    guard let list = if_nameindex() else { return nil }
    defer { if_freenameindex(list) }
    var entry = list
    while let name = entry.pointee.if_name {
      names.append(String(cString: name))
      entry += 1
    }
    if names.isEmpty { return "there are no interfaces here" }
    if let near = nearestWord(to: name, in: names) { return "did you mean \(near)?" }
    let shown = names.sorted().prefix(12).joined(separator: ", ")
    return "there is no such interface; there are: \(shown)\(names.count > 12 ? ", …" : "")"
  }

  mutating func setCommon() throws(UnderlayFailure) {
    if isIPv6 {
      try set(ControlMessages.levelIPv6, SocketOptions.only6, 0, "IPV6_V6ONLY")
      try set(ControlMessages.levelIPv6, SocketOptions.mtuDiscover6, SocketOptions.mtuProbe, "IPV6_MTU_DISCOVER")
      try set(ControlMessages.levelIPv6, SocketOptions.receiveTrafficClass6, 1, "IPV6_RECVTCLASS")
      // For IPv4 it tells the address too, as an IPv6 one.
      try set(ControlMessages.levelIPv6, SocketOptions.receivePacketInfo6, 1, "IPV6_RECVPKTINFO")
    } else {
      try set(ControlMessages.levelIPv4, ControlMessages.packetInfo, 1, "IP_PKTINFO")
    }
    try set(ControlMessages.levelIPv4, SocketOptions.mtuDiscover4, SocketOptions.mtuProbe, "IP_MTU_DISCOVER")
    try set(ControlMessages.levelIPv4, SocketOptions.receiveTypeOfService4, 1, "IP_RECVTOS")
    do throws(UnderlayFailure) {
      try set(ControlMessages.levelUDP, ControlMessages.joined, 1, "UDP_GRO")
    } catch {
      limitations.append("this kernel does not join datagrams (UDP_GRO, Linux 5.0): receiving costs several times more")
    }
  }

  private func set(_ level: Int32, _ name: Int32, _ value: Int32, _ option: String) throws(UnderlayFailure) {
    var value = value
    if setsockopt(descriptor, level, name, &value, 4) != 0 {
      throw UnderlayFailure(.set(option: option), errno: errno)
    }
  }

  /// Past the system's limit if we may, else up to it. Returns what it is now.
  func setBuffer(_ force: Int32, _ plain: Int32, to wanted: ByteCount) -> ByteCount {
    var value = Int32(clamping: min(wanted.value, Int(Int32.max) / 2))
    var length = socklen_t(MemoryLayout<Int32>.size)
    if setsockopt(descriptor, SOL_SOCKET, force, &value, length) != 0 {
      setsockopt(descriptor, SOL_SOCKET, plain, &value, length)
    }
    getsockopt(descriptor, SOL_SOCKET, plain, &value, &length)
    return ByteCount(Int(value) / 2)  // Linux doubles what it is asked for, to pay for its own bookkeeping
  }

  /// Between two tries.
  private static let pauseMilliseconds: Int32 = 5

  /// Returns the port. One that no other process holds, and is taken all the same, is a killed predecessor's: his ring
  /// outlives him for some milliseconds, with the sockets that it reads. Such a one is waited for.
  func bind(port: UInt16, patience: Interval) throws(UnderlayFailure) -> UInt16 {
    let any = IPAddress(isIPv6 ? .ipv6 : .ipv4, high: 0, low: 0)
    return try withUnsafeTemporaryAllocation(byteCount: SocketAddress.room, alignment: 8) {
      bytes throws(UnderlayFailure) in
      guard let place = bytes.baseAddress else { throw UnderlayFailure(.bind(port: port), errno: ENOMEM) }
      var length = socklen_t(SocketAddress.write(Endpoint(any, port: port), to: place))
      let address = place.assumingMemoryBound(to: sockaddr.self)
      var waited = Interval.zero
      while Glibc.bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: address), length) != 0 {
        let error = errno
        let holder = error == EADDRINUSE ? PortHolder.of(port: port) : nil
        if error == EADDRINUSE && holder?.isOurselves ?? true && waited < patience {
          poll(nil, 0, SocketOptions.pauseMilliseconds)
          waited = waited + .milliseconds(Int64(SocketOptions.pauseMilliseconds))
          continue
        }
        throw UnderlayFailure(
          .bind(port: port), errno: error, remedy: holder.map { "\($0) has it: stop that, or choose another port" })
      }
      guard getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: address), &length) == 0,
        let bound = SocketAddress.read(UnsafeRawBufferPointer(start: place, count: Int(length)))
      else { throw UnderlayFailure(.bind(port: port), errno: errno) }
      return bound.port
    }
  }
}
