//  OpenFailure.swift — why there is no virtual network interface, and what would help.

import Glibc

public struct OpenFailure: Error, Equatable, CustomStringConvertible {
  public enum Operation: String, Equatable, Sendable {
    case enterNamespace = "enter the network namespace"
    case openDevice = "open /dev/net/tun"
    case attach = "make the interface"
    case setOffloads = "set its offloads"
    case name = "take the name"
  }

  public let interface: String
  public let operation: Operation
  public let errno: Int32

  init(_ interface: String, _ operation: Operation, errno: Int32) {
    self.interface = interface
    self.operation = operation
    self.errno = errno
  }

  public var description: String {
    let what = "interface \(interface): cannot \(operation.rawValue): \(String(cString: strerror(errno)))"
    return remedy.map { "\(what); \($0)" } ?? what
  }

  /// What would help, when we know it.
  public var remedy: String? {
    switch (operation, errno) {
    case (.openDevice, ENOENT), (.openDevice, ENODEV), (.openDevice, ENXIO):
      "load the kernel's module: `modprobe tun`"
    case (.openDevice, EACCES), (.openDevice, EPERM):
      "needs root, or read and write permission for /dev/net/tun"
    case (.openDevice, EMFILE), (.openDevice, ENFILE): "raise `ulimit -n`"
    case (.attach, EPERM): "needs CAP_NET_ADMIN; as root, or try `unshare -Urn`"
    case (.attach, EBUSY): "another program holds it, or it is no TUN or TAP interface"
    case (.attach, EINVAL): "an interface of this name and another kind exists"
    case (.setOffloads, EINVAL): "this kernel knows fewer offloads; USO came with Linux 6.2"
    case (.name, _): "a name has 1 … 15 bytes, without `/`, `:` and spaces"
    default: nil
    }
  }
}
