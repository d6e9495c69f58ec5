//  VirtualInterface.swift — the gateway's network interface: a TUN device with its addresses, routes and limits, or a
//  sentence why not.
//
//  How.  The device is made with all offloads, then configured while it is still down, then switched on, then gets its
//  routes. If a step fails the device is closed, and everything that was set goes with it: there is nothing to undo.
//
//  A predecessor that was killed may hold the device for a moment (a ring outlives its process, see Ring.swift). So a
//  device that is busy is tried again until `patience` ends; what is still busy then belongs to somebody else.
//
//  Super-packets are as long as the kernel makes them. Shorter ones (62,000 bytes) would fit one UDP send each, and
//  save a tenth between processes of this machine; but what hosts behind a gateway send arrives as 65,212 bytes, and is
//  cut into single packets where the interface takes less: ten times slower, measured.
//
//  Routes are ours or they are not: a route that exists already, through another interface, is an error and is not
//  replaced, for it may be the one that carries the tunnel. Kernel-made routes to the interface's own networks count as
//  ours.
//
//  An interface may be older than the process: what a predecessor left with the service manager is adopted. Its name,
//  its index and what is right about it stay, so that nobody who uses it notices; addresses and routes that are no
//  longer wanted go (`Leftovers`).
//
//  No link-local address is made: nobody else is on this line who could use one, and its announcements would be packets
//  that no user sent.
//
//  Not here.  Reading and writing (Ring), what the packets are (Packets).

import Glibc
public import Netlink
import POSIX
public import Primitives

public struct VirtualInterface: ~Copyable {
  public struct Settings: Hashable, Sendable {
    public var name: String
    public var addresses: [IPPrefix]
    public var mtu: Int
    public var routes: [IPPrefix]
    /// The longest super-packet.
    public var gsoMaxSize: Int
    /// How many packets wait when nobody reads.
    public var queueLength: Int
    /// How many descriptors there are.
    public var queues: Int

    public init(
      name: String, addresses: [IPPrefix], mtu: Int, routes: [IPPrefix] = [], gsoMaxSize: Int = 65_536,
      queueLength: Int = 1_000, queues: Int = 1
    ) {
      self.name = name
      self.addresses = addresses
      self.mtu = mtu
      self.routes = routes
      self.gsoMaxSize = gsoMaxSize
      self.queueLength = queueLength
      self.queues = queues
    }
  }

  private let device: VNIC
  private var network: NetlinkSocket
  public let index: InterfaceIndex
  /// Networks that the kernel routes here because of an address.
  private var own: Set<IPPrefix>
  /// As it is now.
  private var settings: Settings
  private var routes: Set<IPPrefix> = []

  private init(
    _ device: consuming VNIC, _ network: consuming NetlinkSocket, index: InterfaceIndex, settings: Settings
  ) {
    self.device = device
    self.network = network
    self.index = index
    own = Set(settings.addresses.map(\.network))
    self.settings = settings
  }

  public var name: String { device.name }
  /// One for each queue.
  public var descriptors: [Int32] { device.descriptors }
  public var offloads: VNIC.Offloads { device.offloads }

  /// A sentence for the log for each thing that is not as it should be.
  public var limitations: [String] {
    device.offloads.isSuperset(of: .udpSegments)
      ? []
      : ["this kernel hands over no UDP super-packets (USO, Linux 6.2): what QUIC sends in batches costs more"]
  }

  /// The interface, up and with everything set, in this network namespace or in that of the calling thread.
  public static func bringUp(
    _ settings: Settings, in namespace: Int32? = nil, patience: Interval = .seconds(5)
  ) throws(InterfaceFailure) -> VirtualInterface {
    try settings.check()
    let device = try open(settings, in: namespace, patience: patience)
    return try configured(device, settings, in: namespace, leftovers: Leftovers())
  }

  /// The interface of a descriptor that somebody kept, in the calling thread's network namespace. The descriptor is
  /// ours from now on. nil when it is of another interface, or of one that is gone.
  public static func adopt(
    _ descriptor: Int32, _ settings: Settings
  ) throws(InterfaceFailure) -> VirtualInterface? {
    precondition(settings.queues == 1, "what is kept is the one descriptor of an interface")
    do throws(InterfaceFailure) {
      try settings.check()
    } catch {
      close(descriptor)
      throw error
    }
    let device = VNIC.adopt(
      descriptor, as: settings.name, kind: .tun, offloads: [.checksum, .tcpSegments], ifPossible: .udpSegments)
    guard let device else { return nil }
    return try configured(device, settings, in: nil, leftovers: Leftovers(of: settings.name))
  }

  /// Takes an interface away that somebody kept, whoever else has a descriptor of it. Closes this one.
  public static func remove(_ descriptor: Int32, named name: String) {
    guard let device = VNIC.adopt(descriptor, as: name, kind: .tun, offloads: []) else { return }
    if var network = try? NetlinkSocket.open(), let index = try? network.link(named: device.name)?.index {
      try? network.perform(.deleteLink(index))
    }
  }

  private static func configured(
    _ device: consuming VNIC, _ settings: Settings, in namespace: Int32?, leftovers: Leftovers
  ) throws(InterfaceFailure) -> VirtualInterface {
    let network: NetlinkSocket
    do throws(NetlinkError) {
      network = try NetlinkSocket.open(in: namespace)
    } catch {
      throw InterfaceFailure(settings.name, .network(error))
    }
    return try configured(device, network, settings, leftovers)
  }

  private static func configured(
    _ device: consuming VNIC, _ network: consuming NetlinkSocket, _ settings: Settings, _ leftovers: Leftovers
  ) throws(InterfaceFailure) -> VirtualInterface {
    var network = network
    let index = try set(settings, &network)
    var interface = VirtualInterface(device, network, index: index, settings: settings)
    try interface.add(settings.addresses.filter { !leftovers.addresses.contains($0) })
    // What it has already is not made again, and what nobody wants any more goes.
    interface.routes = leftovers.routes.subtracting(interface.own)
    interface.remove(leftovers.addresses.subtracting(settings.addresses))
    try interface.setRoutes(settings.routes)
    return interface
  }

  private static func open(
    _ settings: Settings, in namespace: Int32?, patience: Interval
  ) throws(InterfaceFailure) -> VNIC {
    let end = MonotonicClock.now + max(patience, .zero)
    while true {
      do throws(OpenFailure) {
        return try VNIC.open(
          settings.name, kind: .tun, offloads: [.checksum, .tcpSegments], ifPossible: .udpSegments,
          queues: settings.queues, in: namespace)
      } catch {
        guard error.errno == EBUSY, MonotonicClock.now < end else {
          throw InterfaceFailure(settings.name, .open(error))
        }
        var pause = timespec(tv_sec: 0, tv_nsec: pauseNanoseconds)
        nanosleep(&pause, nil)
      }
    }
  }

  /// Between two tries. A killed predecessor's device was gone within 5 ms in 40 of 40 tries.
  private static let pauseNanoseconds = 5_000_000

  private static func set(_ settings: Settings, _ network: inout NetlinkSocket) throws(InterfaceFailure)
    -> InterfaceIndex
  {
    do throws(NetlinkError) {
      guard let index = try network.link(named: settings.name)?.index else {
        throw NetlinkError(operation: "find the interface \(settings.name)", errno: ENODEV)
      }
      try network.perform(
        .configure(
          index,
          LinkSettings(
            mtu: UInt32(settings.mtu), queueLength: UInt32(settings.queueLength),
            longestSuperPacket: UInt32(settings.gsoMaxSize))))
      // Without IPv6 in the kernel, or on this interface, there is nothing to keep from happening.
      try? network.perform(.configure(index, LinkSettings(makesLinkLocalAddress: false)))
      try network.perform(.configure(index, LinkSettings(isUp: true)))
      return index
    } catch {
      throw InterfaceFailure(settings.name, .network(error))
    }
  }

  private mutating func add(_ addresses: [IPPrefix]) throws(InterfaceFailure) {
    for address in addresses {
      do throws(NetlinkError) {
        try network.perform(.addAddress(InterfaceAddress(address, on: index)))
      } catch {
        throw InterfaceFailure(name, error, for: address)
      }
    }
  }

  /// Somebody else may have removed them meanwhile.
  private mutating func remove(_ addresses: Set<IPPrefix>) {
    for address in addresses { try? network.perform(.removeAddress(InterfaceAddress(address, on: index))) }
  }

  // MARK: Changes

  /// Other addresses, another MTU, other routes, while it is up. When it throws, what was before is there again.
  public mutating func change(addresses: [IPPrefix], mtu: Int, routes networks: [IPPrefix]) throws(InterfaceFailure) {
    let before = settings
    var wanted = settings
    (wanted.addresses, wanted.mtu, wanted.routes) = (addresses, mtu, networks)
    if wanted == before { return }
    try wanted.check()
    do throws(InterfaceFailure) {
      try become(wanted)
    } catch {
      try? become(before)
      throw error
    }
  }

  private mutating func become(_ wanted: Settings) throws(InterfaceFailure) {
    do throws(NetlinkError) {
      try network.perform(.configure(index, LinkSettings(mtu: UInt32(wanted.mtu))))
    } catch {
      throw InterfaceFailure(name, .network(error))
    }
    let gone = settings.addresses.filter { !wanted.addresses.contains($0) }
    try addMissing(wanted.addresses)
    own = Set(wanted.addresses.map(\.network))
    // From here on these are the ones to take back.
    settings.addresses = wanted.addresses + gone
    settings.mtu = wanted.mtu
    try setRoutes(wanted.routes)
    settings.routes = wanted.routes
    for address in gone { try? network.perform(.removeAddress(InterfaceAddress(address, on: index))) }
    // With the first of a network the kernel takes the others of it.
    try addMissing(wanted.addresses)
    settings.addresses = wanted.addresses
  }

  private mutating func addMissing(_ addresses: [IPPrefix]) throws(InterfaceFailure) {
    for address in addresses {
      do throws(NetlinkError) {
        try network.perform(.addAddress(InterfaceAddress(address, on: index)))
      } catch  where error.errno == EEXIST {
        continue
      } catch {
        throw InterfaceFailure(name, error, for: address)
      }
    }
  }

  /// Routes these networks through the interface, and no others. When it throws, some of them may be set.
  public mutating func setRoutes(_ networks: [IPPrefix]) throws(InterfaceFailure) {
    let wanted = Set(networks.map(\.network)).subtracting(own)
    // In the order in which they were given, so that the first error is the first line's.
    let added = networks.map(\.network).filter { wanted.contains($0) && !routes.contains($0) }
    for destination in added where !routes.contains(destination) {
      do throws(NetlinkError) {
        try network.perform(.addRoute(Route(to: destination, through: index)))
      } catch {
        if error.errno == EEXIST { throw InterfaceFailure(name, .routeTaken(destination)) }
        throw InterfaceFailure(name, error, for: destination)
      }
      routes.insert(destination)
    }
    for destination in routes where !wanted.contains(destination) {
      do throws(NetlinkError) {
        try network.perform(.removeRoute(Route(to: destination, through: index)))
      } catch  where error.errno == ESRCH {
        // Somebody else has removed it.
      } catch {
        throw InterfaceFailure(name, .network(error))
      }
      routes.remove(destination)
    }
  }
}
