//  StatusJSON.swift — a snapshot as JSON: what scripts read, and so what must not change without a word in CHANGELOG.
//
//  Units are in the keys. 64-bit numbers that are names and not amounts (the incarnation) are text, because many
//  readers of JSON round beyond 2⁵³.

public import Primitives

extension StatusSnapshot {
  /// Everything: `/v1/status`.
  public func json(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.member("verdict", verdict.rawValue)
      $0.member("version", version)
      $0.member("uptime_ms", uptime.nanoseconds / 1_000_000)
      $0.member("incarnation", hexadecimal(incarnation))
      $0.member("public_key", "\(publicKey)")
      $0.member("interface", interface)
      $0.object("cipher") {
        $0.member("suite", "\(suite)")
        $0.member("implementation", suiteImplementation)
      }
      $0.object("resequencer") {
        $0.member("held_bytes", resequencer.heldBytes)
        $0.member("held_segments", resequencer.heldSegments)
        $0.member("most_bytes", resequencer.mostBytes)
      }
      $0.member("flows", flows)
      $0.member("sent_rate_bps", peers.reduce(0) { $0 + $1.sentRate })
      $0.member("received_rate_bps", peers.reduce(0) { $0 + $1.receivedRate })
      if let oracle { $0.object("oracle") { oracle.write(to: &$0) } }
      $0.array("peers") { for peer in peers { $0.object { peer.write(to: &$0, withPaths: true) } } }
      $0.array("counters") {
        for counter in counters {
          $0.object {
            $0.member("group", counter.group)
            $0.member("verdict", counter.verdict)
            $0.member("count", counter.count)
          }
        }
      }
    }
  }

  /// `/v1/peers`
  public func peersJSON(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.array("peers") { for peer in peers { $0.object { peer.write(to: &$0, withPaths: false) } } }
    }
  }

  /// `/v1/paths`
  public func pathsJSON(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.array("paths") {
        for peer in peers {
          for path in peer.paths {
            $0.object {
              $0.member("peer", peer.name)
              path.write(to: &$0)
              $0.member("share", peer.share(of: path), decimals: 3)
            }
          }
        }
      }
    }
  }

  /// `/healthz`
  public func healthJSON(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) { $0.member("verdict", verdict.rawValue) }
  }
}

extension StatusSnapshot.Oracle {
  fileprivate func write(to object: inout JSONText.Object) {
    object.member("url", url)
    object.member("state", state.rawValue)
    object.member("since_ms", since.nanoseconds / 1_000_000)
    object.member("last_answer_ms", lastAnswer.map { $0.nanoseconds / 1_000_000 })
    object.member("why", why)
  }
}

extension StatusSnapshot.Peer {
  fileprivate func write(to object: inout JSONText.Object, withPaths: Bool) {
    object.member("name", name)
    object.member("public_key", "\(publicKey)")
    object.member("state", state.rawValue)
    object.member("since_ms", since.nanoseconds / 1_000_000)
    object.member("last_handshake_ms", lastHandshake.map { $0.nanoseconds / 1_000_000 })
    traffic.write(to: &object)
    object.member("sent_rate_bps", sentRate)
    object.member("received_rate_bps", receivedRate)
    object.member("mode", mode?.rawValue)
    object.member("mode_reason", mode == nil ? nil : modeReason)
    if withPaths {
      object.array("paths") {
        for path in paths {
          $0.object {
            path.write(to: &$0)
            $0.member("share", share(of: path), decimals: 3)
          }
        }
      }
    } else {
      object.member("paths_up", paths.count { $0.state == .up })
      object.member("paths", paths.count)
    }
  }
}

extension StatusSnapshot.Path {
  func write(to object: inout JSONText.Object) {
    let condition = condition
    object.member("name", name)
    object.member("interface", interface)
    object.member("via", via)
    object.member("remote", remote)
    object.member("seen_as", seenAs)
    object.member("state", condition.word.rawValue)
    object.member("state_reason", condition.reason)
    object.member("liveness", state.rawValue)
    object.member("last_heard_ms", lastHeard.map { $0.nanoseconds / 1_000_000 })
    object.member("rtt_ms", roundTrip?.inMilliseconds, decimals: 3)
    object.member("weight", weight)
    traffic.write(to: &object)
    object.member("sent_rate_bps", sentRate)
    object.member("received_rate_bps", receivedRate)
    object.member("mtu_bytes", mtu.value)
    object.member("mtu_search", search.rawValue)
    object.member("mtu_reason", mtuReason)
    object.member("offload", hasOffload)
    object.member("tier", tier.rawValue)
    object.member("use", use.rawValue)
    object.member("use_reason", useReason)
    object.member("rate_bps", rate)
    object.member("limit_bps", limit)
    object.member("rtt_least_ms", leastRoundTrip?.inMilliseconds, decimals: 3)
    object.member("loss_percent", loss * 100, decimals: 3)
    object.member("control", control)
    object.member("control_reason", controlReason)
    if let budget {
      object.object("budget") {
        $0.member("budget_bytes", budget.bytes)
        $0.member("used_bytes", budget.used)
        $0.member("left_bytes", budget.left)
        $0.member("since", budget.since)
        $0.member("until", budget.until)
      }
    }
  }
}

extension StatusSnapshot.Traffic {
  fileprivate func write(to object: inout JSONText.Object) {
    object.member("received_bytes", receivedBytes)
    object.member("received_packets", receivedPackets)
    object.member("sent_bytes", sentBytes)
    object.member("sent_packets", sentPackets)
  }
}

private func hexadecimal(_ number: UInt64) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
