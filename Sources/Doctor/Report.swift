//  Report.swift — what all checks say together, for people and for programs.

import Primitives

public struct Report: Sendable {
  public let machine: [Diagnosis]
  /// nil: nobody asked about one.
  public let site: Site?

  public struct Site: Sendable {
    /// What is known of it, and from where: "hawser0, by the running gateway".
    public var title: String
    public var paths: [String]
    public var diagnoses: [Diagnosis]

    public init(title: String, paths: [String], diagnoses: [Diagnosis]) {
      self.title = title
      self.paths = paths
      self.diagnoses = diagnoses
    }

    /// Those with a check that failed; a way over a relay is of its path.
    var broken: [String] {
      paths.filter { path in
        diagnoses.contains {
          $0.state == .failure && ($0.subject == path || $0.subject?.hasPrefix(path + " via ") == true)
        }
      }
    }

    /// Nothing gets through, whatever the machine can.
    var isDown: Bool {
      let isOfNoPath = diagnoses.contains { $0.state == .failure && $0.subject == nil }
      return isOfNoPath || !paths.isEmpty && broken.count == paths.count
    }
  }

  public init(_ machine: [Diagnosis], site: Site? = nil) {
    self.machine = machine
    self.site = site
  }

  private enum Verdict: String {
    case fine
    case degraded
    case down
    case cannotRun = "cannot run"
  }

  private var verdict: Verdict {
    if machine.contains(where: { $0.state == .failure }) { return .cannotRun }
    if site?.isDown == true { return .down }
    return (machine + (site?.diagnoses ?? [])).allSatisfy { $0.state == .fine } ? .fine : .degraded
  }

  /// 0 fine, 1 degraded, 2 nothing works.
  public var exitCode: Int32 {
    switch verdict {
    case .fine: 0
    case .degraded: 1
    case .down, .cannotRun: 2
    }
  }

  /// A line for each check and one for the sum, without a line break at the end.
  public func text(colour: Bool) -> String {
    let all = machine + (site?.diagnoses ?? [])
    let width = all.map(\.check.count).max() ?? 0
    func lines(_ diagnoses: [Diagnosis]) -> [String] { diagnoses.map { $0.line(width: width, colour: colour) } }
    guard let site else { return (lines(machine) + [sentence]).joined(separator: "\n") }
    return (["Machine"] + lines(machine) + ["", "Site: \(site.title)"] + lines(site.diagnoses) + ["", sentence])
      .joined(separator: "\n")
  }

  public var json: String {
    JSONText.object(.indented) {
      $0.member("verdict", verdict.rawValue)
      $0.member("exit_code", exitCode)
      $0.member("site", site?.title)
      $0.array("checks") {
        for diagnosis in machine { $0.object { diagnosis.write(to: &$0, scope: "machine") } }
        for diagnosis in site?.diagnoses ?? [] { $0.object { diagnosis.write(to: &$0, scope: "site") } }
      }
    }
  }

  private var sentence: String {
    let all = machine + (site?.diagnoses ?? [])
    let warnings = all.count { $0.state == .warning }
    let told = warnings == 0 ? "" : ", with \(warnings) warning\(warnings == 1 ? "" : "s")"
    switch verdict {
    case .cannotRun:
      let failures = machine.count { $0.state == .failure }
      return "A gateway cannot run here: \(failures) check\(failures == 1 ? "" : "s") failed."
    case .down: return "A gateway can run here, but nothing gets through: see what failed."
    case .fine, .degraded:
      guard let site, !site.paths.isEmpty else { return "A gateway can run here\(told)." }
      let broken = site.broken.count
      if broken == 0 {
        return "A gateway can run here, and \(site.all) work\(site.paths.count == 1 ? "s" : "")\(told)."
      }
      return
        "A gateway can run here, but \(broken) of \(site.paths.count) paths "
        + "\(broken == 1 ? "does" : "do") not work\(told)."
    }
  }
}

extension Report.Site {
  fileprivate var all: String { paths.count == 1 ? "its path" : "all \(paths.count) paths" }
}

extension Diagnosis {
  fileprivate func line(width: Int, colour: Bool) -> String {
    let about = subject.map { "\($0): " } ?? ""
    let rest = remedy.map { "; " + $0 } ?? ""
    return "\(state.label(colour: colour))  \(check.padded(to: width))  \(about)\(finding)\(rest)"
  }

  fileprivate func write(to object: inout JSONText.Object, scope: String) {
    object.member("check", check)
    object.member("scope", scope)
    object.member("subject", subject)
    object.member("state", state.word)
    object.member("finding", finding)
    object.member("remedy", remedy)
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
