//  Access.swift — who asks: a node, a reader, nobody, or somebody whom we do not know.
//
//  Why.  What an oracle believes decides where traffic goes, and what it shows is a plan of the fleet. So only those
//  who are on the map may add to it, each under its own name; and who may read is the operator's to say.
//
//  How.  Whoever asks shows a token, and its SHA-256 is compared with all that are known, all of them each time: how
//  long it takes says nothing about a token. A token that is known to nobody is refused wherever it is shown, also
//  where none is needed: its owner believes to be somebody here, and should hear that he is not.
//
//      shown           measurements        map, query, ALTO
//      ─────────────   ────────────        ──────────────────────────────
//      a node's        as that node        yes
//      a reader's      403                 yes
//      unknown         401                 401
//      none            401                 where it is open: yes; else 401
//
//  Cost: 8 bytes compared four times for each known token; a fleet of 8,000 costs ten microseconds.

import Primitives
import Sealing

enum Identity: Equatable {
  case node(String)
  case reader(String)
  case nobody
  case stranger
}

struct Access {
  private var credentials: [(hash: TokenHash, owner: Identity)] = []

  /// nil takes the token away. A token belongs to one; who comes later does not get it.
  mutating func set(_ hash: TokenHash?, of owner: Identity) -> Bool {
    credentials.removeAll { $0.owner == owner }
    guard let hash else { return true }
    if credentials.contains(where: { $0.hash.isSame(as: hash) }) { return false }
    credentials.append((hash, owner))
    return true
  }

  func identity(_ shown: TokenHash?) -> Identity {
    guard let shown else { return .nobody }
    var found = Identity.stranger
    for credential in credentials where credential.hash.isSame(as: shown) { found = credential.owner }
    return found
  }

  private static let challenge = [(name: "WWW-Authenticate", value: "Bearer")]

  /// The node that may report; throws who may not.
  func reporter(_ request: OracleRequest) throws(Failure) -> String {
    switch identity(request.token) {
    case .node(let name): return name
    case .reader(let name):
      throw Failure(.forbidden, "\"\(name)\" may read, and reports nothing: this takes a gateway's or a relay's token")
    case .nobody:
      throw Failure(.unauthorized, "this takes the token of a gateway or a relay", headers: Access.challenge)
    case .stranger: throw Failure(.unauthorized, "nobody here has this token", headers: Access.challenge)
    }
  }

  func reader(_ request: OracleRequest) throws(Failure) -> Identity {
    let identity = identity(request.token)
    switch identity {
    case .node, .reader: return identity
    case .nobody:
      if request.isOpen { return identity }
      throw Failure(.unauthorized, "this takes a token", headers: Access.challenge)
    case .stranger: throw Failure(.unauthorized, "nobody here has this token", headers: Access.challenge)
    }
  }
}

/// How often somebody reports: a bucket that fills with time, from which each report takes.
struct ReportRate {
  /// Gateways report every ten seconds; after a restart of the oracle some more at once.
  static let perSecond: Int64 = 2
  static let burst: Int64 = 20

  private var level = ReportRate.burst * 1_000_000_000
  private var filled: Instant

  init(at now: Instant) { filled = now }

  /// nil: it may. Otherwise in how long it may again.
  mutating func take(at now: Instant) -> Interval? {
    let full = ReportRate.burst * 1_000_000_000
    // Beyond what fills the bucket time does not matter, and the product would not fit.
    let passed = min(max((now - filled).nanoseconds, 0), full)
    level = min(full, level + passed * ReportRate.perSecond)
    filled = now
    if level >= 1_000_000_000 {
      level -= 1_000_000_000
      return nil
    }
    return Interval(nanoseconds: (1_000_000_000 - level) / ReportRate.perSecond)
  }
}
