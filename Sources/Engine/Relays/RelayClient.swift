//  RelayClient.swift — what a relay has of a gateway that may ask: its handshake, where it was heard, what it asked
//  for, and how far it is.
//
//  A gateway measures how far its relays are, and so may a relay how far its gateways are, when an oracle wants to
//  know: ten questions a second to where the gateway was heard last, inside the session. The mark of a question is the
//  time at which it was sent, so a gateway that lies can only make itself seem near or far.

import Handshake
import PathHealth
public import Primitives
import Wire

/// A gateway that may ask for bindings.
struct RelayClient: ~Copyable {
  /// Where he was heard.
  struct Way: BitwiseCopyable {
    var remote: Endpoint
    var local: IPAddress?
  }

  /// What he asked for from an address at which he may not receive.
  struct Wish {
    var bind: RelayBind
    var remote: Endpoint
    var mark: UInt64
  }

  /// He asks again for what is forgotten; more at once only who has more paths than a gateway can.
  static let mostWishes = 16

  let name: String
  var handshake: Handshake
  /// The place of the session that we seal with.
  var current: Int?
  /// Which run of his gateway it is.
  var incarnation: UInt64?
  /// Of our datagrams to him, over all his paths and keys: so none is used twice.
  var counter: UInt64 = 0
  /// The oldest first, one for each number.
  private var wishes: [Wish] = []
  /// nil: never, or not with these keys.
  var lastHeard: Heard?
  var probes = ProbeRecord()
  var nextProbe: Instant?
  var probesEnd = Instant.zero

  struct Heard: BitwiseCopyable {
    var way: Way
    var path: UInt8
    var at: Instant
  }

  /// Further back nobody is where he was: his translator has forgotten him.
  static let heardFor = Interval.seconds(60)

  init(name: String, handshake: consuming Handshake) {
    self.name = name
    self.handshake = handshake
  }

  mutating func note(_ wish: Wish) {
    wishes.removeAll { $0.bind.number == wish.bind.number }
    if wishes.count == RelayClient.mostWishes { wishes.removeFirst() }
    wishes.append(wish)
  }

  /// The wish that this mark was sent for, if it comes back from where it went.
  mutating func take(_ mark: UInt64, from remote: Endpoint) -> Wish? {
    guard let index = wishes.firstIndex(where: { $0.mark == mark && $0.remote == remote }) else { return nil }
    return wishes.remove(at: index)
  }

  var deadline: Instant? {
    guard let nextProbe else { return handshake.deadline }
    return handshake.deadline.map { min($0, nextProbe) } ?? nextProbe
  }

  /// An answer to a question of ours, if it is one.
  mutating func probed(_ mark: UInt64, at now: Instant) {
    let asked = Instant(nanoseconds: mark)
    guard asked <= now, now - asked < .seconds(10), probes.asked > 0 else { return }
    probes.note(now - asked, at: now)
  }
}

extension RelayEngine {
  /// Clients by their places in the settings. Whoever was not heard lately is not asked.
  public mutating func probe(client index: Int, until end: Instant, at now: Instant) {
    clients[index].probesEnd = end
    if clients[index].nextProbe == nil { clients[index].nextProbe = now }
    timers.set(index, clients[index].deadline)
  }

  mutating func expireProbes(of index: Int, at now: Instant) {
    guard let due = clients[index].nextProbe, due <= now else { return }
    clients[index].nextProbe = now < clients[index].probesEnd ? now + RelaySlot.probePause : nil
    guard clients[index].nextProbe != nil, let heard = clients[index].lastHeard,
      now - heard.at < RelayClient.heardFor, clients[index].current != nil
    else { return }
    clients[index].probes.ask()
    tell(index, on: heard.path, heard.way) { $0.append(ControlMessage(.ping, mark: now.nanoseconds)) }
  }

  /// Of those that were asked.
  public func figures(at now: Instant) -> [WayFigures] {
    (0..<clients.count).compactMap { index in
      guard let least = clients[index].probes.delays.least(at: now) else { return nil }
      var figures = WayFigures(peer: index, relay: nil, isUp: true)
      figures.roundTrip = least
      figures.excess = clients[index].probes.delays.shares.map { (delay: $0.excess, count: $0.count) }
      figures.loss = clients[index].probes.loss
      return figures
    }
  }
}
