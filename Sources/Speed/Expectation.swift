//  Expectation.swift — from what the pieces cost to the rate that one may expect.
//
//  A gateway is one core, so a bulk TCP one way is as fast as the slower of the two gateways, and each of them works
//  one piece after the other:
//
//      sends     read of the virtual interface │ engine and cipher │ batch to the kernel
//      receives  batch from the kernel │ engine and cipher │ write to the virtual interface
//
//  64 KiB divided by the sum is what the pieces allow. A gateway at work does more than its pieces: acknowledgements
//  come back, the kernel runs the hosts' TCP while it takes what was written, batches are not all full, and nothing is
//  as warm as in a loop. What is left of the pieces' rate was measured on real gateways, with its error:
//  docs/benchmarks/expectation.md.

public struct Expectation: Equatable, Sendable {
  public enum Side: String, Sendable { case sending, receiving }

  public struct Piece: Equatable, Sendable {
    public var name: String
    public var nanoseconds: Double
  }

  public let paths: Int
  /// Of the slower gateway.
  public let side: Side
  public let bitsPerSecond: Double
  /// What the pieces alone would allow.
  public let mostBitsPerSecond: Double
  /// What takes it most, and which part of its time, 0 ... 1.
  public let bottleneck: String
  public let share: Double

  /// Two real gateways sent 9.0 Gbit/s a core over one path and 12.4 over three where the pieces allowed 23.5 and 25.0:
  /// 0.38 and 0.50.
  static let part = 0.45

  /// `tunnel` is nil where it could not be measured: then the rate is too high by what it costs.
  public init(_ engine: EngineCost, network: TransferCost, tunnel: TransferCost?) {
    paths = engine.paths
    let sending = [
      tunnel.map { Piece(name: "reading the virtual interface", nanoseconds: $0.into) },
      Piece(name: "the engine and its cipher", nanoseconds: engine.sending),
      Piece(name: "the kernel's sending", nanoseconds: network.out),
    ].compactMap { $0 }
    let receiving = [
      Piece(name: "the kernel's receiving", nanoseconds: network.into),
      Piece(name: "the engine and its cipher", nanoseconds: engine.receiving),
      tunnel.map { Piece(name: "writing to the virtual interface", nanoseconds: $0.out) },
    ].compactMap { $0 }
    let sums = (Expectation.sum(sending), Expectation.sum(receiving))
    side = sums.0 >= sums.1 ? .sending : .receiving
    let slower = side == .sending ? sending : receiving
    let sum = max(sums.0, sums.1)
    mostBitsPerSecond = 65_536 * 8 / sum * 1e9
    bitsPerSecond = mostBitsPerSecond * Expectation.part
    let most = slower.max { $0.nanoseconds < $1.nanoseconds }
    bottleneck = most?.name ?? ""
    share = (most?.nanoseconds ?? 0) / sum
  }

  private static func sum(_ pieces: [Piece]) -> Double { pieces.reduce(0) { $0 + $1.nanoseconds } }
}
