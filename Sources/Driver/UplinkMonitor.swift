//  UplinkMonitor.swift — a thread that looks at interfaces, addresses and routes whenever the kernel says that one of
//  them has changed.
//
//  How.
//        event ──▶ 10 ms for what comes with it ──▶ look at everything ──▶ is it other? lay it down, wake the loop
//                                                                              │
//        loop: woken ─▶ take the facts ─▶ Uplinks ─▶ paths up and down ◀───────┘
//
//  A change comes as several events (an interface that goes takes its addresses and routes with it), and a machine with
//  all routes of the world has events all the time: so what comes within `pause` is one look, and there are no more
//  than a hundred looks a second.
//
//  The kernel tells of a carrier once a second, when it has just told of one. Whoever asks for one interface by name
//  makes it look at once; so after an event those without a carrier are asked for a while.
//
//  What leaves in the moments between the loss of a carrier and our word of it makes the kernel ask for its neighbour
//  on a line that is cut. It asks again after a second, and holds back what is sent until then: so when the carrier is
//  back, such questions are forgotten, and the first datagram asks anew.
//
//  Rejected.  To look from the loop (a dump of interfaces is 100 µs, and 256 routes are a millisecond); a timer (200 ms
//  late, or a machine that never sleeps).
//
//  Always true.  The thread shares nothing with the loop but what the lock guards.

import Glibc
import Netlink
import POSIX
import Primitives
import Synchronization
import Uplinks

final class UplinkMonitor: Sendable {
  /// What comes with an event comes within it; and it is well within what nobody notices.
  static let pause = Interval.milliseconds(10)
  /// Somewhat longer than the kernel may be late with a carrier, and how often it is asked meanwhile.
  static let hurriesFor = Interval.milliseconds(1_500)
  static let hurry = Interval.milliseconds(100)
  /// Of peers' addresses that routes are looked up for, on each uplink: more say nothing more.
  static let mostDestinations = 64

  /// What the loop wants to know of.
  struct Wish: Equatable, Sendable {
    /// Names of interfaces whose routes are looked up.
    var interfaces: [String] = []
    /// Of all uplinks, then.
    var everyUplink = false
    var destinations: [IPAddress] = []
    /// Our own virtual interface.
    var own = ""

    func wants(_ interface: Uplinks.Interface) -> Bool {
      interfaces.contains(interface.name) || everyUplink && interface.isUplink
    }
  }

  private struct State {
    var wish = Wish()
    var facts: [Uplinks.Interface]?
    var failure: String?
  }

  private let state = Mutex(State())
  private let wake: @Sendable () -> Void
  /// Makes the thread look again.
  private let asked = Signal.atStart()

  private init(_ wish: Wish, wake: @escaping @Sendable () -> Void) {
    self.wake = wake
    state.withLock { $0.wish = wish }
  }

  /// The state of now, and the thread that follows it. `wake` is called on it, after facts were laid down.
  static func start(
    _ wish: Wish, wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) -> (monitor: UplinkMonitor, facts: [Uplinks.Interface]) {
    let monitor = UplinkMonitor(wish, wake: wake)
    // Heard of from here on, looked at after that: so nothing is missed in between.
    let watch = try Gateway.attempt { () throws(NetlinkError) in try NetworkWatch.open() }
    var network = try Gateway.attempt { () throws(NetlinkError) in try NetlinkSocket.open() }
    let facts = try Gateway.attempt { () throws(NetlinkError) in try look(wish, &network) }
    let work = Work(monitor, watch, network, facts)
    guard let worker = Worker.start("uplinks", { work.run() }) else {
      throw GatewayFailure("the system refuses a thread: raise the limits (ulimit -u)")
    }
    worker.detach()
    return (monitor, facts)
  }

  // MARK: The loop

  /// What is different since the last call.
  func take() -> [Uplinks.Interface]? { state.withLock { $0.facts.take() } }

  func takeFailure() -> String? { state.withLock { $0.failure.take() } }

  func set(_ wish: Wish) {
    let isOther = state.withLock { state -> Bool in
      defer { state.wish = wish }
      return state.wish != wish
    }
    if isOther { asked.raise() }
  }

  func end() {
    asked.end()
  }

  // MARK: The thread

  private final class Work {
    private let monitor: UplinkMonitor
    private let watch: NetworkWatch
    private var network: NetlinkSocket
    private var before: [Uplinks.Interface]

    init(
      _ monitor: UplinkMonitor, _ watch: consuming NetworkWatch, _ network: consuming NetlinkSocket,
      _ facts: [Uplinks.Interface]
    ) {
      self.monitor = monitor
      self.watch = watch
      self.network = network
      before = facts
    }

    func run() {
      var hurriesUntil = Instant.zero
      while true {
        var watched = [
          pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0),
          pollfd(fd: monitor.asked.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let mayBeLate = MonotonicClock.now < hurriesUntil
        let timeout = mayBeLate ? Int32(UplinkMonitor.hurry.nanoseconds / 1_000_000) : -1
        let count = poll(&watched, 2, timeout)
        if count < 0 && errno != EINTR { return }
        if count > 0 { hurriesUntil = MonotonicClock.now + UplinkMonitor.hurriesFor }
        var time = timespec(tv_sec: 0, tv_nsec: Int(UplinkMonitor.pause.nanoseconds))
        nanosleep(&time, nil)
        monitor.asked.drain()
        watch.drain()
        if monitor.asked.isOver { return }
        let wish = monitor.state.withLock { $0.wish }
        do throws(NetlinkError) {
          let facts = try UplinkMonitor.look(wish, &network)
          if facts == before { continue }
          forgetQuestions(facts, wish)
          before = facts
          monitor.state.withLock { $0.facts = facts }
        } catch {
          monitor.state.withLock { $0.failure = "interfaces are not followed for a moment: \(error)" }
        }
        monitor.wake()
      }
    }

    /// Those that were asked on lines of ours which were cut until now. Whoever may not, waits.
    private func forgetQuestions(_ facts: [Uplinks.Interface], _ wish: Wish) {
      for interface in facts where interface.hasCarrier && wish.wants(interface) {
        guard before.contains(where: { $0.index == interface.index && !$0.hasCarrier }) else { continue }
        let index = InterfaceIndex(interface.index)
        let asked = (try? network.unansweredNeighbours(on: index)) ?? []
        let nowhere = HardwareAddress(bytes: [0, 0, 0, 0, 0, 0])
        for address in asked { try? network.perform(.removeNeighbour(Neighbour(address, at: nowhere, on: index))) }
      }
    }
  }

  private static func look(_ wish: Wish, _ network: inout NetlinkSocket) throws(NetlinkError) -> [Uplinks.Interface] {
    let links = try network.links()
    let addresses = try network.addresses()
    var facts: [Uplinks.Interface] = []
    for listed in links {
      var link = listed
      if link.isUp && !link.canSend && wish.interfaces.contains(link.name) {
        link = try network.link(link.index) ?? link
      }
      let own = addresses.filter { $0.interface == link.index && !$0.address.isLinkLocal }.map(\.address)
      var interface = Uplinks.Interface(
        name: link.name, index: link.index.value, mtu: Int(link.mtu), isOn: link.isUp, hasCarrier: link.canSend,
        addresses: own.sorted { $0.description < $1.description }, reaches: nil,
        isUplink: !link.isLoopback && !link.isPart && link.name != wish.own)
      if wish.wants(interface), link.isUp {
        // Of a family that it has no address of nobody can be reached.
        let families = Set(own.map(\.family))
        for destination in wish.destinations where families.contains(destination.family) {
          if interface.reaches == true { break }
          interface.reaches = try network.hasRoute(to: destination, through: link.index)
        }
      }
      facts.append(interface)
    }
    return facts
  }
}
