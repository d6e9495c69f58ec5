//  Doctor.swift — can this machine carry a gateway? Tries what a gateway will do, and says what to do about what fails.
//  What stands between a site's paths and its peers is in SiteExamination.swift.
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
  /// The path that it is about; nil: it is about the machine, or about the site as a whole.
  public private(set) var subject: String?
  public let state: State
  public let finding: String
  /// What to do about it; nil exactly when there is nothing to do.
  public let remedy: String?

  public static func fine(_ check: String, _ finding: String) -> Diagnosis {
    Diagnosis(check: check, state: .fine, finding: finding, remedy: nil)
  }
  public static func warning(_ check: String, _ finding: String, remedy: String) -> Diagnosis {
    Diagnosis(check: check, state: .warning, finding: finding, remedy: remedy)
  }
  public static func failure(_ check: String, _ finding: String, remedy: String) -> Diagnosis {
    Diagnosis(check: check, state: .failure, finding: finding, remedy: remedy)
  }

  /// The same of this path.
  func about(_ path: String) -> Diagnosis {
    var found = self
    found.subject = path
    return found
  }

  /// The same where something else works.
  var atMostWarning: Diagnosis {
    guard state == .failure, let remedy else { return self }
    var found = Diagnosis.warning(check, finding, remedy: remedy)
    found.subject = subject
    return found
  }
}

/// All checks on this machine, the ones that others depend on first. A site has its own of what belongs to a path.
public func examine(hasSite: Bool = false) -> [Diagnosis] {
  let capabilities = Capabilities.observe()
  let machine = [
    Kernel.observe().diagnosis, Ring.observe().diagnosis, capabilities.diagnosis,
    Tunnel.observe(mayConfigure: capabilities.has(.netAdmin)).diagnosis, DatagramOffload.observe().diagnosis,
    SocketBuffers.observe().diagnosis, Processor.observe().diagnosis, ClockSource.observe().diagnosis,
    TimeKeeping.observe().diagnosis,
  ]
  if hasSite { return machine }
  return machine + [Ground.machineDiagnosis(Ground.machine()), FirewallRules.observe().diagnosis]
}
