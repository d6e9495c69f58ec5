//  GatewayConfiguration.swift — what the operator wants of a gateway, as plain values that have been checked.

public import Primitives
public import Sealing

public struct GatewayConfiguration: Equatable, Sendable {
  public var privateKey: KeySource
  /// The addresses of the virtual interface, each with the length of its network.
  public var addresses: [IPPrefix] = []
  /// The UDP port of all paths that have none of their own; nil: the kernel chooses.
  public var listenPort: UInt16?
  /// The largest packet that the virtual interface takes.
  public var mtu = GatewayConfiguration.defaultMTU
  /// The name of the virtual interface.
  public var interface = GatewayConfiguration.defaultInterface
  public var routes = Routes.auto
  /// How old keys may become before new ones are agreed on.
  public var rekeyAfter = GatewayConfiguration.defaultRekeyAfter
  public var paths: [Path] = []
  public var peers: [Peer] = []
  public var relays: [Relay] = []
  public var oracle: OracleClient?
  public var classes: [Class] = []
  /// The first that matches a flow decides.
  public var rules: [Rule] = []
  /// Where `hawser status` asks.
  public var controlSocket: String
  /// Where it answers over TCP as well.
  public var remoteControl: RemoteControl?
  /// Where `/metrics` is read.
  public var metricsListen: [Endpoint] = []

  public init(privateKey: KeySource) {
    self.privateKey = privateKey
    controlSocket = GatewayConfiguration.defaultSocket(of: GatewayConfiguration.defaultInterface)
  }

  public static let defaultInterface = "hawser0"
  /// What hosts behind a gateway have anyway: nobody needs to discover anything, and parts are cut by bytes.
  public static let defaultMTU = ByteCount(1500)
  /// WireGuard's. A key that is stolen opens what was sent in this time, and longer is never needed.
  public static let defaultRekeyAfter = Interval.seconds(120)
  /// One for each virtual interface, so that several gateways of one machine do not meet.
  public static func defaultSocket(of interface: String) -> String { "\(socketDirectory)/\(interface).sock" }
  public static let socketDirectory = "/run/hawser"

  /// Who routes what the peers may send to the virtual interface.
  public enum Routes: String, CaseIterable, Sendable {
    case auto
    case off
  }

  /// One way out of this machine.
  public struct Path: Equatable, Sendable {
    public var name: String
    /// The interface that its socket is bound to; `*`: every uplink becomes a path of its own.
    public var interface: String
    /// Patterns for names of interfaces that `*` means, all where there is none, and of those that it does not.
    public var include: [String] = []
    public var exclude: [String] = []
    /// nil: the gateway's ListenPort.
    public var port: UInt16?
    /// Its share of the bytes, against the weights of the others.
    public var weight: UInt32 = 1
    /// The largest IP packet that it carries; nil: what its interface says.
    public var mtu: ByteCount?
    /// The local address; nil: what the kernel chooses on that interface.
    public var bind: IPAddress?
    public var tier = Tier.primary
    /// Both ways; nil: as much as it can.
    public var budget: Budget?
    /// Orders the paths of one tier.
    public var cost = Price(thousandths: 0)
    /// nil: what is measured.
    public var limit: RateLimit?

    public init(name: String, interface: String) {
      self.name = name
      self.interface = interface
    }

    /// Whether it is a rule for many paths.
    public var isEvery: Bool { interface == "*" }
  }

  public struct Peer: Equatable, Sendable {
    public var name: String
    public var publicKey: PublicKey
    public var presharedKey: KeySource?
    /// Where it can be reached; empty: it comes to us.
    public var endpoints: [EndpointText] = []
    /// The inner addresses that are its own, as networks.
    public var allowedIPs: [IPPrefix] = []
    /// How often something is sent to keep a translator's entry alive; nil: only when it is needed.
    public var keepalive: Interval?

    public init(name: String, publicKey: PublicKey) {
      self.name = name
      self.publicKey = publicKey
    }
  }

  public struct RemoteControl: Equatable, Sendable {
    public var listen: [Endpoint]
    /// What whoever asks must show.
    public var token: KeySource
    public var certificate: String?
    public var certificateKeyFile: String?

    public init(listen: [Endpoint], token: KeySource) {
      self.listen = listen
      self.token = token
    }
  }

  /// Somebody who forwards for us.
  public struct Relay: Equatable, Sendable {
    public var name: String
    public var publicKey: PublicKey
    public var presharedKey: KeySource?
    public var endpoints: [EndpointText] = []

    public init(name: String, publicKey: PublicKey) {
      self.name = name
      self.publicKey = publicKey
    }
  }

  /// How some flows are carried. A condition that is absent holds for all.
  public struct Rule: Equatable, Sendable {
    public var name: String
    public var from: [IPPrefix] = []
    public var to: [IPPrefix] = []
    /// IANA's numbers.
    public var protocols: [UInt8] = []
    /// Of either side.
    public var ports: [ClosedRange<UInt16>] = []
    public var dscp: [UInt8] = []
    /// The largest IP packet for which it holds.
    public var maxSize: ByteCount?
    public var stack: Stack
    /// The class of these flows; nil: what they are and do says it.
    public var className: String?

    public init(name: String, stack: Stack = .striped, className: String? = nil) {
      self.name = name
      self.stack = stack
      self.className = className
    }

    public var matchesEverything: Bool {
      from.isEmpty && to.isEmpty && protocols.isEmpty && ports.isEmpty && dscp.isEmpty && maxSize == nil
    }
  }

  public enum Stack: Equatable, Sendable {
    /// Over all paths.
    case striped
    /// Over one path: this one, or the one that lands first.
    case single(path: String?)
    /// As it comes, without order.
    case raw
  }
}
