//  Kept.swift — figures of sets that were simulated before: who changes the oracle need not simulate the world again.
//
//  One file a continent, one line a draw of a set. It knows the seed, the times and nothing of the engine: whoever
//  changes that, or the continents, begins with an empty directory.

import Glibc
import Primitives

struct Kept {
  private let path: String?
  private var figures: [Draw: Double] = [:]

  struct Draw: Hashable {
    var set: [Int]
    var number: Int
  }

  init(_ directory: String?, seed: UInt64, _ times: String) {
    path = directory.map { "\($0)/\(seed)-\(times).tsv" }
    guard let path, let file = fopen(path, "r") else { return }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split(whereSeparator: \.isWhitespace)
      guard words.count == 3, let number = Int(words[1]), let figure = Double(words[2]) else { continue }
      figures[Draw(set: words[0].split(separator: ",").compactMap { Int($0) }, number: number)] = figure
    }
  }

  subscript(draw: Draw) -> Double? { figures[draw] }

  func keep(_ figure: Double, of draw: Draw) {
    guard let path, let file = fopen(path, "a") else { return }
    fputs("\(draw.set.map { "\($0)" }.joined(separator: ","))\t\(draw.number)\t\(figure)\n", file)
    fclose(file)
  }
}
