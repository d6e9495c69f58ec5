//  VNIC.swift — a network interface whose other side is a program: TUN (IP packets) or TAP (Ethernet frames).
//
//  What the kernel sends out of the interface, a read returns, one packet each; what a write brings, the kernel
//  receives. Every packet has an OffloadHeader in front: with it, checksums may stay unfinished and super-packets
//  whole, as on a real adapter, and that is where nearly all speed comes from (10 times, measured against one plain
//  packet a read).
//
//  An interface that may take unfinished checksums (`.checksum`) is also what lets a program above it send many
//  datagrams with one call (UDP_SEGMENT) at full speed; where it may not, older kernels answer such a call with EIO.
//
//  Several queues are several descriptors: the kernel spreads flows over them, and each may have a thread of its own.
//
//  The interface goes when the last descriptor is closed. It lives in the network namespace of the thread that opens
//  it.
//
//  Not here.  Addresses, MTU, up and down (Netlink); reading and writing (Ring).

import CLinux
import Glibc

public struct VNIC: ~Copyable {
  public enum Kind: Sendable {
    /// IP packets.
    case tun
    /// Ethernet frames.
    case tap
  }

  /// What we can take from the kernel in one read.
  public struct Offloads: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Packets whose checksum is not finished.
    public static let checksum = Offloads(rawValue: hawser_tun_checksum)
    /// TCP super-packets. Needs `checksum`, as the others do.
    public static let tcpSegments: Offloads = [
      Offloads(rawValue: hawser_tun_tso4), Offloads(rawValue: hawser_tun_tso6), Offloads(rawValue: hawser_tun_tso_ecn),
    ]
    /// UDP super-packets.
    public static let udpSegments: Offloads = [
      Offloads(rawValue: hawser_tun_uso4), Offloads(rawValue: hawser_tun_uso6),
    ]
  }

  public let name: String
  /// One for each queue.
  public let descriptors: [Int32]
  /// What it takes: all that was asked for, and of what was wished for all or nothing.
  public let offloads: Offloads

  /// Of the first queue.
  public var descriptor: Int32 { descriptors[0] }

  private init(name: String, _ attached: Attached) {
    self.name = name
    descriptors = attached.descriptors
    offloads = attached.offloads
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// Makes the interface, in this network namespace or in that of the calling thread. An older kernel may refuse
  /// `ifPossible`, and gets `offloads` alone then.
  public static func open(
    _ name: String, kind: Kind, offloads: Offloads, ifPossible wished: Offloads = [], queues: Int = 1,
    in namespace: Int32? = nil
  ) throws(OpenFailure) -> VNIC {
    precondition((1...mostQueues).contains(queues), "an interface has 1 … 256 queues")
    guard isValid(name) else { throw OpenFailure(name, .name, errno: EINVAL) }
    let order = Order(name: name, kind: kind, offloads: offloads, wished: wished, queues: queues)
    guard let namespace else { return VNIC(name: name, try attach(order)) }
    var result = Result<Attached, OpenFailure>.failure(OpenFailure(name, .enterNamespace, errno: EINVAL))
    let entered = onThread(in: namespace) {
      do throws(OpenFailure) {
        result = .success(try attach(order))
      } catch {
        result = .failure(error)
      }
    }
    guard entered == 0 else { throw OpenFailure(name, .enterNamespace, errno: entered) }
    return VNIC(name: name, try result.get())
  }

  /// An interface that exists already, by a descriptor of its only queue: ours from now on, and closed when it is none
  /// that we could have made under this name.
  public static func adopt(
    _ descriptor: Int32, as name: String, kind: Kind, offloads: Offloads, ifPossible wished: Offloads = []
  ) -> VNIC? {
    var bytes = [CChar](repeating: 0, count: longestName + 1)
    var layer: Int32 = 0
    let isOne = hawser_tun_describe(descriptor, &bytes, &layer) == 0
    let own = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard isOne, own == name, layer == (kind == .tap ? hawser_tun_layer2 : hawser_tun_layer3) else {
      close(descriptor)
      return nil
    }
    for taken in [offloads.union(wished), offloads] where hawser_tun_set_offloads(descriptor, taken.rawValue) == 0 {
      return VNIC(name: name, Attached(descriptors: [descriptor], offloads: taken))
    }
    close(descriptor)
    return nil
  }

  /// The kernel's own limit.
  private static let mostQueues = 256

  private struct Order {
    var name: String
    var kind: Kind
    var offloads: Offloads
    var wished: Offloads
    var queues: Int
  }

  private struct Attached {
    var descriptors: [Int32] = []
    var offloads: Offloads
  }

  private static func attach(_ order: Order) throws(OpenFailure) -> Attached {
    // The first of several queues would join an interface that another program holds, and share its packets.
    if order.queues > 1 && if_nametoindex(order.name) != 0 { throw OpenFailure(order.name, .attach, errno: EBUSY) }
    var attached = Attached(offloads: order.offloads.union(order.wished))
    do throws(OpenFailure) {
      for _ in 0..<order.queues {
        attached.descriptors.append(try attachQueue(order.name, order.kind, isOneOfMany: order.queues > 1))
      }
      // They are the interface's, whichever queue they are set through.
      var refusal = hawser_tun_set_offloads(attached.descriptors[0], attached.offloads.rawValue)
      if refusal == -EINVAL && attached.offloads != order.offloads {
        attached.offloads = order.offloads
        refusal = hawser_tun_set_offloads(attached.descriptors[0], order.offloads.rawValue)
      }
      if refusal != 0 { throw OpenFailure(order.name, .setOffloads, errno: -refusal) }
    } catch {
      for descriptor in attached.descriptors { close(descriptor) }
      throw error
    }
    return attached
  }

  private static func attachQueue(_ name: String, _ kind: Kind, isOneOfMany: Bool) throws(OpenFailure) -> Int32 {
    let descriptor = Glibc.open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw OpenFailure(name, .openDevice, errno: errno) }
    let attached = hawser_tun_attach(
      descriptor, name, kind == .tap ? hawser_tun_layer2 : hawser_tun_layer3, isOneOfMany ? 1 : 0)
    guard attached == 0 else {
      close(descriptor)
      throw OpenFailure(name, .attach, errno: -attached)
    }
    return descriptor
  }

  /// 0 after `body` ran, or an errno before it could.
  private static func onThread(in namespace: Int32, _ body: () -> Void) -> Int32 {
    withoutActuallyEscaping(body) { body in
      var body = body
      return withUnsafeMutablePointer(to: &body) {
        hawser_run_in_namespace(namespace, { $0?.assumingMemoryBound(to: (() -> Void).self).pointee() }, $0)
      }
    }
  }

  private static let longestName = 15

  /// What Linux takes for a name and what we let through: `%` would make the kernel choose a number.
  private static func isValid(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard (1...longestName).contains(bytes.count), name != ".", name != ".." else { return false }
    return bytes.allSatisfy { $0 > 32 && $0 < 127 && !"/:%".utf8.contains($0) }
  }
}
