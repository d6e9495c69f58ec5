//  Reachability.swift — whether the peer answers on a path: by the word of a running gateway, or by a handshake.
//
//  A peer is silent to whom it does not know, so silence names no cause. The remedy then names all of them, the most
//  common first.

import Glibc
import Primitives
import Sealing

enum Reachability {
  // MARK: By the gateway that runs

  static func diagnosis(of way: RunningGateway.Way) -> Diagnosis {
    let to = "\(way.peer)" + (way.remote.map { " at \($0)" } ?? "") + (way.via.map { " over \($0)" } ?? "")
    let found: Diagnosis
    switch way.state {
    case "up", "standby", "over-budget":
      let time = way.roundTripMilliseconds.map { " in \(plainDecimal($0, decimals: 1)) ms" } ?? ""
      let word = way.state == "up" ? "" : "; \(way.state): \(way.reason)"
      found = .fine("peer", "\(to) answers\(time)\(word)")
    case "lossy", "congested":
      found = .warning(
        "peer", "\(to) answers, but the path is \(way.state): \(way.reason)", remedy: "hawser why path \(way.path)")
    default:
      found = .failure("peer", "\(to) does not answer: \(way.reason)", remedy: causes(of: nil))
    }
    return found.about(way.title)
  }

  /// A path of which the gateway knows no way to anybody.
  static func unused(_ path: Site.Path, isCalled: Bool) -> Diagnosis {
    isCalled
      ? .warning(
        "peer", "nobody has come over it so far",
        remedy: "start the other gateway; its Endpoint must be an address of \(path.interface) and this port"
      ).about(path.name)
      : .failure(
        "peer", "it leads to nobody: no peer has an Endpoint that can be reached by it",
        remedy: "write an Endpoint into [Peer], of a family that \(path.interface) has an address of"
      ).about(path.name)
  }

  // MARK: By a handshake

  static func diagnosis(of greeting: Greeting, ownKey: PublicKey) -> Diagnosis {
    let to = "\(greeting.peer) at \(greeting.remote)"
    let found: Diagnosis
    switch greeting.outcome {
    case .answered(let time):
      found = .fine("peer", "\(to) answers in \(plainDecimal(time.inMilliseconds, decimals: 1)) ms")
    case .askedBack:
      found = .warning(
        "peer", "\(to) knows this gateway, and has heard a later time from it: the clock here was set back",
        remedy: "timedatectl set-ntp true; the two find each other all the same")
    case .otherSecret:
      found = .failure(
        "peer", "\(to) answers, but shares another secret: PresharedKey is not the same there",
        remedy: "hawser genpsk, and the same PresharedKey into [Peer] of both files")
    case .noCommonSuite:
      found = .failure(
        "peer", "\(to) answers, but has no cipher in common", remedy: "install the same version of hawser at both ends")
    case .refused:
      found = .failure(
        "peer", "\(to) says that nobody listens at that port",
        remedy: "start the gateway there (systemctl start hawser@NAME), or write its ListenPort into Endpoint here")
    case .failed(let error):
      found = .failure(
        "peer", "\(to) cannot be asked: \(described(error))",
        remedy: error == EPERM || error == EACCES
          ? "run this as root; if it is, a packet filter here drops what leaves: nft list ruleset"
          : "see ip route get \(greeting.remote.address) oif INTERFACE")
    case .silent:
      found = .failure(
        "peer", "\(to) does not answer \(Greeting.mostQuestions) questions", remedy: causes(of: ownKey))
    }
    return found.about(greeting.path)
  }

  private static func causes(of key: PublicKey?) -> String {
    let ours = key.map { " (ours is \($0))" } ?? ""
    return
      "see, in this order, that Endpoint is the other's address and ListenPort; that its gateway runs: hawser status "
      + "there; that nothing there or on the way drops UDP: hawser doctor there; that each file has the other's "
      + "PublicKey\(ours)"
  }
}
