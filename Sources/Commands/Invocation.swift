//  Invocation.swift — what was asked for: a command and its values, all of them valid.

public struct Invocation: Sendable {
  public let path: CommandPath
  /// By the parameter's name; only what was given.
  private let texts: [String: [String]]

  init(path: CommandPath, texts: [String: [String]]) {
    self.path = path
    self.texts = texts
  }

  /// "bench"
  public var command: String { path.name }

  /// The value of a parameter that this command declares or inherits.
  public subscript<P: Parameter>(_ parameter: P) -> P.Value {
    parameter.value(of: given(parameter.declaration))
  }

  /// Whether it was given at all, so that a default can be told from the same value said.
  public func isGiven(_ parameter: some Parameter) -> Bool { !given(parameter.declaration).isEmpty }

  /// For what only the program can know to be wrong; the sentence says what is wrong and what would be right.
  public func wrongUsage(_ sentence: String) -> Action {
    .fail("\(path.title): \(sentence)", code: Program.wrongUsage)
  }

  private func given(_ declaration: Declaration) -> [String] {
    precondition(
      path.command.parameters.contains { $0.name == declaration.name }
        || path.inheritedOptions.contains { $0.name == declaration.name },
      "'\(path.title)' does not declare \(declaration.label)")
    return texts[declaration.name] ?? []
  }
}
