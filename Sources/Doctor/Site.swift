//  Site.swift — what is known of a site before anything is looked at: by its file, by the gateway that runs, or by
//  both.

public import Primitives
public import Sealing

public struct Site: Sendable {
  public struct Path: Equatable, Sendable {
    public var name: String
    public var interface: String
    /// The address that it must have; nil: any.
    public var bind: IPAddress?
    /// nil: nobody knows it, or the kernel chooses.
    public var port: UInt16?

    public init(name: String, interface: String, bind: IPAddress? = nil, port: UInt16? = nil) {
      self.name = name
      self.interface = interface
      self.bind = bind
      self.port = port
    }
  }

  public struct Peer: Sendable {
    public var name: String
    public var publicKey: PublicKey
    public var presharedKey: KeptSecret?
    /// Where it can be reached; empty: it comes to us.
    public var endpoints: [Endpoint]
    /// What has no address now.
    public var unresolved: [String]

    public init(
      name: String, publicKey: PublicKey, presharedKey: KeptSecret? = nil, endpoints: [Endpoint] = [],
      unresolved: [String] = []
    ) {
      self.name = name
      self.publicKey = publicKey
      self.presharedKey = presharedKey
      self.endpoints = endpoints
      self.unresolved = unresolved
    }
  }

  /// The virtual one.
  public var interface: String
  public var paths: [Path] = []
  public var peers: [Peer] = []
  /// To ask peers as the gateway would; nil: the file is not known, or not to be read.
  public var privateKey: KeptSecret?
  /// The configuration, what is dropped in beside it, and the files with secrets that they name.
  public var files: [String] = []
  /// Where a gateway makes its control socket.
  public var socket: String?
  public var running: RunningGateway?

  public init(interface: String) { self.interface = interface }

  /// As a running gateway tells it: without ports and keys.
  public init(_ running: RunningGateway) {
    interface = running.interface
    self.running = running
    for way in running.ways where !paths.contains(where: { $0.name == way.path }) {
      paths.append(Path(name: way.path, interface: way.interface))
    }
    peers = running.peers.map { Peer(name: $0.name, publicKey: $0.publicKey) }
  }

  /// Addresses of the other sides.
  var remotes: [IPAddress] {
    var found: [IPAddress] = []
    let told = peers.flatMap(\.endpoints).map(\.address) + (running?.ways ?? []).compactMap { $0.remote?.address }
    for address in told where !found.contains(address) { found.append(address) }
    return found
  }

  /// Somebody comes to us without being asked.
  var isCalled: Bool { peers.contains { $0.endpoints.isEmpty && $0.unresolved.isEmpty } }
}
