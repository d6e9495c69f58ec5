//  Journal.swift — lines for the log, of each kind at most one a minute: whoever can make an oracle write must not be
//  able to fill its disk.

import POSIX
import Primitives
import Synchronization

final class Journal: Sendable {
  enum Kind: Int, CaseIterable {
    case refusedToken
    case tooOften
    case store
    case streams
    case nodes
    case dropped
  }

  private struct Line {
    var last: Instant?
    var unsaid = 0
  }

  static let pause = Interval.seconds(60)

  private let log: @Sendable (String) -> Void
  private let lines = Mutex([Line](repeating: Line(), count: Kind.allCases.count))

  init(_ log: @escaping @Sendable (String) -> Void) { self.log = log }

  /// What is said once in a life: always.
  func say(_ line: String) { log(line) }

  func say(_ kind: Kind, _ line: @autoclosure () -> String, at now: Instant = MonotonicClock.now) {
    let unsaid: Int? = lines.withLock { lines in
      if let last = lines[kind.rawValue].last, now - last < Journal.pause {
        lines[kind.rawValue].unsaid += 1
        return nil
      }
      defer { lines[kind.rawValue] = Line(last: now) }
      return lines[kind.rawValue].unsaid
    }
    guard let unsaid else { return }
    log(line() + (unsaid > 0 ? " (and \(unsaid) times more since the last such line)" : ""))
  }
}
