//  Setting.swift — what `hawser set` lays over a running gateway's file, and takes back.
//
//  It goes the way of a reload, with what was read last in place of what the disk has now. What is laid over already is
//  no change: nothing is read or applied, and whose it was it stays.

import Configuration
import Control
import POSIX
import Primitives
import Synchronization

extension Reload {
  /// All of these besides, or none.
  func set(_ wishes: [Overlay.Wish], for who: String) -> ControlOutcome {
    let now = WallClock.now.nanoseconds / 1_000_000
    var wanted = Overlay()
    let outcome = change("set by \(who)") { overlay throws(Overlay.Objections) in
      wanted = try Overlay().adding(wishes, from: who, at: now)
      return try overlay.adding(wishes, from: who, at: now)
    }
    let file = standing.withLock { $0.origin?.dropIn }
    return ControlOutcome(outcome, keep: file.map { .init(file: $0, lines: wanted.lines.map(\.text)) })
  }

  /// What is not there is taken back already.
  func takeBack(_ choice: Overlay.Choice, for who: String) -> ControlOutcome {
    ControlOutcome(
      change("taken back by \(who)") { overlay throws(Overlay.Objections) in try overlay.without(choice) })
  }

  private func change(_ what: String, _ alter: (Overlay) throws(Overlay.Objections) -> Overlay) -> Outcome {
    turn.withLock { _ -> Outcome in
      let before = standing.withLock { $0 }
      guard let origin = before.origin else { return Reload.notFromAFile }
      let overlay: Overlay
      do throws(Overlay.Objections) {
        overlay = try alter(before.overlay)
      } catch {
        tell(.refused(error.sentences), of: what)
        return .refused(error.sentences)
      }
      if overlay == before.overlay {
        tell(.applied([]), of: what)
        return .applied([])
      }
      let outcome = follow(origin.overlaid(overlay), under: overlay)
      tell(outcome, of: what, overlay.difference(from: before.overlay))
      return outcome
    }
  }
}

extension Overlay {
  /// In words, for the log.
  fileprivate func difference(from before: Overlay) -> [String] {
    let set = settings.filter { !before.settings.contains($0) }.map { "\($0.title) \($0.key) = \($0.value)" }
    let gone = before.settings.filter { old in
      !settings.contains { $0.title == old.title && $0.key == old.key }
    }
    return set + gone.map { "\($0.title) \($0.key) is the file's again" }
  }
}
