//  RunningGateway.swift — what a running gateway says of itself that a doctor wants to know, from `/v1/status`.

public import JSON
public import Primitives
public import Sealing

public struct RunningGateway: Equatable, Sendable {
  public struct Peer: Equatable, Sendable {
    public var name: String
    public var publicKey: PublicKey
  }

  /// A path to a peer.
  public struct Way: Equatable, Sendable {
    public var peer: String
    public var path: String
    public var interface: String
    /// The relay that forwards for it.
    public var via: String?
    public var remote: Endpoint?
    /// Where the next one on the way hears us.
    public var seenAs: Endpoint?
    /// The word that tables have, and why.
    public var state: String
    public var reason = ""
    /// It answers.
    public var isUp: Bool
    public var roundTripMilliseconds: Double?
    /// The largest IP packet that is sent on it, and how sure that is.
    public var mtu: Int
    public var search = "complete"
    /// Whether the kernel cuts our batches.
    public var hasOffload = true

    /// `fibre`, or `fibre via r1`.
    var title: String { via.map { "\(path) via \($0)" } ?? path }
  }

  public var interface: String
  public var publicKey: PublicKey
  public var peers: [Peer] = []
  public var ways: [Way] = []

  public init(interface: String, publicKey: PublicKey) {
    self.interface = interface
    self.publicKey = publicKey
  }

  /// nil: no gateway says so.
  public init?(_ status: JSONValue) {
    guard let interface = status["interface"]?.string,
      let key = status["public_key"]?.string.flatMap({ PublicKey($0) })
    else { return nil }
    self.init(interface: interface, publicKey: key)
    for peer in status["peers"]?.array ?? [] {
      guard let name = peer["name"]?.string, let key = peer["public_key"]?.string.flatMap({ PublicKey($0) }) else {
        continue
      }
      peers.append(Peer(name: name, publicKey: key))
      for path in peer["paths"]?.array ?? [] {
        if let way = Way(path, of: name) { ways.append(way) }
      }
    }
  }
}

extension RunningGateway.Way {
  fileprivate init?(_ path: JSONValue, of peer: String) {
    guard let name = path["name"]?.string, let interface = path["interface"]?.string,
      let mtu = path["mtu_bytes"]?.integer
    else { return nil }
    self.init(
      peer: peer, path: name, interface: interface, via: path["via"]?.string,
      remote: path["remote"]?.string.flatMap { Endpoint($0) }, seenAs: path["seen_as"]?.string.flatMap { Endpoint($0) },
      state: path["state"]?.string ?? "", reason: path["state_reason"]?.string ?? "",
      isUp: path["liveness"]?.string == "up", roundTripMilliseconds: path["rtt_ms"]?.number, mtu: Int(clamping: mtu),
      search: path["mtu_search"]?.string ?? "", hasOffload: path["offload"]?.bool ?? true)
  }
}
