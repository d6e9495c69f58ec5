//  PeerPath.swift — one way to a peer: from which socket, to which address, how it fares.
//
//  Both sides name a path with the same number, since the number is part of every nonce and of the replay window. Who
//  finds a path names it: the gateway with the greater public key (the elder) takes 0 ... 31, the other 32 ... 63. When
//  both find the same pair of addresses, the elder's stays.

import PathMTU
import Primitives
import Striper
import Wire

struct PeerPath: BitwiseCopyable {
  /// Names of paths between two gateways; each can have one window against replay per key.
  static let mostIDs = 64
  static let idsOfOneSide = 32
  /// Paths that are there at one time.
  static let mostPaths = 16

  struct Traffic: BitwiseCopyable {
    var datagrams: UInt64 = 0
    var bytes: UInt64 = 0
  }

  var id: UInt8
  var peer: UInt32
  var route: Route
  /// Where we found it, if we did. Who is between us can lead both sides astray by sending on what he overhears, and
  /// then be silent: what leads nowhere is looked for where it was.
  let home: Route?
  var liveness: Liveness
  /// Bytes of text in a full datagram, as the path's search has it.
  var payload: Int
  var openBatch: UInt16?
  /// Parts that wait for this path: see `Striper.Precedence`.
  var urgent = PartList()
  var again = PartList()
  var bulk = PartList()
  /// It is in the list of paths with an open batch.
  var isListed = false
  /// Whether we found it: then it is ours to keep awake and to give up.
  var isOurs: Bool
  /// What was sent from here, so that a new address is taken only from something newer.
  var newestHeard: UInt64 = 0
  var sent = Traffic()
  var received = Traffic()
  var replayed: UInt64 = 0
  /// Of both, with headers, what the budget knows of.
  var billed: UInt64 = 0
  /// What the other side wants of it, and whether he was ever told what we want.
  var told = ToldTerms()
  var hasToldTerms = false

  init(
    id: UInt8, peer: UInt32, route: Route, size: PathMTU, isOurs: Bool, keepalive: Interval?, at now: Instant
  ) {
    self.id = id
    self.peer = peer
    self.route = route
    home = isOurs ? route : nil
    self.isOurs = isOurs
    payload = size.payload - DataHeader.overhead
    liveness = Liveness(keepsAlive: isOurs || keepalive != nil, every: keepalive, at: now)
  }

  @inline(__always)
  subscript(precedence: Striper.Precedence) -> PartList {
    get {
      switch precedence {
      case .urgent: urgent
      case .again: again
      case .bulk: bulk
      }
    }
    set {
      switch precedence {
      case .urgent: urgent = newValue
      case .again: again = newValue
      case .bulk: bulk = newValue
      }
    }
  }

  /// Of all parts that wait.
  var waitingBytes: Int { urgent.bytes + again.bytes + bulk.bytes }

  /// What leaves next; nil: nothing waits.
  @inline(__always)
  var precedence: Striper.Precedence? {
    if !urgent.isEmpty { return .urgent }
    if !again.isEmpty { return .again }
    return bulk.isEmpty ? nil : .bulk
  }

  /// A path that the other side found and has not used for as long as keys live: it will not come back under this name.
  static let forgottenAfter = Interval.seconds(180)

  func isForgotten(at now: Instant) -> Bool {
    guard !isOurs, liveness.state == .down, let heard = liveness.lastHeard else { return false }
    return now - heard > PeerPath.forgottenAfter
  }
}
