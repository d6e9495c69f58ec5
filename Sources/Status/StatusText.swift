//  StatusText.swift — a snapshot as people read it: tables, with amounts in units that fit.

import Primitives

extension StatusSnapshot {
  /// What `hawser status` prints: the gateway, then a table of its paths, then what was dropped or odd.
  public func text() -> String {
    let facts = [
      ["gateway", "\(interface), \(verdict.rawValue), up for \(age(uptime)), version \(version)"],
      ["public key", "\(publicKey)"],
      ["cipher", "\(suite) (\(suiteImplementation))"],
      [
        "resequencer",
        "\(amount(resequencer.heldBytes)) of \(amount(resequencer.mostBytes)) held, "
          + "in \(resequencer.heldSegments) segments",
      ],
    ]
    var text = alignedColumns(facts + oracleFacts, right: [])
    if !peers.isEmpty { text += "\n" + peersText() }
    if peers.contains(where: { !$0.paths.isEmpty }) { text += "\n" + pathsText() }
    if peers.contains(where: { $0.mode != nil }) { text += "\n" + whyText() }
    let odd = counters.filter { $0.count > 0 }
    if !odd.isEmpty {
      text += "\n" + alignedColumns(odd.map { [$0.group, $0.verdict, "\($0.count)"] }, right: [2])
    }
    return text
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

  /// What `hawser peers` prints.
  public func peersText() -> String {
    if peers.isEmpty { return "no peers\n" }
    let head = ["PEER", "STATE", "SINCE", "HANDSHAKE", "PATHS", "RECEIVED", "SENT", "PUBLIC KEY"]
    let rows = peers.map { peer in
      [
        peer.name, peer.state.rawValue, age(peer.since), peer.lastHandshake.map { age($0) + " ago" } ?? "never",
        "\(peer.paths.count { $0.state == .up })/\(peer.paths.count)", amount(peer.traffic.receivedBytes),
        amount(peer.traffic.sentBytes), "\(peer.publicKey)",
      ]
    }
    return alignedColumns([head] + rows, right: [2, 4, 5, 6]) + remedies()
  }

  /// A sentence for each peer that should answer and does not: what to look at.
  private func remedies() -> String {
    peers.filter { $0.state == .unreachable }.map { peer in
      "\(peer.name) does not answer: see that a gateway runs there, that its Endpoint here is right, that nothing on "
        + "the way drops UDP, and that each of the two has the other's public key\n"
    }.joined()
  }

  /// What `hawser paths` prints.
  public func pathsText() -> String {
    let head = [
      "PEER", "PATH", "STATE", "TIER", "USE", "RATE", "DEVICE", "REMOTE", "RTT", "LOSS", "MTU",
      "RECEIVED", "SENT",
    ]
    let rows = peers.flatMap { peer in
      peer.paths.map { path in
        [
          peer.name, path.title, path.state.rawValue, path.tier.rawValue, path.use == .none ? "-" : path.use.rawValue,
          path.rate.map(rate) ?? "-", path.interface, path.remote ?? "-", milliseconds(path.roundTrip),
          plainDecimal(path.loss * 100, decimals: 1) + " %", path.mtuText, amount(path.traffic.receivedBytes),
          amount(path.traffic.sentBytes),
        ]
      }
    }
    return rows.isEmpty ? "no paths\n" : alignedColumns([head] + rows, right: [5, 8, 9, 10, 11, 12])
  }

  /// What `hawser status` prints below its tables: for each peer why so many of its paths are used,
  /// for each path why it carries or not and what its controller does; what budgets have left.
  public func whyText() -> String {
    var rows: [[String]] = []
    for peer in peers {
      if let mode = peer.mode { rows.append([peer.name, "", mode.rawValue, peer.modeReason]) }
      for path in peer.paths where path.use != .none {
        rows.append([peer.name, path.title, path.use.rawValue, path.useReason])
        if !path.control.isEmpty { rows.append([peer.name, path.title, path.control, path.controlReason]) }
      }
    }
    rows += budgetRows()
    return rows.isEmpty ? "no peer has a path that is up\n" : alignedColumns(rows, right: [])
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

  private func milliseconds(_ time: Interval?) -> String {
    time.map { plainDecimal($0.inMilliseconds, decimals: 1) + " ms" } ?? "-"
  }

  private func rate(_ bitsPerSecond: UInt64) -> String {
    let megabits = Double(bitsPerSecond) / 1e6
    return plainDecimal(megabits, decimals: megabits < 10 ? 1 : 0) + " Mbit/s"
  }

  /// What `/healthz` answers to people.
  public func healthText() -> String { verdict.rawValue + "\n" }
}

extension StatusSnapshot.Path {
  /// What was found is a number; what may change any moment says so.
  fileprivate var mtuText: String {
    switch search {
    case .complete, .stopped: "\(mtu.value)"
    case .searching: "\(mtu.value)?"
    case .error: "\(mtu.value)!"
    }
  }
}

/// 1.5 MB: three digits are enough to see what is going on.
private func amount(_ bytes: UInt64) -> String {
  let units = ["B", "kB", "MB", "GB", "TB", "PB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 999.5 && unit < units.count - 1 {
    value /= 1_000
    unit += 1
  }
  let decimals = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return plainDecimal(value, decimals: decimals) + " " + units[unit]
}

/// 3 d 4 h, 2 h 5 min, 1 min 3 s, 12 s.
private func age(_ span: Interval) -> String {
  let seconds = max(0, span.nanoseconds / 1_000_000_000)
  let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60)
  if days > 0 { return "\(days) d \(hours) h" }
  if hours > 0 { return "\(hours) h \(minutes) min" }
  if minutes > 0 { return "\(minutes) min \(seconds % 60) s" }
  return "\(seconds) s"
}

extension StatusSnapshot.Path {
  /// `fibre`, or `fibre via r1`.
  fileprivate var title: String { via.map { "\(name) via \($0)" } ?? name }
}
