//  ValueKind.swift — what a word of the command line may be: how to read it, how to ask for it, what a shell may
//  offer for it.
//
//  One value says it all once: the parser reads with it, errors quote its expectation, the help shows its limits and
//  the completions its candidates. A module that has its own notation (a rate, a key) makes its own kind with the
//  initializer.

import Primitives

public struct ValueKind<Value: Sendable>: Sendable {
  /// What is right, to go after "must be": "a whole number from 1 to 60".
  public let expectation: String
  /// The same without the noun, for the help: "1 to 60".
  public let limits: String?
  /// What stands for the value in the help, unless the option names it: "N".
  public let placeholder: String
  public let candidates: Candidates
  /// nil when the text is no such value. Must not depend on anything but the text: it is asked more than once.
  let read: @Sendable (String) -> Value?
  /// How a default is shown.
  let write: @Sendable (Value) -> String

  public init(
    _ expectation: String, limits: String? = nil, placeholder: String, candidates: Candidates = .nothing,
    read: @escaping @Sendable (String) -> Value?, write: @escaping @Sendable (Value) -> String = { "\($0)" }
  ) {
    self.expectation = expectation
    self.limits = limits
    self.placeholder = placeholder
    self.candidates = candidates
    self.read = read
    self.write = write
  }
}

/// What a shell can offer where a value goes.
public enum Candidates: Equatable, Sendable {
  case nothing
  case words([String])
  /// Files, when `ending` is not nil only those whose name ends so (".topo"), and directories on the way there.
  case files(ending: String?)
  case directories
  /// A command line that prints one candidate a line: "netlab list --names". It runs at each press of the key, so it
  /// must be quick and change nothing; what it prints to standard error is not shown.
  case output(of: String)
}

extension ValueKind where Value: FixedWidthInteger {
  /// A whole number in decimal digits.
  public static func number(in range: ClosedRange<Value> = Value.min...Value.max) -> ValueKind {
    let hasFloor = range.lowerBound > .min
    let hasCeiling = range.upperBound < .max
    let limits: String? =
      if hasCeiling {
        "\(range.lowerBound) to \(range.upperBound)"
      } else if hasFloor || !Value.isSigned {
        "from \(range.lowerBound)"
      } else {
        nil
      }
    let bounds = limits.map { hasCeiling ? " from \($0)" : " \($0)" } ?? ""
    return ValueKind("a whole number" + bounds, limits: limits, placeholder: "N") { text in
      Value(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }
}

extension ValueKind where Value == Int {
  /// Any whole number.
  public static var number: ValueKind { number() }
}

extension ValueKind where Value == Double {
  /// A number in decimal digits, perhaps with a point; no exponent, no infinity.
  public static func decimal(in range: ClosedRange<Double>) -> ValueKind {
    let limits = "\(plainDecimal(range.lowerBound)) to \(plainDecimal(range.upperBound))"
    return ValueKind("a number from \(limits)", limits: limits, placeholder: "N") { text in
      guard text.utf8.allSatisfy({ "0123456789.-+".utf8.contains($0) }) else { return nil }
      return Double(text).flatMap { range.contains($0) ? $0 : nil }
    } write: {
      plainDecimal($0)
    }
  }
}

extension ValueKind where Value == String {
  /// Any text, also none.
  public static var text: ValueKind { text("some text") }

  /// Any text, with what it should be in words, and perhaps where a shell can find candidates.
  public static func text(_ expectation: String, candidates: Candidates = .nothing) -> ValueKind {
    ValueKind(expectation, placeholder: "TEXT", candidates: candidates, read: { $0 }, write: { $0 })
  }

  /// The path of a file. Whether it exists is for the program to find out, since only it knows what it wants to do
  /// with it.
  public static var file: ValueKind { file(ending: nil) }

  public static func file(ending: String?) -> ValueKind {
    ValueKind(
      "the path of a file", placeholder: "FILE", candidates: .files(ending: ending),
      read: { $0.isEmpty ? nil : $0 }, write: { $0 })
  }

  public static var directory: ValueKind {
    ValueKind(
      "the path of a directory", placeholder: "DIR", candidates: .directories,
      read: { $0.isEmpty ? nil : $0 }, write: { $0 })
  }

  /// One of these words, when they are not the cases of a type.
  public static func choice(_ words: [String]) -> ValueKind {
    ValueKind(
      listed(words), limits: listed(words), placeholder: words.joined(separator: "|"), candidates: .words(words),
      read: { words.contains($0) ? $0 : nil }, write: { $0 })
  }
}

extension ValueKind where Value: CaseIterable & RawRepresentable<String> {
  /// One of the cases of this type, by its raw value.
  public static func choice(of type: Value.Type = Value.self) -> ValueKind {
    let words = Value.allCases.map(\.rawValue)
    return ValueKind(
      listed(words), limits: listed(words), placeholder: words.joined(separator: "|"), candidates: .words(words),
      read: { Value(rawValue: $0) }, write: \.rawValue)
  }
}

/// "up, down or both"
func listed(_ words: [String]) -> String {
  guard let last = words.last else { return "nothing" }
  let others = words.dropLast()
  return others.isEmpty ? last : others.joined(separator: ", ") + " or " + last
}
