//  Greeting.swift — asks peers as a gateway would, when none runs here: one handshake over each path to each address.
//
//  Why.  A gateway is silent to strangers, so "nothing comes back" has a dozen causes and no witness. A question that
//  is made with the file's own key over the path's own interface is what the gateway will send in its first second;
//  what becomes of it is what will become of the gateway.
//
//  How.  All at once, each on a socket of its own (ProbeSocket), each said at 0, 250 and 750 ms; whoever has answered
//  is let go. The session that comes of it is never used: the peer forgets it. Besides, a datagram of the interface's
//  full size goes along, which nobody can read: a router on the way for whom it is too large says so to the kernel.
//
//  Never beside a running gateway with the same key: the peer would take it for that gateway started anew.
//
//  Always true.  It ends `patience` after it began, whatever comes back.

import Glibc
import Handshake
import POSIX
import Primitives
import Sealing
import Underlay
import Uplinks
import Wire

struct Greeting: Equatable {
  enum Outcome: Equatable {
    case answered(Interval)
    /// It knows us, and asks back: it has heard of a later time from us.
    case askedBack
    /// It answers, and the answer cannot be opened: the secret that both share is another one there.
    case otherSecret
    case noCommonSuite
    /// The machine there says that nobody listens at that port.
    case refused
    /// No socket, or the way says that it leads nowhere.
    case failed(Int32)
    case silent
  }

  var path: String
  var peer: String
  var remote: Endpoint
  var outcome: Outcome
  /// The largest packet for this way, as the kernel knows it; nil: it does not.
  var mtu: Int?

  var isAnswered: Bool { if case .answered = outcome { true } else { false } }

  /// Two round trips by satellite, and a third question before that.
  static let patience = Interval.milliseconds(2_400)
  static let mostQuestions = 3
  /// Each is a socket and a question of 168 bytes; a hub calls nobody.
  static let most = 128

  static func observe(_ site: Site, _ ground: Ground, _ cryptography: any Cryptography) -> [Greeting] {
    guard let key = site.privateKey else { return [] }
    let identity = Identity(privateKey: key.copied(), cryptography)
    var greeters: [Greeter] = []
    for path in site.paths {
      guard let interface = ground.interfaces.first(where: { $0.name == path.interface }), interface.hasCarrier else {
        continue
      }
      for peer in site.peers {
        for remote in peer.endpoints
        where greeters.count < most && interface.addresses.contains(where: { $0.family == remote.address.family }) {
          greeters.append(Greeter(path, peer, remote, identity, mtu: interface.mtu))
        }
      }
    }
    let start = MonotonicClock.now
    while MonotonicClock.now - start < patience, greeters.contains(where: { !$0.isDone }) {
      let now = MonotonicClock.now
      for greeter in greeters { greeter.turn(at: now) }
      let waiting = greeters.filter { !$0.isDone }
      var watched = waiting.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      // Questions are repeated by the clock, so it is looked at now and then.
      _ = poll(&watched, nfds_t(watched.count), 20)
    }
    return greeters.map(\.greeting)
  }
}

/// One question on its way.
private final class Greeter {
  private let path: Site.Path
  private let peer: Site.Peer
  private let remote: Endpoint
  private var socket: ProbeSocket?
  private var handshake: Handshake?
  private var outcome: Greeting.Outcome?
  private var asked = 0
  private var firstAsked: Instant?

  init(_ path: Site.Path, _ peer: Site.Peer, _ remote: Endpoint, _ identity: Identity, mtu: Int) {
    self.path = path
    self.peer = peer
    self.remote = remote
    let wall = WallClock.now.nanoseconds - MonotonicClock.now.nanoseconds
    handshake = Handshake(
      identity, remote: peer.publicKey, presharedKey: peer.presharedKey?.copied(),
      incarnation: identity.cryptography.randomNumber(),
      wallClockAtZero: WallTime(seconds: wall / 1_000_000_000, nanoseconds: UInt32(wall % 1_000_000_000)))
    do throws(UnderlayFailure) {
      socket = try ProbeSocket(interface: path.interface, local: path.bind, to: remote)
    } catch {
      outcome = .failed(error.errno)
      return
    }
    handshake?.lend(1)
    handshake?.lend(2)
    handshake?.begin(at: MonotonicClock.now)
    sendFull(mtu)
  }

  var isDone: Bool { outcome != nil }
  var descriptor: Int32 { socket?.descriptor ?? -1 }

  var greeting: Greeting {
    Greeting(
      path: path.name, peer: peer.name, remote: remote, outcome: outcome ?? .silent, mtu: socket?.mtu ?? nil)
  }

  func turn(at now: Instant) {
    if isDone { return }
    receive(at: now)
    if let due = handshake?.deadline, due <= now, asked < Greeting.mostQuestions { handshake?.expire(at: now) }
    while let message = handshake?.nextMessage() {
      if isDone { return }
      asked += 1
      if firstAsked == nil { firstAsked = now }
      let error = message.withBytes { socket?.send($0) ?? 0 }
      if error != 0 { fail(error) }
    }
  }

  private func receive(at now: Instant) {
    // More than three answers to three questions nobody sends who means well.
    for _ in 0..<16 {
      var bytes = [UInt8](repeating: 0, count: 2_048)
      let count = bytes.withUnsafeMutableBytes { socket?.receive(into: $0) ?? -Int(EAGAIN) }
      if count == -Int(EAGAIN) { return }
      if count < 0 { return fail(Int32(-count)) }
      bytes[..<count].withUnsafeBytes { judge($0, at: now) }
      if isDone { return }
    }
  }

  private func judge(_ bytes: UnsafeRawBufferPointer, at now: Instant) {
    switch HandshakeHeader(bytes) {
    case .initiation: outcome = .askedBack
    case .response, .cookieReply:
      switch handshake?.receive(bytes, at: now) {
      case .completed: outcome = .answered(now - (firstAsked ?? now))
      case .notAuthentic: outcome = .otherSecret
      case .noCommonSuite: outcome = .noCommonSuite
      default: break
      }
    case nil: break
    }
  }

  private func fail(_ error: Int32) {
    switch error {
    case ECONNREFUSED: outcome = .refused
    // Of the large datagram; the small ones go on.
    case EMSGSIZE, EAGAIN, ENOBUFS: break
    default: outcome = .failed(error)
    }
  }

  /// A datagram as large as the interface takes, of zeros: it is of no kind, so the peer drops it at once.
  private func sendFull(_ mtu: Int) {
    let headers = remote.address.family == .ipv4 ? 28 : 48
    let zeros = [UInt8](repeating: 0, count: min(max(mtu - headers, 0), 65_507))
    _ = zeros.withUnsafeBytes { socket?.send($0) ?? 0 }
  }
}
