//  NetworkWatch.swift — hears that something about interfaces, addresses or routes has changed; not what.
//
//  Why.  Events can be lost: the kernel drops them when nobody reads fast enough, and says so only once. So an event is
//  only a reason to look again at everything, and a lost one is, too.

internal import CLinux
internal import CMnl
import Glibc

public struct NetworkWatch: ~Copyable {
  private let socket: OpaquePointer

  /// Of the calling thread's namespace.
  public static func open() throws(NetlinkError) -> NetworkWatch {
    let fd = Glibc.socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_ROUTE)
    guard fd >= 0 else { throw NetlinkError(operation: "open a netlink socket", errno: errno) }
    let groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
    guard let socket = mnl_socket_fdopen(fd), mnl_socket_bind(socket, UInt32(groups), MNL_SOCKET_AUTOPID) == 0 else {
      let error = errno
      close(fd)
      throw NetlinkError(operation: "listen to changes of the network", errno: error)
    }
    return NetworkWatch(socket: socket)
  }

  private init(socket: OpaquePointer) { self.socket = socket }

  deinit { mnl_socket_close(socket) }

  /// Becomes readable with an event.
  public var descriptor: Int32 { mnl_socket_get_fd(socket) }

  /// Takes all events that are there.
  public func drain() {
    withUnsafeTemporaryAllocation(byteCount: 1 << 15, alignment: 16) { room in
      while recv(descriptor, room.baseAddress, room.count, Int32(MSG_DONTWAIT)) > 0 || errno == ENOBUFS {}
    }
  }
}
