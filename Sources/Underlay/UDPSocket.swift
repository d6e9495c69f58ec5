//  UDPSocket.swift — a path's door to the world: one UDP socket, bound to one interface, for both families.
//
//  Why one for both.  A peer behind one path may have an IPv4 and an IPv6 address, and roam from one to the other; a
//  path is an interface, not a family. So the socket is an IPv6 one that takes IPv4 too; where the kernel has no IPv6
//  it is an IPv4 one, and nobody above sees a difference.
//
//  What is set, and why:
//
//      SO_BINDTODEVICE   a path is an interface: else the routing table would send two paths over one line
//      UDP_GRO           a peer's batch arrives as one buffer, not as 44 (10 times as fast, measured)
//      MTU_DISCOVER      PROBE: never fragmented on the way, and the kernel's guess at the path's MTU makes no send
//                        fail: probing is ours, and a forged ICMP message must not stop a path
//      RCVBUF            what comes while we do not run: 64 MiB are 50 ms of 10 Gbit/s
//      RECVTOS, TCLASS   ECN marks of the path
//      PKTINFO           which of our addresses the peer asked, so that the answer comes from there
//
//  It is not connected: a hub serves a thousand peers with one socket, and a peer that roams keeps its socket.
//
//  Rejected.  SO_REUSEPORT (a second gateway by mistake would take half of the datagrams in silence); IP_RECVERR
//  (errors that anybody can forge, to be drained for each send).
//
//  Not here.  Sending and receiving (Ring), when and what (Engine), names (Resolution.swift).

import Glibc
public import Primitives

public struct UDPSocket: ~Copyable {
  public let descriptor: Int32
  /// What it is bound to: the one asked for, or the one that the kernel chose for 0.
  public let port: UInt16
  /// IPv6 beside IPv4.
  public let takesIPv6: Bool
  /// What the kernel really gave; less than asked without CAP_NET_ADMIN.
  public let receiveBuffer: ByteCount
  public let sendBuffer: ByteCount
  /// A sentence for the log for each thing that is not as it should be.
  public let limitations: [String]

  /// 50 ms of 10 Gbit/s: more than the scheduler keeps anybody waiting. Memory is used only while datagrams wait.
  public static let wantedReceiveBuffer = ByteCount(64 << 20)
  /// A few dozen full batches. The path's own queue decides what is sent; this must only never be empty in between.
  public static let wantedSendBuffer = ByteCount(8 << 20)

  private init(
    _ descriptor: Int32, port: UInt16, takesIPv6: Bool, buffers: (receive: ByteCount, send: ByteCount),
    limitations: [String]
  ) {
    self.descriptor = descriptor
    self.port = port
    self.takesIPv6 = takesIPv6
    receiveBuffer = buffers.receive
    sendBuffer = buffers.send
    self.limitations = limitations
  }

  deinit { close(descriptor) }

  /// A socket on this interface (nil: on all) and port (0: any that is free), in the namespace of the calling thread. A
  /// port that nobody holds any more is waited for.
  public static func open(
    interface: String? = nil, port: UInt16 = 0, receiveBuffer: ByteCount = wantedReceiveBuffer,
    sendBuffer: ByteCount = wantedSendBuffer, patience: Interval = .seconds(2)
  ) throws(UnderlayFailure) -> UDPSocket {
    try open(
      interface: interface, port: port, receiveBuffer: receiveBuffer, sendBuffer: sendBuffer, patience: patience,
      mayUseIPv6: true)
  }

  static func open(
    interface: String?, port: UInt16, receiveBuffer: ByteCount, sendBuffer: ByteCount,
    patience: Interval = .seconds(2), mayUseIPv6: Bool
  ) throws(UnderlayFailure) -> UDPSocket {
    var options = try SocketOptions.make(mayUseIPv6: mayUseIPv6)
    do throws(UnderlayFailure) {
      try options.set(interface: interface)
      try options.setCommon()
      let receive = options.setBuffer(SO_RCVBUFFORCE, SO_RCVBUF, to: receiveBuffer)
      let send = options.setBuffer(SO_SNDBUFFORCE, SO_SNDBUF, to: sendBuffer)
      if receive < receiveBuffer {
        options.limitations.append(
          "sockets hold \(receive.value) bytes where \(receiveBuffer.value) are wanted, and may lose what comes in "
            + "bursts: needs CAP_NET_ADMIN, or `sysctl -w net.core.rmem_max=\(receiveBuffer.value)`")
      }
      let bound = try options.bind(port: port, patience: patience)
      return UDPSocket(
        options.descriptor, port: bound, takesIPv6: options.isIPv6, buffers: (receive, send),
        limitations: options.limitations)
    } catch {
      close(options.descriptor)
      throw error
    }
  }

  /// How many datagrams the kernel had no room for, since the socket was made.
  public var dropped: UInt32 {
    // SO_MEMINFO's ninth number.
    var numbers = [UInt32](repeating: 0, count: 9)
    var length = socklen_t(numbers.count * MemoryLayout<UInt32>.size)
    return getsockopt(descriptor, SOL_SOCKET, 55, &numbers, &length) == 0 ? numbers[8] : 0
  }

  /// Limits what the kernel takes before the interface has sent it; returns what it made of it.
  @discardableResult public func limitSendBuffer(to wanted: ByteCount) -> ByteCount {
    SocketOptions(descriptor: descriptor, isIPv6: takesIPv6).setBuffer(SO_SNDBUFFORCE, SO_SNDBUF, to: wanted)
  }

  /// Whether this machine has the address: the kernel lets a socket have it.
  public static func isOurs(_ address: IPAddress) -> Bool {
    let family = address.family == .ipv4 ? AF_INET : AF_INET6
    let probe = socket(family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if probe < 0 { return false }
    defer { close(probe) }
    return withUnsafeTemporaryAllocation(byteCount: MemoryLayout<sockaddr_in6>.size, alignment: 8) { room in
      guard let start = room.baseAddress else { return false }
      room.initializeMemory(as: UInt8.self, repeating: 0)
      let length = SocketAddress.write(Endpoint(address, port: 0), to: start)
      let pointer = start.assumingMemoryBound(to: sockaddr.self)
      return bind(probe, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), socklen_t(length)) == 0
    }
  }
}
