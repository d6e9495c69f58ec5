import CLinux
import Glibc
import Netlink
import Primitives
import Testing

/// Two namespaces, one cable between them: `left` has 10.0.0.1 and fd00::1, `right` 10.0.0.2, 10.0.0.3 and fd00::2.
final class Cable {
  let left: Int32
  let right: Int32

  init(mtu: UInt32 = 1_500) throws {
    left = try makeNamespace()
    right = try makeNamespace()
    var one = try NetlinkSocket.open(in: left)
    var other = try NetlinkSocket.open(in: right)
    try one.perform(
      .createVeth(VethEnd(name: "left", in: left, mtu: mtu), VethEnd(name: "right", in: right, mtu: mtu)))
    try Cable.configure(&one, "left", ["10.0.0.1/24", "fd00::1/64"])
    try Cable.configure(&other, "right", ["10.0.0.2/24", "10.0.0.3/24", "fd00::2/64"])
    try Cable.waitUntilUp(&one, "left")
    try Cable.waitUntilUp(&other, "right")
  }

  deinit {
    close(left)
    close(right)
  }

  private static func configure(_ socket: inout NetlinkSocket, _ name: String, _ addresses: [String]) throws {
    let found = try socket.link(named: name)
    let index = try #require(found).index
    try socket.perform(.configure(index, LinkSettings(isUp: true)))
    for address in addresses {
      try socket.perform(.addAddress(InterfaceAddress(try #require(IPPrefix(address)), on: index)))
    }
  }

  private static func waitUntilUp(_ socket: inout NetlinkSocket, _ name: String) throws {
    for _ in 0..<5_000 where try socket.link(named: name)?.canSend != true { poll(nil, 0, 1) }
    let state = try socket.link(named: name)
    try #require(state?.canSend == true)
  }
}

func makeNamespace() throws -> Int32 {
  var descriptor: Int32 = -1
  let error = withUnsafeMutablePointer(to: &descriptor) {
    hawser_run_in_namespace(
      hawser_new_namespace,
      { raw in
        raw?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
      }, $0)
  }
  try #require(error == 0 && descriptor >= 0)
  return descriptor
}

/// Calls `body` on a thread inside the namespace.
func inside(_ namespace: Int32, _ body: () -> Void) throws {
  let error = withoutActuallyEscaping(body) { body in
    var body = body
    return withUnsafeMutablePointer(to: &body) {
      hawser_run_in_namespace(namespace, { $0?.assumingMemoryBound(to: (() -> Void).self).pointee() }, $0)
    }
  }
  try #require(error == 0)
}
