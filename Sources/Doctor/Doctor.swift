//  Doctor.swift — can this machine carry a gateway? Tries what a gateway will do, and says what to do about what fails.
//
//  Why.  Most gateways that do not start fail for one of a dozen reasons that have nothing to do with them: a
//  container that forbids io_uring, a missing /dev/net/tun, a kernel limit from 1999. Each has one known remedy, and
//  its errno alone does not tell which.
//
//  How.  Every check is two halves. An *observation* tries things on this machine and notes what came of it; its
//  *diagnosis* is a pure function of that, so that the tests can make up machines that we do not have. A check never
//  changes the machine: what it opens it closes, and its interface lives for a moment.
//
//  Rejected.  Judging by version numbers alone: distributions carry features back, and containers forbid what the
//  kernel can.

import Primitives

/// What a check found.
public struct Diagnosis: Equatable, Sendable {
  public enum State: Int, Comparable, Sendable {
    case fine
    /// A gateway runs, but slower or not in every way.
    case warning
    /// No gateway runs here.
    case failure

    public static func < (a: State, b: State) -> Bool { a.rawValue < b.rawValue }
  }

  /// One word: "kernel".
  public let check: String
  public let state: State
  public let finding: String
  /// What to do about it; nil exactly when there is nothing to do.
  public let remedy: String?

  static func fine(_ check: String, _ finding: String) -> Diagnosis {
    Diagnosis(check: check, state: .fine, finding: finding, remedy: nil)
  }
  static func warning(_ check: String, _ finding: String, remedy: String) -> Diagnosis {
    Diagnosis(check: check, state: .warning, finding: finding, remedy: remedy)
  }
  static func failure(_ check: String, _ finding: String, remedy: String) -> Diagnosis {
    Diagnosis(check: check, state: .failure, finding: finding, remedy: remedy)
  }
}

/// All checks on this machine, the ones that others depend on first.
public func examine() -> [Diagnosis] {
  let capabilities = Capabilities.observe()
  return [
    Kernel.observe().diagnosis, Ring.observe().diagnosis, capabilities.diagnosis,
    Tunnel.observe(mayConfigure: capabilities.has(.netAdmin)).diagnosis, DatagramOffload.observe().diagnosis,
    SocketBuffers.observe().diagnosis, Processor.observe().diagnosis, ClockSource.observe().diagnosis,
  ]
}

/// What all checks say together.
public struct Report: Sendable {
  public let diagnoses: [Diagnosis]

  public init(_ diagnoses: [Diagnosis]) { self.diagnoses = diagnoses }

  public var worst: Diagnosis.State { diagnoses.map(\.state).max() ?? .fine }

  /// 0 fine, 1 degraded, 2 cannot run.
  public var exitCode: Int32 { Int32(worst.rawValue) }

  /// A line for each check and one for the sum, without a line break at the end.
  public func text(colour: Bool) -> String {
    let width = diagnoses.map(\.check.count).max() ?? 0
    let lines = diagnoses.map { diagnosis in
      let check = diagnosis.check.padded(to: width)
      let remedy = diagnosis.remedy.map { "; " + $0 } ?? ""
      return "\(diagnosis.state.label(colour: colour))  \(check)  \(diagnosis.finding)\(remedy)"
    }
    return (lines + [verdict]).joined(separator: "\n")
  }

  public var json: String {
    JSONText.object(.indented) {
      $0.member("verdict", worst.verdictWord)
      $0.member("exit_code", exitCode)
      $0.array("checks") {
        for diagnosis in diagnoses {
          $0.object {
            $0.member("check", diagnosis.check)
            $0.member("state", diagnosis.state.word)
            $0.member("finding", diagnosis.finding)
            $0.member("remedy", diagnosis.remedy)
          }
        }
      }
    }
  }

  private var verdict: String {
    let warnings = diagnoses.count { $0.state == .warning }
    let failures = diagnoses.count { $0.state == .failure }
    switch worst {
    case .fine: return "A gateway can run here."
    case .warning: return "A gateway can run here, with \(warnings) warning\(warnings == 1 ? "" : "s")."
    case .failure: return "A gateway cannot run here: \(failures) check\(failures == 1 ? "" : "s") failed."
    }
  }
}

extension Diagnosis.State {
  /// In JSON.
  fileprivate var word: String {
    switch self {
    case .fine: "ok"
    case .warning: "warn"
    case .failure: "fail"
    }
  }

  fileprivate var verdictWord: String {
    switch self {
    case .fine: "fine"
    case .warning: "degraded"
    case .failure: "cannot run"
    }
  }

  /// In text, four columns wide; a failure stands out without colour too.
  fileprivate func label(colour: Bool) -> String {
    let (label, code) =
      switch self {
      case .fine: ("ok  ", "32")
      case .warning: ("warn", "33")
      case .failure: ("FAIL", "31")
      }
    return colour ? "\u{1b}[\(code)m\(label)\u{1b}[0m" : label
  }
}
