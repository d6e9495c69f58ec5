//  BenchOptions.swift — what to measure, and against what.

public struct BenchOptions: Equatable, Sendable {
  /// Up is from the first gateway of the file to the second, so `rate 20mbit/80mbit` of a link that names the first
  /// gateway first has 20 up and 80 down. Both is both at once, and a goodput is then the sum of the two.
  public enum Direction: String, CaseIterable, Sendable { case up, down, both }

  /// A sender's congestion control. This kernel's default may be another, so it is always set and always named.
  public enum CongestionControl: String, CaseIterable, Sendable { case cubic, bbr }

  public var flows = 1
  /// How long each measurement counts, after its warm-up.
  public var seconds = 10
  public var direction = Direction.up
  public var congestionControl = CongestionControl.cubic
  public var against: Peer?

  /// iperf3 takes no more than 128 streams.
  public static let flowsAllowed = 1...128
  /// A day. Less than a second has too few samples to say anything.
  public static let secondsAllowed = 1...86_400

  public init() {}

  /// What joins the sites, as tables and charts call it.
  var bondName: String { against?.rawValue ?? "hawser" }

  /// "4 TCP flows, cubic · down".
  var inWords: String {
    let flows = flows == 1 ? "1 TCP flow" : "\(flows) TCP flows"
    return
      "\(flows), \(congestionControl.rawValue) · \(direction == .both ? "both directions at once" : direction.rawValue)"
  }
}

/// What else could join the two sites: from Debian's packages, from the kernel, or our own yardstick.
public enum Peer: String, CaseIterable, Sendable {
  case mptcp
  case wireguardGo = "wireguard-go"
  case openvpn
  case direct
  /// The least that a tunnel of our shape can cost, and the same without sealing.
  case floor
  case floorBare = "floor-bare"
}
