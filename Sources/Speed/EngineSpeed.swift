//  EngineSpeed.swift — what two gateways cost between their descriptors: analysis, striping, sealing, opening, order.
//
//  Two engines joined by memory, with the cipher that gateways use here; each side's part is timed apart.

import Crypto

/// In nanoseconds.
public struct EngineCost: Equatable, Sendable {
  public var paths: Int
  /// For 64 KiB of a bulk TCP's super-packets.
  public var sending: Double
  public var receiving: Double
  /// For a packet of `small` bytes.
  public var smallSending: Double
  public var smallReceiving: Double

  public static let small = 200

  public init(paths: Int, sending: Double, receiving: Double, smallSending: Double, smallReceiving: Double) {
    self.paths = paths
    self.sending = sending
    self.receiving = receiving
    self.smallSending = smallSending
    self.smallReceiving = smallReceiving
  }

  static func measure(paths: Int, _ cryptography: LibraryCryptography, within budget: Int) -> EngineCost {
    let stream = UserPackets.stream(65_000)
    let bulk = sides(paths, stream, packets: paths, cryptography, within: budget / 2)
    let share = 65_536 / Double(65_000)
    let packet = UserPackets.datagram(small - 28, port: 4_000)
    let calls = sides(paths, packet, packets: 128, cryptography, within: budget / 2)
    return EngineCost(
      paths: paths, sending: bulk.sending * share, receiving: bulk.receiving * share, smallSending: calls.sending,
      smallReceiving: calls.receiving)
  }

  /// Rounds before anything counts: until then paths find out what they carry.
  private static let warmUp = 1_500

  private struct Sides {
    var sending = Double.infinity
    var receiving = Double.infinity
    /// On a slow machine nothing else may come.
    var isUnknown: Bool { sending == .infinity }
  }

  /// Of one packet.
  private static func sides(
    _ paths: Int, _ packet: [UInt8], packets: Int, _ cryptography: LibraryCryptography, within budget: Int
  ) -> Sides {
    var pair = EnginePair(paths: paths, cryptography)
    pair.fill(with: [packet])
    for _ in 0..<warmUp { pair.round(packets: packets, length: packet.count) }
    pair.isTimed = true
    var least = Sides()
    _ = Stopwatch.best(within: budget) { count in
      let (start, before, came) = (Stopwatch.now, pair.receiving, pair.delivered)
      for _ in 0..<count { pair.round(packets: packets, length: packet.count) }
      let whole = Stopwatch.now - start
      let receiving = pair.receiving - before
      let delivered = Double(max(1, pair.delivered - came))
      if count > 8 || least.isUnknown {
        least.sending = min(least.sending, Double(whole - receiving) / delivered)
        least.receiving = min(least.receiving, Double(receiving) / delivered)
      }
      return whole
    }
    return least
  }
}
