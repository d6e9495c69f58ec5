//  StatusText.swift — a snapshot as people read it: tables, with amounts in units that fit.
//
//  `status` fits one screen: the gateway, its sum, a line for each peer and each path, a sentence for each path that
//  is not simply up, and what was dropped most. Whoever wants all of it asks `paths`, `peers` or `why`.

import Primitives

extension StatusSnapshot {
  /// Lines of what was dropped or odd; all of them are in JSON and in the metrics.
  private static let mostOdd = 8

  /// What `hawser status` prints.
  public func text() -> String {
    let sums = peers.reduce((out: UInt64(0), in: UInt64(0))) { ($0.out + $1.sentRate, $0.in + $1.receivedRate) }
    let paths = peers.flatMap(\.paths)
    let facts = [
      ["gateway", "\(interface), \(verdict.rawValue), up for \(age(uptime)), version \(version)"],
      [
        "sum",
        "\(writtenRate(sums.out)) out, \(writtenRate(sums.in)) in, \(flows) flows, "
          + "\(paths.count { $0.state == .up }) of \(paths.count) paths work",
      ],
      ["public key", "\(publicKey)"],
      ["cipher", "\(suite) (\(suiteImplementation))"],
      [
        "resequencer",
        "\(amount(resequencer.heldBytes)) of \(amount(resequencer.mostBytes)) held, "
          + "in \(resequencer.heldSegments) segments",
      ],
    ]
    var text = alignedColumns(facts + oracleFacts, right: [])
    if !peers.isEmpty { text += "\n" + shortPeersText() }
    if !paths.isEmpty { text += "\n" + shortPathsText() }
    let whys = whyRows()
    if !whys.isEmpty { text += "\n" + alignedColumns(whys, right: []) }
    return text + oddText()
  }

  private func oddText() -> String {
    let odd = counters.filter { $0.count > 0 && $0.kind != .work }.sorted {
      $0.count != $1.count ? $0.count > $1.count : ($0.group, $0.verdict) < ($1.group, $1.verdict)
    }
    if odd.isEmpty { return "" }
    let listed = odd.prefix(StatusSnapshot.mostOdd).map { [$0.group, $0.verdict, "\($0.count)"] }
    let rest = odd.count - listed.count
    return "\n" + alignedColumns(listed, right: [2]) + (rest > 0 ? "and \(rest) counters more; --json has all\n" : "")
  }

  private var oracleFacts: [[String]] {
    guard let oracle else { return [] }
    let answered = oracle.lastAnswer.map { "answered \(age($0)) ago" } ?? "never answered"
    let state =
      switch oracle.state {
      case .asking: "being asked"
      case .answers: answered
      case .silent: "silent for \(age(oracle.since)), \(answered): \(oracle.why ?? "")"
      }
    return [["oracle", "\(oracle.url), \(state)"]]
  }

  // MARK: Peers

  private func shortPeersText() -> String {
    let head = ["PEER", "STATE", "SINCE", "HANDSHAKE", "PATHS", "OUT", "IN"]
    let rows = peers.map { peer in
      [
        peer.name, peer.state.rawValue, age(peer.since), peer.handshakeText, peer.pathsText,
        writtenRate(peer.sentRate), writtenRate(peer.receivedRate),
      ]
    }
    return alignedColumns([head] + rows, right: [2, 4, 5, 6]) + remedies()
  }

  /// What `hawser peers` prints.
  public func peersText() -> String {
    if peers.isEmpty { return "no peers\n" }
    let head = ["PEER", "STATE", "SINCE", "HANDSHAKE", "PATHS", "OUT", "IN", "RECEIVED", "SENT", "PUBLIC KEY"]
    let rows = peers.map { peer in
      [
        peer.name, peer.state.rawValue, age(peer.since), peer.handshakeText, peer.pathsText,
        writtenRate(peer.sentRate), writtenRate(peer.receivedRate), amount(peer.traffic.receivedBytes),
        amount(peer.traffic.sentBytes), "\(peer.publicKey)",
      ]
    }
    return alignedColumns([head] + rows, right: [2, 4, 5, 6, 7, 8]) + remedies()
  }

  /// A sentence for each peer that should answer and does not: what to look at.
  private func remedies() -> String {
    peers.filter { $0.state == .unreachable }.map { peer in
      "\(peer.name) does not answer: see that a gateway runs there, that its Endpoint here is right, that nothing on "
        + "the way drops UDP, and that each of the two has the other's public key\n"
    }.joined()
  }

  // MARK: Paths

  private func shortPathsText() -> String {
    let head = ["PEER", "PATH", "STATE", "TIER", "RTT", "LOSS", "OUT", "IN", "SHARE"]
    let rows = peers.flatMap { peer in
      peer.paths.map { path in
        [
          peer.name, path.title, path.condition.word.rawValue, path.tier.rawValue, milliseconds(path.roundTrip),
          path.lossText, writtenRate(path.sentRate), writtenRate(path.receivedRate), peer.shareText(of: path),
        ]
      }
    }
    return alignedColumns([head] + rows, right: [4, 5, 6, 7, 8])
  }

  /// What `hawser paths` prints.
  public func pathsText() -> String {
    let head = [
      "PEER", "PATH", "STATE", "TIER", "USE", "RTT", "LOSS", "OUT", "IN", "SHARE", "CAN", "DEVICE", "REMOTE", "MTU",
      "RECEIVED", "SENT",
    ]
    let rows = peers.flatMap { peer in
      peer.paths.map { path in
        [
          peer.name, path.title, path.condition.word.rawValue, path.tier.rawValue,
          path.use == .none ? "-" : path.use.rawValue, milliseconds(path.roundTrip), path.lossText,
          writtenRate(path.sentRate), writtenRate(path.receivedRate), peer.shareText(of: path),
          path.rate.map { writtenRate($0) } ?? "-", path.interface, path.remote ?? "-", path.mtuText,
          amount(path.traffic.receivedBytes), amount(path.traffic.sentBytes),
        ]
      }
    }
    return rows.isEmpty ? "no paths\n" : alignedColumns([head] + rows, right: [5, 6, 7, 8, 9, 10, 13, 14, 15])
  }

  /// Why not all of a peer's paths are used; why a path is not simply up; what budgets have left.
  private func whyRows() -> [[String]] {
    var rows: [[String]] = []
    for peer in peers {
      if let mode = peer.mode, mode != .all { rows.append([peer.name, "", mode.rawValue, peer.modeReason]) }
      for path in peer.paths where path.condition.word != .up {
        rows.append([peer.name, path.title, path.condition.word.rawValue, path.condition.reason])
      }
    }
    return rows + budgetRows()
  }

  private func budgetRows() -> [[String]] {
    var seen: Set<String> = []
    return peers.flatMap(\.paths).compactMap { path in
      guard let budget = path.budget, seen.insert(path.name).inserted else { return nil }
      return [
        "", path.name, "budget",
        "\(amount(budget.used)) of \(amount(budget.bytes)) used since \(budget.since), \(amount(budget.left)) left "
          + "until \(budget.until)",
      ]
    }
  }

  /// What `/healthz` answers to people.
  public func healthText() -> String { verdict.rawValue + "\n" }
}

extension StatusSnapshot.Peer {
  fileprivate var handshakeText: String { lastHandshake.map { age($0) + " ago" } ?? "never" }
  fileprivate var pathsText: String { "\(paths.count { $0.state == .up })/\(paths.count)" }

  fileprivate func shareText(of path: StatusSnapshot.Path) -> String {
    share(of: path).map { "\(Int(($0 * 100).rounded())) %" } ?? "-"
  }
}

extension StatusSnapshot.Path {
  fileprivate var lossText: String { plainDecimal(loss * 100, decimals: 1) + " %" }

  /// What was found is a number; what may change any moment says so.
  fileprivate var mtuText: String {
    switch search {
    case .complete, .stopped: "\(mtu.value)"
    case .searching: "\(mtu.value)?"
    case .error: "\(mtu.value)!"
    }
  }
}
