//  PairMemory.swift — something remembered for each of the pairs of nodes that were spoken of last.
//
//  A fleet of 1,000 gateways could ask about a million pairs; it does about some thousand. Two generations bound it:
//  what is written goes into the young one; when that is full, it becomes the old one, and the old one is gone. So
//  between `most` and twice as many of the latest pairs are known, and nothing is ever sorted or searched for the
//  oldest.

struct PairMemory<Value> {
  /// A fleet of a thousand, each with four others.
  static var most: Int { 4_096 }

  private struct Pair: Hashable {
    var from: String
    var to: String
  }

  private var young: [Pair: Value] = [:]
  private var old: [Pair: Value] = [:]

  func value(of from: String, _ to: String) -> Value? {
    let pair = Pair(from: from, to: to)
    return young[pair] ?? old[pair]
  }

  mutating func set(_ value: Value?, of from: String, _ to: String) {
    let pair = Pair(from: from, to: to)
    old[pair] = nil
    guard let value else {
      young[pair] = nil
      return
    }
    if young.count >= PairMemory.most && young[pair] == nil {
      old = young
      young = [:]
    }
    young[pair] = value
  }
}

extension PairMemory: Sendable where Value: Sendable {}
