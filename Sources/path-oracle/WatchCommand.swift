//  WatchCommand.swift — `path-oracle watch`: what changes in a map, a line each, as soon as the oracle knows.
//
//  A server may be restarted, and a network is not always there. Once the stream has run it is opened again, after one
//  second, two, four, up to half a minute; what happened in between is told then, since the map is compared with the
//  last one that came. A server that never answered is a mistake in the command line, so that ends the program.

import Commands
import Fetch
import Glibc
import Consulting
import Primitives

enum WatchCommand {
  private typealias Common = OracleOptions
  private static let metrics = Option(
    repeated: "metric", value: "NAME", Common.name,
    "costs to follow, as delay-rt; delay-ow, lossrate and tput when absent")
  private static let json = Flag("json", "print one JSON object a line")

  static let declaration = Command(
    "watch", "tells what changes, until it is interrupted",
    [metrics, Common.oracle, Common.alto, Common.tokenFile, Common.trust, json],
    exclusive: [[Common.oracle, Common.alto]],
    details: """
      Follows the stream of updates (RFC 8895) of the oracle, or of any ALTO server that has one. When the connection \
      is lost it is made again, and what changed in between is told.
      """, exitCodes: [2: "the server refuses or does not answer"])

  /// Between two attempts; the last holds for all that follow.
  private static let pauses: [UInt32] = [1, 2, 4, 8, 16, 30]

  static func run(_ invocation: Invocation) -> Answer {
    do throws(Refused) {
      let directory = invocation[Common.alto] ?? invocation[Common.oracle].appending("alto/")
      let client = try OracleClient(invocation, to: directory)
      var watch = UpdateWatch(at: directory, metrics: invocation[metrics])
      while let request = watch.nextRequest() {
        let reply = try client.ask(request)
        do throws(ConsultingFailure) {
          try watch.receive(reply)
        } catch {
          throw Refused(error)
        }
      }
      var attempts = 0
      var hasRun = false
      while true {
        switch follow(&watch, client, invocation[json]) {
        case .nobodyReads: return Answer()
        case .refused(let sentence) where !hasRun: throw .system(sentence)
        case .refused(let sentence): complain(sentence, attempts)
        case .ended(let sentence):
          (hasRun, attempts) = (true, 0)
          complain(sentence, attempts)
        }
        _ = sleep(pauses[min(attempts, pauses.count - 1)])
        attempts += 1
      }
    } catch {
      return Answer(complaint: error.sentence, code: error.code)
    }
  }

  private static func complain(_ sentence: String, _ attempts: Int) {
    let pause = pauses[min(attempts, pauses.count - 1)]
    TextFile.complain("path-oracle: \(sentence); it is asked again in \(pause) s")
  }

  private enum End {
    /// Something came before.
    case ended(String)
    case refused(String)
    /// The other end of our output is gone.
    case nobodyReads
  }

  private static func follow(_ watch: inout UpdateWatch, _ client: OracleClient, _ isJSON: Bool) -> End {
    var end: End?
    var hasBegun = false
    do throws(FetchFailure) {
      let reply = try client.listen(watch.subscription()) { event in
        hasBegun = true
        do throws(ConsultingFailure) {
          for change in try watch.receive(event: event.name, event.data) where !show(change, isJSON) {
            end = .nobodyReads
            return false
          }
          return true
        } catch {
          end = .ended(error.description)
          return false
        }
      }
      if let end { return end }
      if let reply { return .refused(watch.refusal(reply).description) }
      return .ended("the server has ended the stream")
    } catch {
      return hasBegun ? .ended(error.description) : .refused(error.description)
    }
  }

  /// False when nobody reads any more.
  private static func show(_ change: MapChange, _ isJSON: Bool) -> Bool {
    guard let line = isJSON ? change.json(at: stamp("%Y-%m-%dT%H:%M:%SZ", utc: true)) : change.text(at: stamp("%T"))
    else { return true }
    return TextFile.say(line)
  }

  /// The time of day, for people where they are and for programs in UTC.
  private static func stamp(_ format: String, utc: Bool = false) -> String {
    var now = time(nil)
    var parts = tm()
    if utc { gmtime_r(&now, &parts) } else { localtime_r(&now, &parts) }
    var text = [UInt8](repeating: 0, count: 32)
    let count = text.withUnsafeMutableBytes { strftime($0.baseAddress, $0.count, format, &parts) }
    return String(decoding: text.prefix(count), as: UTF8.self)
  }
}
