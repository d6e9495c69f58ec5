//  Reload.swift — the way of another configuration into a running gateway, from whoever asks to the loop and back.
//
//  Why.  Reading a file, its secrets, and the names in it takes milliseconds, and seconds when a name server is gone.
//  The loop has none of them to spare; and only the loop may touch the engine.
//
//  How.  Whoever asks does the slow part on his own thread, one after the other, and hands the plan over:
//
//      SIGHUP ──▶ loop ──▶ a thread ──┐
//      POST /v1/reload ──▶ its own ───┼▶ read, audit, resolve ──▶ plan ──▶ wake the loop ──▶ between two turns: apply
//      PATCH /v1/settings ──▶ its own ┘      │ a mistake                                         │
//                                            ▼                                                   ▼
//                                  all sentences, to who asked, the log and the events ◀── what changed, or why not
//
//  What is set (Setting.swift) is laid over what was read last, without reading it again: a file that somebody is just
//  editing is not followed by the way. A reload takes the file's word, and then nothing is laid over it any more.
//
//  Rejected.  To hand over single changes (two of them may be right together and wrong alone); to let the loop read the
//  file (a disk that hangs would stop the traffic).
//
//  Always true.  (1) One change at a time. (2) What is laid over is what was applied last, or nothing.

import Configuration
import Control
import POSIX
import Service
import Status
import Synchronization

final class Reload: Sendable {
  /// What came of it, in sentences.
  enum Outcome: Sendable {
    case applied([String])
    case refused([String])
  }

  /// What the gateway follows now.
  struct Standing: Sendable {
    var origin: Gateway.Origin?
    var overlay = Overlay()
  }

  /// Held while somebody's change goes on. Whoever only looks takes `standing`, and does not wait for a name server.
  let turn = Mutex<Void>(())
  let standing: Mutex<Standing>
  let handover: Handover
  private let log: Log
  private let events: EventBoard
  private let doors = Locked<ControlDoors?>(nil)

  /// `wake` makes the loop turn once, from any thread.
  init(_ origin: Gateway.Origin?, _ events: EventBoard, log: Log, wake: @escaping @Sendable () -> Void) {
    standing = Mutex(Standing(origin: origin))
    handover = Handover(wake: wake)
    self.log = log
    self.events = events
  }

  /// They follow the file too.
  func keep(_ doors: ControlDoors) { self.doors.withLock { $0 = doors } }

  // MARK: Whoever asks

  /// Returns when it is done; it may take as long as a name server needs to be given up.
  func perform(for who: String) -> Outcome {
    let outcome = turn.withLock { _ -> Outcome in
      guard let origin = standing.withLock({ $0.origin }) else { return Reload.notFromAFile }
      ServiceManager.reloading(at: MonotonicClock.now)
      defer { ServiceManager.ready("reloaded by \(who)") }
      let gone = standing.withLock { $0.overlay.settings.count }
      let outcome = follow(origin.reread(), under: Overlay())
      guard case .applied(let changes) = outcome, gone > 0 else { return outcome }
      let what = gone == 1 ? "1 setting of hawser set is gone" : "\(gone) settings of hawser set are gone"
      return .applied((changes.isEmpty ? [Reload.nothing] : changes) + ["\(what): the file decides"])
    }
    tell(outcome, of: "reload by \(who)")
    return outcome
  }

  static let notFromAFile = Outcome.refused(["this gateway was not started from a file"])
  static let nothing = "nothing is different"

  /// What was read is handed over; when it is applied, this is laid over the file. The caller has its turn.
  func follow(_ reading: Gateway.Reading, under overlay: Overlay) -> Outcome {
    switch reading {
    case .mistakes(let sentences): return .refused(sentences)
    case .plan(let plan):
      let outcome = carryOut(plan)
      if case .applied = outcome { standing.withLock { $0 = Standing(origin: plan.origin, overlay: overlay) } }
      return outcome
    }
  }

  /// The same on a thread of its own, for who cannot wait.
  func begin(for who: String) {
    guard let worker = Worker.start("reload", { [self] in _ = perform(for: who) }) else {
      return log(.problem, "reload by \(who): refused, the system has no thread for it")
    }
    worker.detach()
  }

  /// Doors are opened before anything is handed over, and used when it was taken: so a port that somebody has changes
  /// nothing, and the loop waits for no certificate.
  private func carryOut(_ plan: Gateway.Setup) -> Outcome {
    guard let doors = doors.withLock({ $0 }) else { return handover.hand(over: plan) }
    let wish = ControlDoors.Wish(remote: plan.remoteControl, metrics: plan.configuration.metricsListen)
    let news = doors.differences(to: wish)
    do throws(ControlFailure) {
      let opened = try news.isEmpty ? nil : doors.open(wish)
      let outcome = handover.hand(over: plan)
      guard case .applied(let sentences) = outcome else { return outcome }
      if let opened { doors.use(opened) }
      return .applied(sentences + news)
    } catch {
      return .refused(["\(error)"])
    }
  }

  // MARK: What is told

  /// Of a change of a thousand peers the log has all.
  private static let mostTold = 4

  /// To the log a line each, and one event of all together. `reasons` is what was asked for.
  func tell(_ outcome: Outcome, of what: String, _ reasons: [String] = []) {
    let sentences: [String]
    switch outcome {
    case .applied(let changes):
      sentences = reasons + changes
      // Whoever says the same each minute must not push out what happened.
      if sentences.isEmpty { return log(.configuration, "\(what): \(Reload.nothing)") }
      for sentence in sentences { log(.configuration, "\(what): \(sentence)") }
    case .refused(let mistakes):
      sentences = ["refused, nothing has changed"] + mistakes
      log(.configuration, "\(what): refused, nothing has changed")
      for mistake in mistakes { log(.configuration, mistake) }
    }
    let more = sentences.count - Reload.mostTold
    let told = sentences.prefix(Reload.mostTold) + (more > 0 ? ["and \(more) more"] : [])
    events.tell(.configuration, "\(what): \(told.joined(separator: "; "))")
  }
}

extension ControlActions {
  init(_ reload: Reload) {
    self.init(
      settings: Settings(
        list: { reload.standing.withLock { $0.overlay } },
        set: { reload.set($0, for: $1) },
        takeBack: { reload.takeBack($0, for: $1) }
      ),
      reload: { ControlOutcome(reload.perform(for: $0)) })
  }
}

extension ControlOutcome {
  init(_ outcome: Reload.Outcome, keep: Keep? = nil) {
    switch outcome {
    case .applied(let changes):
      self.init(isApplied: true, sentences: changes.isEmpty ? [Reload.nothing] : changes, keep: keep)
    case .refused(let mistakes): self.init(isApplied: false, sentences: mistakes)
    }
  }
}
