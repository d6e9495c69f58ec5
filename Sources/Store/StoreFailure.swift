//  StoreFailure.swift — what a database did not do, in its own words, and what would help.

public struct StoreFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Equatable, Sendable {
    /// There is no database, or no way to it.
    case unreachable
    /// No answer in time, or somebody else holds what we need.
    case busy
    case full
    /// What is there is none of ours, or broken.
    case damaged
    /// Made by a later release.
    case newer
    /// It does not take this value. To try again would not help.
    case refused
    /// Anything else that it said no to.
    case other
  }

  public let kind: Kind
  /// What we wanted, as one would say it: "store measurements".
  public let operation: String
  /// The database's sentence.
  public let explanation: String

  init(_ kind: Kind, _ operation: String, _ explanation: String) {
    self.kind = kind
    self.operation = operation
    // libpq ends its sentences with a new line, and adds hints on others.
    self.explanation = explanation.split(whereSeparator: \.isNewline).joined(separator: "; ")
  }

  public var remedy: String? {
    switch kind {
    case .unreachable: "does it exist, and may this user open it?"
    case .busy: "is another program busy with it, or is its server overloaded?"
    case .full: "make room, or keep fewer measurements"
    case .damaged: "restore it from a copy, or begin with an empty one"
    case .newer: "install at least the release that made it"
    case .refused, .other: nil
    }
  }

  public var description: String {
    "cannot \(operation): \(explanation)" + (remedy.map { " (\($0))" } ?? "")
  }
}
