//  FlowExplanation.swift — why a flow is carried as it is, and why a path stands as it does: `hawser why`.
//
//  The data path says what only it knows (which rule, which class, which paths); its peer's paths with their numbers
//  come from the snapshot that was made beside it, so that both speak of one moment.

public import Primitives

public struct FlowExplanation: Equatable, Sendable {
  /// A rule that was asked before the one that decided.
  public struct Passed: Equatable, Sendable {
    public var rule: String
    /// What did not hold.
    public var obstacle: String

    public init(rule: String, obstacle: String) {
      self.rule = rule
      self.obstacle = obstacle
    }
  }

  public struct Way: Equatable, Sendable {
    /// As in the snapshot: `fibre`, or `fibre via r1`.
    public var path: String
    public var remote: String?
    public var carries: Bool
    /// Why it does, or not.
    public var reason: String

    public init(path: String, remote: String?, carries: Bool, reason: String) {
      self.path = path
      self.remote = remote
      self.carries = carries
      self.reason = reason
    }
  }

  public var key: FlowKey
  /// nil: there is no such flow now, and this is what its first packet would meet.
  public var flow: FlowList.Row?
  public var passed: [Passed] = []
  /// nil: no rule held.
  public var rule: String?
  /// nil: its destination belongs to no peer.
  public var peer: String?
  public var className = ""
  public var classReason = ""
  public var stack = FlowList.Stack.striped
  public var stackReason = ""
  public var ways: [Way] = []

  public init(key: FlowKey) { self.key = key }

  public func json(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.member("kind", "flow")
      $0.member("flow", "\(key)")
      $0.member("lives", flow != nil)
      $0.member("peer", peer)
      $0.member("rule", rule)
      $0.array("passed_rules") {
        for passed in passed {
          $0.object {
            $0.member("rule", passed.rule)
            $0.member("obstacle", passed.obstacle)
          }
        }
      }
      $0.member("class", className)
      $0.member("class_reason", classReason)
      $0.member("stack", stack.word)
      $0.member("stack_reason", stackReason)
      if let flow {
        $0.member("lane", flow.lane)
        $0.member("sent_bytes", flow.sentBytes)
        $0.member("received_bytes", flow.receivedBytes)
        $0.member("sent_rate_bps", flow.sentRate)
        $0.member("received_rate_bps", flow.receivedRate)
        $0.member("age_ms", flow.age.nanoseconds / 1_000_000)
      }
      $0.array("paths") {
        for way in ways {
          $0.object {
            $0.member("path", way.path)
            $0.member("remote", way.remote)
            $0.member("carries", way.carries)
            $0.member("reason", way.reason)
          }
        }
      }
    }
  }

  public func text(_ snapshot: StatusSnapshot) -> String {
    var facts: [[String]] = [
      ["flow", "\(key)" + (flow == nil ? ": there is none now; its first packet would be" : "")]
    ]
    guard let peer else {
      facts.append(["peer", "none: the destination is in nobody's AllowedIPs, so it is refused"])
      return alignedColumns(facts, right: [])
    }
    facts.append(["peer", peer])
    for passed in passed { facts.append(["not", "rule \"\(passed.rule)\": \(passed.obstacle)"]) }
    facts.append(["rule", rule.map { "\"\($0)\" holds" } ?? "none holds, so the default does"])
    facts.append(["class", "\(className): \(classReason)"])
    facts.append(["stack", "\(stack.word): \(stackReason)"])
    if let flow {
      facts.append([
        "traffic",
        "\(writtenRate(flow.sentRate)) out, \(writtenRate(flow.receivedRate)) in; \(amount(flow.sentBytes)) sent, "
          + "\(amount(flow.receivedBytes)) received in \(age(flow.age)); lane \(flow.lane)",
      ])
    }
    let paths = snapshot.peers.first { $0.name == peer }?.paths ?? []
    let head = ["PATH", "CARRIES", "STATE", "TIER", "RATE", "RTT", "LOSS", "WHY"]
    let rows = ways.map { way in
      let path = paths.first { $0.title == way.path && $0.remote == way.remote }
      return [
        way.path, way.carries ? "yes" : "no", path?.condition.word.rawValue ?? "-", path?.tier.rawValue ?? "-",
        path?.rate.map { writtenRate($0) } ?? "-", milliseconds(path?.roundTrip),
        path.map { plainDecimal($0.loss * 100, decimals: 1) + " %" } ?? "-", way.reason,
      ]
    }
    return alignedColumns(facts, right: [])
      + (rows.isEmpty ? "" : "\n" + alignedColumns([head] + rows, right: [4, 5, 6]))
  }
}

extension StatusSnapshot {
  /// The paths with this name, over all peers: `fibre`, or `fibre via r1`.
  func paths(named name: String) -> [(peer: Peer, path: Path)] {
    peers.flatMap { peer in peer.paths.filter { $0.name == name || $0.title == name }.map { (peer, $0) } }
  }

  /// Why a path stands as it does; nil when there is none with this name.
  public func explainPath(_ name: String) -> PathExplanation? {
    let found = paths(named: name)
    return found.isEmpty ? nil : PathExplanation(name: name, found: found)
  }
}

public struct PathExplanation: Sendable {
  let name: String
  let found: [(peer: StatusSnapshot.Peer, path: StatusSnapshot.Path)]

  public func json(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.member("kind", "path")
      $0.member("path", name)
      $0.array("ways") {
        for (peer, path) in found {
          $0.object {
            $0.member("peer", peer.name)
            $0.member("mode", peer.mode?.rawValue)
            $0.member("mode_reason", peer.mode == nil ? nil : peer.modeReason)
            path.write(to: &$0)
          }
        }
      }
    }
  }

  public func text() -> String {
    found.map { peer, path in
      let condition = path.condition
      var facts = [
        ["path", "\(path.title) to \(peer.name)" + (path.remote.map { " at \($0)" } ?? "") + ", by \(path.interface)"],
        ["state", "\(condition.word.rawValue): \(condition.reason)"],
        ["seen as", path.seenAs.map { "\($0) by \(path.via ?? peer.name)" } ?? "nothing was said yet"],
        ["tier", path.tier.rawValue + (path.useReason.isEmpty ? "" : ": \(path.useReason)")],
      ]
      if let mode = peer.mode { facts.append(["governor", "\(mode.rawValue): \(peer.modeReason)"]) }
      if !path.control.isEmpty { facts.append(["control", "\(path.control): \(path.controlReason)"]) }
      let limit = path.limit.map { ", at most \(writtenRate($0))" } ?? ""
      facts.append(["rate", (path.rate.map { "\(writtenRate($0)) believed" } ?? "nothing known yet") + limit])
      facts.append([
        "round trip",
        "\(milliseconds(path.roundTrip)), least \(milliseconds(path.leastRoundTrip)); "
          + "loss \(plainDecimal(path.loss * 100, decimals: 1)) %",
      ])
      if let budget = path.budget {
        facts.append([
          "budget",
          "\(amount(budget.used)) of \(amount(budget.bytes)) used since \(budget.since), \(amount(budget.left)) left "
            + "until \(budget.until)",
        ])
      }
      facts.append(["MTU", "\(path.mtu.value) bytes" + (path.mtuReason.map { ": \($0)" } ?? "")])
      return alignedColumns(facts, right: [])
    }.joined(separator: "\n")
  }
}
