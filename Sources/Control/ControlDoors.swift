//  ControlDoors.swift — where a gateway listens over TCP, and how it comes to listen elsewhere without being deaf.
//
//  Why.  A token is changed, a certificate is renewed, another address is wanted: none of that is worth a restart.
//
//  How.  Other doors are opened whole beside those that are there; an address that stays is the same socket, which two
//  servers read for a moment.
//
//      wish ─▶ the address is there already? its socket again : a new one ─▶ a server on each ─▶ use: others are let in
//                                 │ refused: what was opened is closed                            here from now on
//                                 ▼
//                             all as before                     the old ones let nobody in, and end when whoever asked
//                                                               last through them, perhaps for this, has his answer
//
//  Always true.  (1) At an address that stays somebody listens all the time. (2) What was let in with another token is
//  cut off after `grace`.

import Glibc
import HTTP
import POSIX
public import Primitives

public final class ControlDoors: Sendable {
  /// Over TCP.
  public struct Wish: Equatable, Sendable {
    public var remote: ControlServer.Remote?
    public var metrics: [Endpoint]

    public init(remote: ControlServer.Remote?, metrics: [Endpoint]) {
      self.remote = remote
      self.metrics = metrics
    }
  }

  /// Doors that are open, whether they are used yet or not.
  public final class Opened: Sendable {
    fileprivate struct Place {
      /// As it was wished for.
      let wanted: Endpoint
      let isForMetrics: Bool
      /// With the port that the kernel chose.
      let bound: Endpoint
      /// Ours, besides the server's.
      let descriptor: Int32
    }
    let wish: Wish
    fileprivate let places: [Place]
    fileprivate let servers: HTTPServers

    fileprivate init(_ wish: Wish, _ places: [Place], _ servers: HTTPServers) {
      (self.wish, self.places, self.servers) = (wish, places, servers)
    }

    deinit {
      servers.end()
      for place in places { close(place.descriptor) }
    }
  }

  /// Longer than the answer to whoever wished for other doors takes to leave through an old one, in seconds.
  private static let grace: UInt32 = 2

  private let house: ControlServer.House
  private let current: Locked<Opened>
  /// For want of a thread that ends them: they wait for the end of the process.
  private let left = Locked<[Opened]>([])

  init(_ wish: Wish, _ house: ControlServer.House) throws(ControlFailure) {
    self.house = house
    current = Locked(try ControlDoors.open(wish, house, after: []))
  }

  func end() {
    current.withLock { $0.servers.end() }
  }

  public var remoteEndpoints: [Endpoint] {
    current.withLock { $0.places.filter { !$0.isForMetrics }.map(\.bound) }
  }
  public var metricsEndpoints: [Endpoint] {
    current.withLock { $0.places.filter(\.isForMetrics).map(\.bound) }
  }

  // MARK: Others

  /// What is different, in sentences without a secret.
  public func differences(to wish: Wish) -> [String] {
    let now = current.withLock { $0.wish }
    func list(_ endpoints: [Endpoint]?) -> String {
      guard let endpoints, !endpoints.isEmpty else { return "nothing" }
      return endpoints.map { "\($0)" }.joined(separator: ", ")
    }
    var sentences: [String] = []
    if now.remote?.listen != wish.remote?.listen {
      sentences.append("[Control]: Listen is \(list(wish.remote?.listen)) now, it was \(list(now.remote?.listen))")
    }
    if let before = now.remote, let after = wish.remote {
      if before.token != after.token { sentences.append("[Control]: the token is another") }
      if before.identity != after.identity { sentences.append("[Control]: the certificate is another") }
    }
    if now.metrics != wish.metrics {
      sentences.append("[Metrics]: Listen is \(list(wish.metrics)) now, it was \(list(now.metrics))")
    }
    return sentences
  }

  /// Opens them without using them: nobody is let in there who is not let in now, but for those who come by an address
  /// that stays.
  public func open(_ wish: Wish) throws(ControlFailure) -> Opened {
    try ControlDoors.open(wish, house, after: current.withLock { $0.places })
  }

  /// From now on these are the doors.
  public func use(_ opened: Opened) {
    let old = current.withLock { current in
      defer { current = opened }
      return current
    }
    old.servers.stopListening()
    let worker = Worker.start("old-doors") {
      sleep(ControlDoors.grace)
      old.servers.end()
    }
    if let worker { worker.detach() } else { left.withLock { $0.append(old) } }
  }

  private static func open(
    _ wish: Wish, _ house: ControlServer.House, after places: [Opened.Place]
  ) throws(ControlFailure) -> Opened {
    let servers = HTTPServers()
    var opened: [Opened.Place] = []
    do throws(HTTPFailure) {
      for endpoint in wish.remote?.listen ?? [] {
        guard let remote = wish.remote else { continue }
        let place = try place(endpoint, isForMetrics: false, after: places)
        opened.append(place)
        servers.add(try serve(place, .remote(remote.token), remote.identity, house))
      }
      for endpoint in wish.metrics {
        let place = try place(endpoint, isForMetrics: true, after: places)
        opened.append(place)
        servers.add(try serve(place, .metrics, nil, house))
      }
    } catch {
      servers.end()
      for place in opened { close(place.descriptor) }
      throw .remote("\(error)")
    }
    return Opened(wish, opened, servers)
  }

  private static func place(
    _ endpoint: Endpoint, isForMetrics: Bool, after places: [Opened.Place]
  ) throws(HTTPFailure) -> Opened.Place {
    if let same = places.first(where: { $0.wanted == endpoint }) {
      return Opened.Place(
        wanted: endpoint, isForMetrics: isForMetrics, bound: same.bound, descriptor: try copy(of: same.descriptor))
    }
    let descriptor = try ListeningSocket.open(endpoint)
    let bound = Endpoint(endpoint.address, port: ListeningSocket.port(of: descriptor), scope: endpoint.scope)
    return Opened.Place(wanted: endpoint, isForMetrics: isForMetrics, bound: bound, descriptor: descriptor)
  }

  private static func copy(of descriptor: Int32) throws(HTTPFailure) -> Int32 {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    if copy < 0 { throw HTTPFailure("no descriptor is left; raise the limit (ulimit -n)") }
    return copy
  }

  private static func serve(
    _ place: Opened.Place, _ door: ControlServer.Door, _ identity: HTTPIdentity?, _ house: ControlServer.House
  ) throws(HTTPFailure) -> HTTPServer {
    let descriptor = try copy(of: place.descriptor)
    let handler: HTTPServer.Handler = { ControlServer.answer($0, at: door, house) }
    let limits = ControlServer.limits(door)
    if let identity {
      return try HTTPServer.start(
        listening: descriptor, limits: limits, identity: identity, isSlow: ControlServer.isSlow, handler: handler)
    }
    let server = HTTPServer.start(
      listening: descriptor, limits: limits, isSlow: ControlServer.isSlow, handler: handler)
    if let server { return server }
    throw HTTPFailure("cannot serve \(place.bound): no thread or no descriptor is left; raise the limits (ulimit)")
  }
}
