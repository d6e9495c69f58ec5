//  PathSpecification.swift — paths as they are given on the command line, and histograms of their delays as files.
//
//      --path fibre:300mbit:10ms  --path lte:80mbit:30ms:5ms  --path sat:20mbit  --histogram sat=sat.txt
//
//  A histogram is what a measurement leaves behind: a line for each delay that was seen, with how often. Lines need
//  no order, a delay may come again, `#` begins a comment:
//
//      # milliseconds  count
//      27.5            120
//      28              1873

import Primitives
import Resequencer
import Topology

struct PathSpecification {
  var name: String
  var rate: BitRate
  var delay: DelayLaw?

  /// Reads `NAME:RATE[:DELAY[:JITTER]]`.
  init(parsing text: String) throws(Refused) {
    let fields = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard fields.count >= 2, fields.count <= 4 else {
      throw .usage("--path \(text): not NAME:RATE[:DELAY[:JITTER]], as in lte:80mbit:30ms:5ms")
    }
    name = fields[0]
    guard PathSpecification.isName(name) else {
      throw .usage("--path \(text): a name is made of small letters, digits and dashes, at most 32, not '\(name)'")
    }
    do {
      rate = try BitRate(parsing: fields[1])
      if fields.count > 2 {
        let mean = try Interval(parsing: fields[2], atMost: PathSpecification.longestDelay)
        let jitter =
          try fields.count > 3 ? Interval(parsing: fields[3], atMost: PathSpecification.longestDelay) : .zero
        delay = .normal(mean: mean, deviation: jitter)
      }
    } catch {
      throw .usage("--path \(text): \(error)")
    }
  }

  /// A minute: beyond it a path carries no connection, and a delay is a typing error.
  static let longestDelay = Interval.seconds(60)

  private static func isName(_ name: String) -> Bool {
    let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-".utf8
    return (1...32).contains(name.utf8.count) && name.utf8.allSatisfy { allowed.contains($0) }
  }
}

enum DelayHistogram {
  static let mostLines = 65_536
  static let largestFile = 4 << 20

  /// `file` is only for the messages.
  static func parse(_ bytes: [UInt8], file: String) throws(Refused) -> DelayLaw {
    var samples: [DelayLaw.Sample] = []
    var total = 0
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      let words = words(of: line)
      if words.isEmpty { continue }
      func wrong(_ column: Int, _ sentence: String) -> Refused {
        .usage("\(file):\(number + 1):\(column): \(sentence)")
      }
      guard words.count == 2 else {
        throw wrong(
          words.count > 2 ? words[2].column : words[0].column,
          "a line has two numbers, milliseconds and a count, not \(words.count == 1 ? "one" : "more")")
      }
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      guard words[0].text.utf8.allSatisfy({ digits.contains($0) || $0 == UInt8(ascii: ".") }) else {
        throw wrong(words[0].column, "'\(words[0].text)' is no number of milliseconds; write it as in 27.5")
      }
      let delay: Interval
      do {
        delay = try Interval(parsing: words[0].text + "ms", atMost: PathSpecification.longestDelay)
      } catch {
        throw wrong(words[0].column, error.description)
      }
      guard words[1].text.utf8.allSatisfy({ digits.contains($0) }), let count = Int(words[1].text),
        count <= 1_000_000_000_000
      else {
        throw wrong(words[1].column, "'\(words[1].text)' is no count; write a whole number, at most a million millions")
      }
      if samples.count == mostLines { throw wrong(1, "more than \(mostLines) lines; put neighbouring delays together") }
      samples.append(DelayLaw.Sample(delay: delay, count: count))
      total += count
    }
    if total == 0 { throw .usage("\(file): no delay was counted; a line is 'milliseconds count', as in '27.5 120'") }
    return .measured(samples)
  }

  /// The words of a line up to a comment, with the columns in which they begin, counted from 1.
  private static func words(of line: ArraySlice<UInt8>) -> [(text: String, column: Int)] {
    var words: [(text: String, column: Int)] = []
    var at = line.startIndex
    while at < line.endIndex, line[at] != UInt8(ascii: "#") {
      if line[at] == UInt8(ascii: " ") || line[at] == UInt8(ascii: "\t") || line[at] == UInt8(ascii: "\r") {
        at += 1
        continue
      }
      let start = at
      while at < line.endIndex, !" \t\r#".utf8.contains(line[at]) { at += 1 }
      words.append((printable(line[start..<at]), start - line.startIndex + 1))
    }
    return words
  }

  /// Fit for a message, whatever the file is.
  private static func printable(_ bytes: ArraySlice<UInt8>) -> String {
    let shown = bytes.prefix(40).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: shown, as: UTF8.self) + (bytes.count > 40 ? "..." : "")
  }
}
