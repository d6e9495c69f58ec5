//  BenchJSON.swift — a result in the words that scripts rely on: units in the keys, null for what was not measured.

public import Primitives

extension BenchResult {
  public func json(_ layout: JSONText.Layout = .indented) -> String {
    JSONText.object(layout) { write(to: &$0) }
  }

  /// All members of the result's object.
  public func write(to object: inout JSONText.Object) {
    object.member("topology", topology)
    object.member("direction", options.direction.rawValue)
    object.member("flows", options.flows)
    object.member("seconds", options.seconds)
    object.member("congestion_control", options.congestionControl.rawValue)
    object.array("paths") { array in
      for path in paths { array.object { path.write(to: &$0) } }
    }
    if let bond {
      object.object("bond") { bond.write(to: &$0) }
    } else {
      object.null("bond")
    }
    object.member("best_path_ratio", bestPathRatio, decimals: 4)
    object.member("sum_ratio", sumRatio, decimals: 4)
    if let against = options.against { object.member("against", against.rawValue) }
    object.member("late_share", lateShare, decimals: 6)
    object.array("notes") { for note in notes { $0.element(note) } }
  }
}

extension BenchResult.Path {
  fileprivate func write(to object: inout JSONText.Object) {
    object.member("name", name)
    object.member("goodput_bps", goodputBitsPerSecond, decimals: 0)
    object.member("rate_bps", rate?.bitsPerSecond)
    object.member("rtt_ms", idle.median, decimals: 3)
    object.member("rtt_loaded_p50_ms", loaded.median, decimals: 3)
    object.member("rtt_loaded_p99_ms", loaded.quantile(0.99), decimals: 3)
    object.member("retransmits", retransmits)
    object.member("warmup_seconds", warmUp.inSeconds, decimals: 3)
  }
}

extension BenchResult.Bond {
  fileprivate func write(to object: inout JSONText.Object) {
    object.member("goodput_bps", goodputBitsPerSecond, decimals: 0)
    object.member("rtt_idle_ms", idle.median, decimals: 3)
    object.member("rtt_loaded_p50_ms", loaded.median, decimals: 3)
    object.member("rtt_loaded_p99_ms", loaded.quantile(0.99), decimals: 3)
    object.member("retransmits", retransmits)
    object.member("warmup_seconds", warmUp.inSeconds, decimals: 3)
    if shares.isEmpty { return }
    object.array("shares") { array in
      for share in shares {
        array.object {
          $0.member("name", share.path)
          $0.member("share", share.share, decimals: 4)
        }
      }
    }
  }
}
