//  PredictCommand.swift — `path-oracle predict`: what it would cost to use these paths as one, before anybody does.

import Commands
import Primitives
import Resequencer
import Topology

enum PredictCommand {
  private static let paths = Option(
    repeated: "path", value: "NAME:RATE[:DELAY[:JITTER]]", .text("a path"),
    "a path, as lte:80mbit:30ms:5ms; give two or more")
  private static let histograms = Option(
    repeated: "histogram", value: "NAME=FILE", .text("a path's name and a file"),
    "measured delays of a path, 'milliseconds count' a line, instead of its DELAY")
  private static let partSize = Option(
    "part-size", value: "SIZE", size(from: ByteCount(64), through: ByteCount(1 << 20)), default: ByteCount(1_400),
    "how large the parts are that the paths carry")
  private static let delays = Option(
    "delays", .choice(of: DelayBehaviour.self), default: .wandering, "how the delays of one path hang together")
  private static let json = Flag("json", "print one JSON object")
  private static let svg = Option("svg", value: "FILE", .file(ending: ".svg"), "draw loss against buffer size")

  static let declaration = Command(
    "predict", "computes buffer, delay and loss of paths that are used as one",
    [paths, histograms, partSize, delays, json, svg],
    details: """
      Every path carries parts in proportion to its rate, all the time. At the other end they are put back in order; \
      computed is how many wait there for others, how long, and what a buffer of limited size would lose.

      Delays are 'wandering' when they change slowly (a queue, a radio), 'ordered' when each part has its own but none \
      overtakes another on its path, 'independent' when they do.
      """)

  static func run(_ invocation: Invocation) -> Answer {
    do throws(Refused) {
      let specifications = try read(invocation)
      let prediction = try predict(specifications, invocation)
      let report = PredictionReport(paths: specifications, prediction: prediction)
      if let file = invocation[svg] { try TextFile.write(LossChart(report).text, to: file) }
      return Answer(output: invocation[json] ? report.json : report.table)
    } catch {
      return Answer(complaint: error.sentence, code: error.code)
    }
  }

  private static func read(_ invocation: Invocation) throws(Refused) -> [PathSpecification] {
    var specifications: [PathSpecification] = []
    for text in invocation[paths] {
      let path = try PathSpecification(parsing: text)
      if specifications.contains(where: { $0.name == path.name }) {
        throw .usage("--path \(text): there is a path '\(path.name)' already; give this one another name")
      }
      specifications.append(path)
    }
    for text in invocation[histograms] {
      let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard halves.count == 2 else {
        throw .usage("--histogram \(text): not NAME=FILE, as in lte=lte.txt")
      }
      guard let index = specifications.firstIndex(where: { $0.name == halves[0] }) else {
        let near = nearestWord(to: halves[0], in: specifications.map(\.name)).map { "; did you mean '\($0)'?" }
        throw .usage(
          "--histogram \(text): no path is called '\(halves[0])'"
            + (near ?? "; its rate is missing, give it as --path \(halves[0]):RATE"))
      }
      if specifications[index].delay != nil {
        throw .usage("--histogram \(text): path '\(halves[0])' has a delay already; leave one of the two out")
      }
      let bytes = try TextFile.read(
        halves[1], atMost: DelayHistogram.largestFile, hint: "a histogram is much smaller")
      specifications[index].delay = try DelayHistogram.parse(bytes, file: halves[1])
    }
    for path in specifications where path.delay == nil {
      let right = "write --path \(path.name):\(path.rate.printed):DELAY, as in 30ms, or give a --histogram"
      throw .usage("path '\(path.name)' has no delay; \(right)")
    }
    if specifications.count < 2 {
      throw .usage("predict: nothing gets out of order on fewer than two paths; give two or more --path")
    }
    return specifications
  }

  private static func predict(
    _ specifications: [PathSpecification], _ invocation: Invocation
  ) throws(Refused) -> ResequencingPrediction {
    let part = invocation[partSize]
    var paths: [StripedPath] = []
    for path in specifications {
      if let delay = path.delay { paths.append(StripedPath(rate: path.rate, delay: delay)) }
    }
    do throws(ResequencingPrediction.Refusal) {
      return try ResequencingPrediction(paths: paths, partSize: part, behaviour: invocation[delays])
    } catch {
      switch error {
      case .noPaths: throw .usage("predict: give two or more --path")
      case .tooManyPaths(let count, let limit):
        throw .usage("predict: \(count) paths; at most \(limit) can be computed")
      case .nothingMeasured(let path): throw .usage("path '\(specifications[path].name)': no delay was counted")
      case .shareTooSmall(let path, let limit):
        throw .usage(
          "path '\(specifications[path].name)' has less than \(PredictionReport.percent(limit)) of the rate of all; "
            + "leave it out, it would only hold the others up")
      case .tooManyPartsInFlight(let count, let limit):
        let kibibytes = (part.value * ((count + limit - 1) / limit) + 1_023) / 1_024
        throw .usage(
          "predict: the delays differ by \(count) parts of \(part.printed), and \(limit) can be computed; "
            + "give --part-size \(kibibytes)kib or more")
      case .tooMuchWork:
        let larger = ByteCount(part.value * 2).printed
        throw .usage(
          "predict: this would take too long to compute; give fewer paths, or larger parts: --part-size \(larger)")
      }
    }
  }

  private static func size(from least: ByteCount, through most: ByteCount) -> ValueKind<ByteCount> {
    let limits = "\(least.printed) to \(most.printed)"
    return ValueKind("a size from \(limits)", limits: limits, placeholder: "SIZE") { text in
      guard let size = try? ByteCount(parsing: text), size >= least, size <= most else { return nil }
      return size
    } write: {
      $0.printed
    }
  }
}
