//  KernelSpeed.swift — what the kernel's half costs: batches of datagrams through the loopback, and super-packets
//  through a virtual interface.
//
//  The loopback is not a network card: the call that sends also carries the batch to the receiving socket, which on a
//  card another interrupt does. So what it costs to send is an upper bound, and what it costs to receive a lower one.
//
//  The virtual interface is made in a network namespace of its own, which is gone with it. UDP super-packets go through
//  it, to a socket and from one: what a TCP costs above that is the hosts' and not the gateway's.

import CLinux
import Glibc
import Netlink
import POSIX
import Primitives
import Underlay
import VNIC

/// In nanoseconds for 64 KiB.
public struct TransferCost: Equatable, Sendable {
  public var out: Double
  public var into: Double

  public init(out: Double, into: Double) {
    self.out = out
    self.into = into
  }

  /// Before the first round.
  static let unknown = TransferCost(out: .infinity, into: .infinity)
  var isUnknown: Bool { out == .infinity }
}

/// Why something could not be measured.
public struct Unmeasured: Error, Equatable, Sendable {
  public let reason: String
}

enum KernelSpeed {
  /// Datagrams of a batch, and what each carries: as a gateway sends over a path of 1,500 bytes.
  private static let datagrams = 44
  private static let text = 1_472
  private static var batch: Int { datagrams * text }
  private static let share = 65_536 / Double(batch)

  /// linux/udp.h
  private static let udpLevel: Int32 = 17
  private static let udpSegment: Int32 = 103

  static func datagrams(within budget: Int) throws(Unmeasured) -> TransferCost {
    let receiver = try opened { () throws(UnderlayFailure) in try UDPSocket.open(interface: "lo") }
    let remote = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: receiver.port)
    let sender = try opened { () throws(UnderlayFailure) in try ProbeSocket(interface: "lo", local: nil, to: remote) }
    try cut(sender.descriptor, into: text)
    guard let cost = exchange(within: budget, from: sender.descriptor, to: receiver.descriptor) else {
      throw Unmeasured(reason: "no batch of datagrams comes through the loopback; hawser doctor says more")
    }
    return cost
  }

  private static func opened<Opened: ~Copyable>(
    _ open: () throws(UnderlayFailure) -> Opened
  ) throws(Unmeasured) -> Opened {
    do throws(UnderlayFailure) { return try open() } catch { throw Unmeasured(reason: "\(error)") }
  }

  private static func cut(_ socket: Int32, into pieces: Int) throws(Unmeasured) {
    var size = Int32(pieces)
    if setsockopt(socket, udpLevel, udpSegment, &size, 4) != 0 {
      throw Unmeasured(reason: "the kernel cuts no batches: \(String(cString: strerror(errno)))")
    }
  }

  private static func exchange(within budget: Int, from sender: Int32, to receiver: Int32) -> TransferCost? {
    let room = UnsafeMutableRawPointer.allocate(byteCount: 1 << 22, alignment: 4_096)
    defer { room.deallocate() }
    room.initializeMemory(as: UInt8.self, repeating: 3, count: 1 << 22)
    var least = TransferCost.unknown
    var place = 0
    var isBroken = false
    _ = Stopwatch.best(within: budget) { count in
      var cost = (out: 0, into: 0)
      var received = 0
      for _ in 0..<count {
        let start = Stopwatch.now
        if send(sender, room + place, batch, 0) != batch { isBroken = true }
        let sent = Stopwatch.now
        while true {
          let got = recv(receiver, room + (1 << 21) + place, 1 << 16, Int32(MSG_DONTWAIT))
          if got <= 0 { break }
          received += got
        }
        cost.into += Stopwatch.now - sent
        cost.out += sent - start
        place = (place + (1 << 16)) % (1 << 21)
      }
      if received == 0 { isBroken = true }
      if count > 8 || least.isUnknown {
        least.out = min(least.out, Double(cost.out) / Double(count) * share)
        least.into = min(least.into, Double(cost.into) / Double(count) * share)
      }
      return cost.out + cost.into
    }
    return isBroken ? nil : least
  }

  // MARK: The virtual interface

  static func tunnel(within budget: Int) throws(Unmeasured) -> TransferCost {
    var work = TunnelWork(budget: budget)
    let error = withUnsafeMutablePointer(to: &work) {
      hawser_run_in_namespace(
        hawser_new_namespace, { $0?.assumingMemoryBound(to: TunnelWork.self).pointee.run() }, $0)
    }
    if error != 0 { throw Unmeasured(reason: "it needs root: a network namespace of its own") }
    return try work.result.get()
  }

  fileprivate struct TunnelWork {
    let budget: Int
    var result: Result<TransferCost, Unmeasured> = .failure(Unmeasured(reason: "nothing was tried"))

    mutating func run() {
      do throws(Unmeasured) {
        result = .success(try KernelSpeed.tunnelHere(within: budget))
      } catch {
        result = .failure(error)
      }
    }
  }

  /// In the namespace of the calling thread. Packets are as `UserPackets.datagrams` makes them: from the first user to
  /// the second, port 4,000.
  private static func tunnelHere(within budget: Int) throws(Unmeasured) -> TransferCost {
    let settings = VirtualInterface.Settings(
      name: "speed0", addresses: [IPPrefix(EnginePair.users.second, length: 24)], mtu: 1_500)
    let interface: VirtualInterface
    do throws(InterfaceFailure) { interface = try VirtualInterface.bringUp(settings) } catch {
      throw Unmeasured(reason: "\(error)")
    }
    let host = try opened { () throws(UnderlayFailure) in try UDPSocket.open(port: 4_000) }
    let remote = Endpoint(EnginePair.users.first, port: 4_000)
    let leaving = try opened { () throws(UnderlayFailure) in
      try ProbeSocket(interface: "speed0", local: nil, to: remote)
    }
    try cut(leaving.descriptor, into: datagramLength)
    return try through(interface.descriptors[0], to: host.descriptor, from: leaving.descriptor, within: budget)
  }

  private static let datagramLength = 1_400
  private static let packetBytes = 40 * datagramLength

  private static func through(
    _ tunnel: Int32, to host: Int32, from leaving: Int32, within budget: Int
  ) throws(Unmeasured) -> TransferCost {
    let packet = UserPackets.datagrams(40, of: datagramLength)
    let share = 65_536 / Double(packetBytes)
    var room = [UInt8](repeating: 0, count: 1 << 17)
    var least = TransferCost.unknown
    var failure: String?
    _ = Stopwatch.best(within: budget) { count in
      var cost = (read: 0, write: 0)
      var (written, read) = (0, 0)
      for _ in 0..<count {
        let start = Stopwatch.now
        if write(tunnel, packet, packet.count) == packet.count { written += 1 }
        cost.write += Stopwatch.now - start
        while recv(host, &room, room.count, Int32(MSG_DONTWAIT)) > 0 {}
        _ = send(leaving, room, packetBytes, 0)
        let sent = Stopwatch.now
        while true {
          let got = Glibc.read(tunnel, &room, room.count)
          if got <= 0 { break }
          read += got
        }
        cost.read += Stopwatch.now - sent
      }
      if written == 0 || read < count * packetBytes { failure = "\(written) packets went in, and \(read) bytes out" }
      if count > 8 || least.isUnknown {
        least.out = min(least.out, Double(cost.write) / Double(count) * share)
        least.into = min(least.into, Double(cost.read) / Double(count) * share)
      }
      return cost.read + cost.write
    }
    if let failure { throw Unmeasured(reason: "packets do not pass it: \(failure)") }
    return least
  }
}
