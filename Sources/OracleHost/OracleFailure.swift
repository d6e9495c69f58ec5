//  OracleFailure.swift — why an oracle does not run, in one sentence with what would help.

public struct OracleFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
