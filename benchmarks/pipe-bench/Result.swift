//  Result.swift — the answers of all contenders to one question, as a table and as JSON.

import Commands
import Lab
import Primitives

struct Result {
  private let question: Question
  private let contenders: [Contender]
  private let rounds: Int
  /// For each contender and metric, the values of the rounds.
  private var values: [[[Double?]]]

  init(_ question: Question, _ contenders: [Contender], rounds: Int) {
    self.question = question
    self.contenders = contenders
    self.rounds = rounds
    values = contenders.map { _ in question.metrics.map { _ in [] } }
  }

  mutating func add(_ answer: [Double?], of contender: Contender) {
    guard let place = contenders.firstIndex(of: contender) else { return }
    for (metric, value) in answer.enumerated() { values[place][metric].append(value) }
  }

  private func samples(_ contender: Int, _ metric: Int) -> Samples {
    Samples(values[contender][metric].compactMap { $0 })
  }

  /// The median of what the contender's value was to the first's in the same round.
  private func ratio(_ contender: Int, _ metric: Int) -> Double? {
    let ratios = zip(values[contender][metric], values[0][metric]).compactMap { own, first -> Double? in
      guard let own, let first, first > 0 else { return nil }
      return own / first
    }
    return Samples(ratios).median
  }

  /// Median (least–most), and below another heading the ratio to the first contender.
  func table() -> String {
    var rows = [[""] + question.metrics.flatMap { $0.isCompared ? [$0.title, "ratio"] : [$0.title] }]
    for (place, contender) in contenders.enumerated() {
      var row = [contender.rawValue]
      for (index, metric) in question.metrics.enumerated() {
        let sorted = samples(place, index).sorted
        guard let median = samples(place, index).median, let least = sorted.first, let most = sorted.last else {
          row += metric.isCompared ? ["–", ""] : ["–"]
          continue
        }
        func show(_ value: Double) -> String { fixed(value / metric.unit, metric.decimals) }
        row.append(sorted.count == 1 ? show(median) : "\(show(median)) (\(show(least))–\(show(most)))")
        if metric.isCompared { row.append(ratio(place, index).map { fixed($0, 2) } ?? "") }
      }
      rows.append(row)
    }
    let head = "\(question.words) · \(rounds) \(rounds == 1 ? "round" : "rounds")\n"
    return head + alignedColumns(rows, right: Set(1..<rows[0].count)) + "\n"
  }

  static func json(_ results: [Result], topology: String, _ invocation: Invocation) -> String {
    JSONText.object { object in
      object.member("topology", topology)
      object.member("rounds", invocation[Words.rounds])
      object.member("seconds", invocation[Words.seconds])
      object.array("questions") { list in
        for result in results { list.object { result.write(&$0) } }
      }
    }
  }

  private func write(_ object: inout JSONText.Object) {
    object.member("question", question.rawValue)
    object.array("contenders") { list in
      for (place, contender) in contenders.enumerated() {
        list.object { object in
          object.member("contender", contender.rawValue)
          for (index, metric) in question.metrics.enumerated() {
            let samples = samples(place, index)
            object.object(metric.key) { object in
              object.member("median", samples.median, decimals: 6)
              if metric.isCompared { object.member("of_first", ratio(place, index), decimals: 4) }
              object.array("values") { list in
                for value in values[place][index] { list.element(value, decimals: 6) }
              }
            }
          }
        }
      }
    }
  }
}

/// With so many digits after the point.
func fixed(_ value: Double, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let rounded = (abs(value) * scale).rounded()
  guard rounded < 1e15 else { return "\(value)" }
  let whole = Int(rounded)
  let sign = value < 0 && whole > 0 ? "-" : ""
  let digits = String(whole)
  if decimals == 0 { return sign + digits }
  let filled = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
  return sign + filled.dropLast(decimals) + "." + filled.suffix(decimals)
}
