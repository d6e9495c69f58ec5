//  Choice.swift — one continent: what all sets deliver, and what the oracle and chance would have taken.

import PathOracle
import Primitives

struct Choice {
  struct Tried {
    var set: [Int]
    var goodput: Double
  }

  let continent: Continent
  /// The best first.
  private(set) var tried: [Tried] = []
  private(set) var oracle: [Int] = []
  private(set) var answer: PathAnswer?
  private let k: Int

  init(_ throughput: Throughput, k: Int, kept: Kept) throws {
    continent = throughput.continent
    self.k = k
    for set in Choice.sets(of: continent.ways.count, most: k) {
      let figure: Double
      if let known = kept[set] {
        figure = known
      } else {
        figure = try throughput.of(set)
        kept.keep(figure, of: set)
      }
      tried.append(Tried(set: set, goodput: figure))
    }
    tried.sort { ($1.goodput, $0.set.count) < ($0.goodput, $1.set.count) }

    var reports = Reports(continent)
    let map = reports.map()
    var model = ModelStrategy(cost: SetModel.cost)
    let query = PathQuery(from: Continent.branch, to: Continent.hq, count: k, objective: .throughput)
    let answer = try map.answer(query, by: &model, at: Reports.now)
    self.answer = answer
    let names = continent.ways.indices.map(Continent.name)
    oracle = answer.paths.compactMap { path in names.firstIndex(of: path.via) }.sorted()
  }

  /// All sets of one to so many.
  static func sets(of count: Int, most: Int) -> [[Int]] {
    var sets: [[Int]] = [[]]
    for way in 0..<count { sets += sets.filter { $0.count < most }.map { $0 + [way] } }
    return sets.filter { !$0.isEmpty }
  }

  func goodput(of set: [Int]) -> Double { tried.first { $0.set == set }?.goodput ?? 0 }

  var best: Double { tried.first?.goodput ?? 0 }
  var chosen: Double { goodput(of: oracle) }
  var direct: Double { goodput(of: [0]) }
  var single: Double { tried.first { $0.set.count == 1 }?.goodput ?? 0 }

  /// What drawing k ways by chance brings: not one draw, but the mean of all that there are.
  var random: Double {
    let all = tried.filter { $0.set.count == k }
    return all.reduce(0) { $0 + $1.goodput } / Double(max(1, all.count))
  }

  static func text(_ set: [Int]) -> String {
    set.map { Continent.name(of: $0) ?? "direct" }.joined(separator: "+")
  }
}
