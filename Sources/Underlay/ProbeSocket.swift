//  ProbeSocket.swift — a UDP socket for one question to one address, out of one interface: for whoever wants to know
//  what becomes of it.
//
//  A path's own socket serves all peers and hears no ICMP (UDPSocket.swift). This one is connected, so what the way
//  answers (port unreachable, too big) comes back as the error of a call, and the kernel tells what it believes of the
//  way's MTU. It is never used for traffic: anybody can forge such errors.

import Glibc
public import Primitives

public struct ProbeSocket: ~Copyable {
  public let descriptor: Int32
  private let isIPv6: Bool

  /// linux/in.h and in6.h.
  private static let mtuDiscover4: Int32 = 10
  private static let mtu4: Int32 = 14
  private static let mtuDiscover6: Int32 = 23
  private static let mtu6: Int32 = 24
  /// Don't Fragment is set, and what ICMP says is believed.
  private static let believe: Int32 = 2

  /// `local`: the address that it leaves with; nil: the kernel's choice.
  public init(interface: String, local: IPAddress?, to remote: Endpoint) throws(UnderlayFailure) {
    isIPv6 = remote.address.family == .ipv6
    let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
    if descriptor < 0 { throw UnderlayFailure(.make, errno: errno) }
    do throws(UnderlayFailure) {
      try SocketOptions(descriptor: descriptor, isIPv6: isIPv6).set(interface: interface)
    } catch {
      close(descriptor)
      throw error
    }
    var discover = ProbeSocket.believe
    setsockopt(
      descriptor, isIPv6 ? ControlMessages.levelIPv6 : ControlMessages.levelIPv4,
      isIPv6 ? ProbeSocket.mtuDiscover6 : ProbeSocket.mtuDiscover4, &discover, 4)
    let fd = descriptor
    var error: Int32 = 0
    if let local, local.family == remote.address.family {
      error = ProbeSocket.withAddress(Endpoint(local, port: 0)) {
        bind(fd, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1)
      }
      if error != 0 {
        close(descriptor)
        throw UnderlayFailure(.bind(port: 0), errno: error)
      }
    }
    error = ProbeSocket.withAddress(remote) { connect(fd, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }
    if error != 0 {
      close(descriptor)
      throw UnderlayFailure(.reach("\(remote)"), errno: error)
    }
  }

  deinit { close(descriptor) }

  /// 0 or an errno: perhaps what an earlier datagram met.
  public borrowing func send(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) < 0 ? errno : 0
  }

  /// The length of what came, or an errno below zero; -EAGAIN: nothing came.
  public borrowing func receive(into bytes: UnsafeMutableRawBufferPointer) -> Int {
    let count = recv(descriptor, bytes.baseAddress, bytes.count, 0)
    return count < 0 ? -Int(errno) : count
  }

  /// The largest IP packet that the kernel would send there, by its interface and by what the way has said.
  public var mtu: Int? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    let level = isIPv6 ? ControlMessages.levelIPv6 : ControlMessages.levelIPv4
    let name = isIPv6 ? ProbeSocket.mtu6 : ProbeSocket.mtu4
    return getsockopt(descriptor, level, name, &value, &length) == 0 ? Int(value) : nil
  }

  /// 0 or an errno.
  private static func withAddress(
    _ endpoint: Endpoint, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafeTemporaryAllocation(byteCount: SocketAddress.room, alignment: 8) { room in
      guard let start = room.baseAddress else { return ENOMEM }
      room.initializeMemory(as: UInt8.self, repeating: 0)
      let length = socklen_t(SocketAddress.write(endpoint, to: start))
      return call(start.assumingMemoryBound(to: sockaddr.self), length) == 0 ? 0 : errno
    }
  }
}
