//  InterfaceDrops.swift — how many frames the wire's interfaces dropped because nobody read them in time.
//
//  A TAP has a queue of its own, in the kernel, and what does not fit is gone before we could count it. The kernel
//  counts it for the interface; a netlink socket asks in the namespace that it was made in, wherever we are.

import Netlink

struct InterfaceDrops: ~Copyable {
  private let sockets: UnsafeMutablePointer<NetlinkSocket>
  private let capacity: Int
  /// For each socket, whose drops count.
  private var interfaces: [Set<String>] = []
  private var before: UInt64 = 0

  /// Room for the interfaces of so many namespaces.
  init(namespaces: Int) {
    sockets = .allocate(capacity: namespaces)
    capacity = namespaces
  }

  deinit {
    sockets.deinitialize(count: interfaces.count)
    sockets.deallocate()
  }

  /// Adds interfaces of a namespace.
  mutating func add(_ names: [String], in namespace: Int32) throws(NetlinkError) {
    precondition(interfaces.count < capacity, "more namespaces than there is room for")
    (sockets + interfaces.count).initialize(to: try NetlinkSocket.open(in: namespace))
    interfaces.append(Set(names))
  }

  /// Since the last `reset`. An interface that is gone takes its count along.
  mutating func total() throws(NetlinkError) -> UInt64 {
    let all = try sinceEver()
    return all - min(before, all)
  }

  mutating func reset() throws(NetlinkError) { before = try sinceEver() }

  private mutating func sinceEver() throws(NetlinkError) -> UInt64 {
    var sum: UInt64 = 0
    for (number, names) in interfaces.enumerated() {
      for link in try sockets[number].links() where names.contains(link.name) { sum += link.sent.dropped }
    }
    return sum
  }
}
