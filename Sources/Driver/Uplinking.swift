//  Uplinking.swift — keeps the loop's sockets as the uplinks are: opened when an interface comes, closed when it goes.
//
//  A socket is bound to an interface, not to its name: when one of the same name comes back, it gets another socket in
//  the same place, and to the engine it is the same path. What only loses its carrier, its address or its route keeps
//  its socket, and the engine is told that it carries nothing.

import Configuration
import Engine
import Primitives
import Uplinks

struct Uplinking {
  private let monitor: UplinkMonitor
  private var uplinks = Uplinks()
  /// Of the interface that the sockets of a place are bound to.
  private var bound = [Int32](repeating: 0, count: LocalPlaces.count)
  /// A path that waits for its socket: until the kernel has given the old one back, or until it grants a new one.
  private struct Pending {
    let path: String
    var tryAt = Instant.zero
    /// Told already.
    var complaint: String?
  }
  private var pending: [Pending] = []
  /// What the kernel refuses (a port that somebody has, no descriptor) is seldom granted sooner.
  private static let retryAfter = Interval.seconds(1)
  private var indices: [String: Int32] = [:]
  private let own: String
  private(set) var facts: [Uplinks.Interface]

  init(
    _ configuration: GatewayConfiguration, _ endpoints: [[Endpoint]], wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) {
    own = configuration.interface
    let wish = Uplinking.wish(configuration, endpoints, everyUplink: configuration.hasEvery)
    (monitor, facts) = try UplinkMonitor.start(wish, wake: wake)
  }

  func end() { monitor.end() }

  private static func wish(
    _ configuration: GatewayConfiguration, _ endpoints: [[Endpoint]], everyUplink: Bool
  ) -> UplinkMonitor.Wish {
    var destinations: [IPAddress] = []
    // An oracle may name relays anywhere: then an uplink without a route to a peer may still have one to them.
    let isOpen = configuration.oracle != nil
    for endpoint in endpoints.joined() where !isOpen && destinations.count < UplinkMonitor.mostDestinations {
      if !destinations.contains(endpoint.address) { destinations.append(endpoint.address) }
    }
    return UplinkMonitor.Wish(
      interfaces: configuration.paths.map(\.interface), everyUplink: everyUplink, destinations: destinations,
      own: configuration.interface)
  }

  /// Why a path is not used; nil: it is.
  func reason(ofPath name: String, on interface: String) -> String? {
    uplinks.reason(ofPath: name)?.sentence(about: interface)
  }

  // MARK: What happens

  /// These are the paths and the addresses of peers from now on.
  mutating func follow(
    _ configuration: GatewayConfiguration, _ endpoints: [[Endpoint]], everyUplink: Bool, _ loop: inout GatewayLoop,
    isStart: Bool = false, log: (String) -> Void
  ) {
    monitor.set(Uplinking.wish(configuration, endpoints, everyUplink: everyUplink))
    uplinks.set(configuration.paths.map { Uplinks.Path(name: $0.name, interface: $0.interface, bind: $0.bind) })
    uplinks.observe(facts)
    take(configuration, &loop, isStart: isStart, log: log)
  }

  /// In each turn in which somebody woke us: whether a size has changed, which settings have to follow, and whether
  /// anything has.
  mutating func look(
    _ configuration: GatewayConfiguration, _ loop: inout GatewayLoop, log: (String) -> Void
  ) -> (hasOtherSizes: Bool, isOther: Bool) {
    if let failure = monitor.takeFailure() { log(failure) }
    guard let facts = monitor.take() else { return (false, false) }
    self.facts = facts
    uplinks.observe(facts)
    return (take(configuration, &loop, log: log), true)
  }

  @discardableResult
  private mutating func take(
    _ configuration: GatewayConfiguration, _ loop: inout GatewayLoop, isStart: Bool = false, log: (String) -> Void
  ) -> Bool {
    var hasOtherSizes = false
    while let change = uplinks.nextChange() {
      let places = loop.engine.places(ofPath: change.path)
      switch change.kind {
      case .up(let index):
        indices[change.path] = index
        hasOtherSizes = true
        pending.removeAll { $0.path == change.path }
        pending.append(Pending(path: change.path))
      case .down(let reason):
        pending.removeAll { $0.path == change.path }
        for place in places {
          loop.engine.closePath(place, at: loop.now)
          if reason == .gone { loop.close(place) }
        }
      case .readdressed:
        for place in places { loop.engine.addressChanged(place, at: loop.now) }
      case .resized: hasOtherSizes = true
      }
      // What is up from the start is told with its port.
      if case .up = change.kind, isStart { continue }
      log("\(change)")
    }
    open(configuration, &loop, log: log)
    return hasOtherSizes
  }

  /// Those that wait for a socket get one, unless the kernel still has the one of before.
  mutating func open(_ configuration: GatewayConfiguration, _ loop: inout GatewayLoop, log: (String) -> Void) {
    if pending.isEmpty { return }
    var waiting: [Pending] = []
    for one in pending {
      do throws(GatewayFailure) {
        let isDone = if loop.now < one.tryAt { false } else { try open(one.path, configuration, &loop) }
        if !isDone { waiting.append(one) }
      } catch {
        let complaint = error.description
        if complaint != one.complaint { log("\(complaint); it is tried again every second") }
        waiting.append(Pending(path: one.path, tryAt: loop.now + Uplinking.retryAfter, complaint: complaint))
      }
    }
    pending = waiting
  }

  /// False: the kernel has not given the old one back.
  private mutating func open(
    _ name: String, _ configuration: GatewayConfiguration, _ loop: inout GatewayLoop
  ) throws(GatewayFailure) -> Bool {
    guard let path = configuration.paths.first(where: { $0.name == name }), let index = indices[name] else {
      return true
    }
    for place in loop.engine.places(ofPath: name) {
      if loop.sockets[place].isOpen && bound[place] != index { loop.close(place) }
      if loop.sockets[place].isClosing { return false }
      if !loop.sockets[place].isOpen {
        let door = try Door(place, of: path, configuration, patience: .zero)
        try loop.makeRoom(for: door)
        loop.open(door)
      }
      bound[place] = index
      loop.engine.openPath(place, at: loop.now)
    }
    return true
  }

  /// When a refused socket is tried again.
  var deadline: Instant? { pending.lazy.map(\.tryAt).filter { $0 > .zero }.min() }

  /// A socket that was opened for a path that is up; where it is not up, it need not be opened.
  func canOpen(_ path: GatewayConfiguration.Path) -> Bool {
    facts.contains { $0.name == path.interface }
  }

  mutating func note(_ place: Int, _ path: GatewayConfiguration.Path) {
    bound[place] = facts.first { $0.name == path.interface }?.index ?? 0
  }
}
