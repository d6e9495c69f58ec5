//  Uplinks.swift — which paths can be used, by what the kernel says of interfaces, addresses and routes.
//
//  Why.  Cables are pulled, modems come back with another address, a client for DHCP takes its route away for a moment.
//  The kernel knows it at once; whoever waits for silence instead loses a second each time, and sends into the void.
//
//  How.  Facts are whole: all interfaces, as they are at one moment. What a path needs is asked in this order, and the
//  first that is missing is the reason:
//
//      its interface is there ─▶ switched on ─▶ carrier ─▶ an address (the one of Bind) ─▶ a route to somebody
//            gone                  off          no carrier      no address                    no route
//
//      facts ─▶ observe ─▶ for each path: as before?  ─▶ nextChange:  up │ down, why │ readdressed │ resized
//
//  Who knows no address of anybody waits to be found, and needs no route. Another interface of the same name is one
//  that went and one that came, however little time was in between: sockets are bound to the interface, not to its
//  name.
//
//  Rejected.  Following single events (one that is lost is never made up for; the whole costs some hundred
//  microseconds, and is right whatever was missed).
//
//  Always true.  (1) A path is up or has a reason. (2) After `observe` with the facts of before there is no change.
//
//  Not here.  Asking the kernel (Driver), sockets, what paths are used for (Engine). Cost: paths × interfaces.

public import Primitives

public struct Uplinks: Sendable {
  /// An interface, as it is.
  public struct Interface: Equatable, Sendable {
    public var name: String
    /// Another one of the same name has another.
    public var index: Int32
    public var mtu: Int
    public var isOn: Bool
    public var hasCarrier: Bool
    /// Those that others can answer to.
    public var addresses: [IPAddress]
    /// Somebody's address is routed through it; nil: no address of anybody is known.
    public var reaches: Bool?
    /// It is no loopback, no part of a bridge, and not our own.
    public var isUplink: Bool

    public init(
      name: String, index: Int32, mtu: Int, isOn: Bool, hasCarrier: Bool, addresses: [IPAddress], reaches: Bool?,
      isUplink: Bool
    ) {
      self.name = name
      self.index = index
      self.mtu = mtu
      self.isOn = isOn
      self.hasCarrier = hasCarrier
      self.addresses = addresses
      self.reaches = reaches
      self.isUplink = isUplink
    }
  }

  public struct Path: Equatable, Sendable {
    public var name: String
    public var interface: String
    /// The address that it must have; nil: any.
    public var bind: IPAddress?

    public init(name: String, interface: String, bind: IPAddress? = nil) {
      self.name = name
      self.interface = interface
      self.bind = bind
    }
  }

  /// Why a path cannot be used.
  public enum Reason: Equatable, Sendable {
    case gone
    case off
    case noCarrier
    case noAddress(IPAddress?)
    case noRoute
  }

  public struct Change: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
      /// By the interface with this number.
      case up(Int32)
      case down(Reason)
      /// It has other addresses than before.
      case readdressed
      case resized(Int)
    }

    public var path: String
    public var interface: String
    public var kind: Kind
  }

  private struct State {
    var path: Path
    /// Nobody was told of it yet.
    var isNew = true
    /// nil: up.
    var reason: Reason?
    var index: Int32 = 0
    var mtu = 0
    var addresses: [IPAddress] = []
  }

  private var states: [State] = []
  private var interfaces: [Interface]?
  private var changes: [Change] = []

  public init() {}

  // MARK: Inputs

  /// The paths that there are. Those that are new are told of, whether they are up or down.
  public mutating func set(_ paths: [Path]) {
    states = paths.map { path in
      states.first { $0.path == path } ?? State(path: path)
    }
    if let interfaces { observe(interfaces) }
  }

  public mutating func observe(_ interfaces: [Interface]) {
    self.interfaces = interfaces
    for place in states.indices {
      var state = states[place]
      observe(interfaces, &state)
      states[place] = state
    }
  }

  private mutating func observe(_ interfaces: [Interface], _ state: inout State) {
    let path = state.path
    func tell(_ kind: Change.Kind) { changes.append(Change(path: path.name, interface: path.interface, kind: kind)) }
    let interface = interfaces.first { $0.name == path.interface }
    let isNew = state.isNew
    state.isNew = false
    // It went and came in between.
    if !isNew, state.reason == nil, let interface, interface.index != state.index {
      state.reason = .gone
      tell(.down(.gone))
    }
    let reason = Uplinks.reason(path, interface)
    guard let interface, reason == nil else {
      if let reason, state.reason != reason || isNew {
        state.reason = reason
        tell(.down(reason))
      }
      return
    }
    if state.reason != nil || isNew {
      state.reason = nil
      tell(.up(interface.index))
    } else {
      if state.addresses != interface.addresses { tell(.readdressed) }
      if state.mtu != interface.mtu { tell(.resized(interface.mtu)) }
    }
    (state.index, state.mtu, state.addresses) = (interface.index, interface.mtu, interface.addresses)
  }

  private static func reason(_ path: Path, _ interface: Interface?) -> Reason? {
    guard let interface else { return .gone }
    if !interface.isOn { return .off }
    if !interface.hasCarrier { return .noCarrier }
    if let bind = path.bind {
      if !interface.addresses.contains(bind) { return .noAddress(bind) }
    } else if interface.addresses.isEmpty {
      return .noAddress(nil)
    }
    return interface.reaches == false ? .noRoute : nil
  }

  // MARK: Outputs

  public mutating func nextChange() -> Change? { changes.isEmpty ? nil : changes.removeFirst() }

  /// Why this path is not up; nil: it is, or there is none of this name.
  public func reason(ofPath name: String) -> Reason? { states.first { $0.path.name == name }?.reason }
}

extension Uplinks.Reason {
  public func sentence(about interface: String) -> String {
    switch self {
    case .gone: "its interface \(interface) is gone"
    case .off: "\(interface) is switched off"
    case .noCarrier: "\(interface) has no carrier"
    case .noAddress(nil): "\(interface) has no address"
    case .noAddress(let bind?): "\(interface) does not have the address \(bind)"
    case .noRoute: "\(interface) has no route to any peer"
    }
  }
}

extension Uplinks.Change: CustomStringConvertible {
  /// For the log.
  public var description: String {
    switch kind {
    case .up: "path \(path): \(interface) can be used"
    case .down(let reason): "path \(path): down, \(reason.sentence(about: interface))"
    case .readdressed: "path \(path): \(interface) has another address"
    case .resized(let mtu): "path \(path): \(interface) carries packets of \(mtu) bytes now"
    }
  }
}
