//  Choice.swift — one continent: what all sets deliver, and what the oracle and chance would have taken.
//
//  Why rounds.  One TCP for ten seconds is a matter of luck: the same set, with other losses, differs by 7 in a hundred
//  (one deviation), and the best of 377 figures is the luckiest set rather than the best. So all sets are tried once,
//  the best 16 of them four times, and the best 8 of these eight times; what counts is the mean. What the oracle chose
//  is in all rounds, with the same draws of chance.

import PathOracle
import Primitives

struct Choice {
  struct Tried {
    var set: [Int]
    var figures: [Double]

    var goodput: Double { figures.reduce(0, +) / Double(max(1, figures.count)) }
  }

  /// How many sets are tried so often.
  private static let rounds = [(draws: 1, sets: Int.max), (draws: 4, sets: 16), (draws: .max, sets: 8)]

  let continent: Continent
  /// The best first.
  private(set) var tried: [Tried]
  private(set) var oracle: [Int]
  let answer: PathAnswer
  private let k: Int

  init(_ throughput: Throughput, k: Int, draws: Int, kept: Kept) throws {
    continent = throughput.continent
    self.k = k
    var reports = Reports(continent)
    let map = reports.map()
    var model = ModelStrategy(cost: SetModel.cost)
    let query = PathQuery(from: Continent.branch, to: Continent.hq, count: k, objective: .throughput)
    answer = try map.answer(query, by: &model, at: Reports.now)
    let names = continent.ways.indices.map(Continent.name)
    oracle = answer.paths.compactMap { path in names.firstIndex(of: path.via) }.sorted()

    tried = Choice.sets(of: continent.ways.count, most: k).map { Tried(set: $0, figures: []) }
    for round in Choice.rounds {
      // Those of no interest any more stand behind those of this round.
      let firsts = tried.indices.filter { $0 < round.sets || tried[$0].set == oracle }
      for index in firsts {
        while tried[index].figures.count < min(round.draws, draws) {
          let draw = Kept.Draw(set: tried[index].set, number: tried[index].figures.count)
          let known = kept[draw]
          let figure = try known ?? throughput.of(draw.set, draw: draw.number)
          if known == nil { kept.keep(figure, of: draw) }
          tried[index].figures.append(figure)
        }
      }
      let (front, rest) = (firsts.map { tried[$0] }, tried.indices.filter { !firsts.contains($0) }.map { tried[$0] })
      tried = front.sorted { ($1.goodput, $0.set.count) < ($0.goodput, $1.set.count) } + rest
    }
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
  var single: Double { tried.filter { $0.set.count == 1 }.map(\.goodput).max() ?? 0 }

  /// What drawing k ways by chance brings: not one draw, but the mean of all that there are.
  var chance: Double {
    let all = tried.filter { $0.set.count == k }.compactMap(\.figures.first)
    return all.reduce(0, +) / Double(max(1, all.count))
  }

  static func text(_ set: [Int]) -> String {
    set.map { Continent.name(of: $0) ?? "direct" }.joined(separator: "+")
  }
}
