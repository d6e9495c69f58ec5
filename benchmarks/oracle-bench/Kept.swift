//  Kept.swift — figures of sets that were simulated before: who changes the oracle need not simulate the world again.
//
//  One file a continent, one line a set. It knows the seed, the times and nothing of the engine: whoever changes that,
//  or the continents, begins with an empty directory.

import Glibc
import Primitives

struct Kept {
  private let path: String?
  private var figures: [[Int]: Double] = [:]

  init(_ directory: String?, seed: UInt64, _ times: String) {
    path = directory.map { "\($0)/\(seed)-\(times).tsv" }
    guard let path, let file = fopen(path, "r") else { return }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split(whereSeparator: \.isWhitespace)
      guard words.count == 2, let figure = Double(words[1]) else { continue }
      figures[words[0].split(separator: ",").compactMap { Int($0) }] = figure
    }
  }

  subscript(set: [Int]) -> Double? { figures[set] }

  func keep(_ figure: Double, of set: [Int]) {
    guard let path, let file = fopen(path, "a") else { return }
    fputs("\(set.map { "\($0)" }.joined(separator: ","))\t\(figure)\n", file)
    fclose(file)
  }
}
