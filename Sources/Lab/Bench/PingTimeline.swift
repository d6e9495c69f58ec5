//  PingTimeline.swift — what became of each ping of `ping -D`: which were lost, and how long nobody answered.
//
//  ping says when an answer came, and not when the request left. Requests leave at a steady pace, so one without an
//  answer left between its neighbours: it is placed by its number between the nearest that were answered. What left in
//  the last moments may still be on its way; a request behind the last answer is not counted.

public struct PingTimeline: Equatable, Sendable {
  public struct Answer: Equatable, Sendable {
    public var number: Int
    /// Seconds, by the clock that ping prints.
    public var sent: Double
    public var came: Double
  }

  /// By their numbers, each once.
  public let answers: [Answer]

  public init(parsing output: [UInt8]) {
    var found: [Int: Answer] = [:]
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      guard let stamp = words.first, stamp.hasPrefix("["), stamp.hasSuffix("]"),
        let came = Double(stamp.dropFirst().dropLast()),
        let number = words.first(where: { $0.hasPrefix("icmp_seq=") }).flatMap({ Int($0.dropFirst(9)) }),
        let time = words.first(where: { $0.hasPrefix("time=") }).flatMap({ Double($0.dropFirst(5)) })
      else { continue }
      let answer = Answer(number: number, sent: came - time / 1_000, came: came)
      // The first copy counts.
      if let before = found[number], before.came <= came { continue }
      found[number] = answer
    }
    answers = found.values.sorted { $0.number < $1.number }
  }

  private init(_ answers: [Answer]) { self.answers = answers }

  /// By another clock.
  public func moved(by seconds: Double) -> PingTimeline {
    PingTimeline(
      answers.map { Answer(number: $0.number, sent: $0.sent + seconds, came: $0.came + seconds) })
  }

  /// How many of the pings that left between two moments were never answered, and how many left.
  public func lost(from begin: Double, to end: Double) -> (lost: Int, sent: Int) {
    var lost = 0
    var sent = 0
    for (index, answer) in answers.enumerated() {
      if answer.sent >= begin && answer.sent < end { sent += 1 }
      guard index > 0 else { continue }
      let before = answers[index - 1]
      let pause = (answer.sent - before.sent) / Double(answer.number - before.number)
      for missing in 1..<max(1, answer.number - before.number) {
        let time = before.sent + pause * Double(missing)
        if time < begin || time >= end { continue }
        lost += 1
        sent += 1
      }
    }
    return (lost, sent)
  }

  /// The longest time between two moments in which no answer came.
  public func longestSilence(from begin: Double, to end: Double) -> Double {
    var longest = 0.0
    var last = begin
    for came in answers.map(\.came).sorted() where came > begin && came <= end {
      longest = max(longest, came - last)
      last = came
    }
    return max(longest, end - last)
  }

  /// Round trips, in milliseconds, of those that left between two moments.
  public func milliseconds(from begin: Double, to end: Double) -> Samples {
    Samples(answers.filter { $0.sent >= begin && $0.sent < end }.map { ($0.came - $0.sent) * 1_000 })
  }
}
