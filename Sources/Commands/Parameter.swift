//  Parameter.swift — flags, options and arguments, declared once as typed values.
//
//      let seconds = Option("seconds", short: "s", .number(in: 1...3600), default: 10, "how long each run lasts")
//      let mtu = Option("mtu", .number(in: 576...65535), "the largest packet")          // Int?: it may be absent
//      let links = Option(repeated: "link", .text, "a link to look at; all when absent")  // [String]
//      let config = Option(required: "config", .file, "the configuration")                // String, and must be given
//      let file = Argument("FILE", .file(ending: ".topo"), "the topology")
//      let json = Flag("json", "print one JSON object")
//
//  The kind of the value decides the type; the initializer decides whether it can be absent or repeated. A parsed
//  `Invocation` gives the value back: `invocation[seconds]` is an Int.

/// Something that a command takes.
public protocol Parameter<Value>: Sendable {
  associatedtype Value: Sendable
  var declaration: Declaration { get }
  /// The value, from texts that the declaration has accepted.
  func value(of texts: [String]) -> Value
}

/// What a parameter is without its type: for the parser, the help and the completions.
public struct Declaration: Sendable {
  public enum Role: Sendable {
    case flag
    case option
    /// Told by its place.
    case argument
    /// Everything after "--".
    case rest
  }

  public let role: Role
  /// "seconds" of an option, "FILE" of an argument: unique within a command, since one is in small letters and the
  /// other not.
  public let name: String
  public var short: Character?
  /// What stands for the value in the help; empty for a flag.
  public var valueName = ""
  public let summary: String
  public var isRequired = false
  public var isRepeated = false
  public var defaultText: String?
  public var expectation = ""
  public var limits: String?
  public var candidates = Candidates.nothing
  var accepts: @Sendable (String) -> Bool = { _ in true }

  init(_ role: Role, _ name: String, _ summary: String) {
    self.role = role
    self.name = name
    self.summary = summary
  }

  /// As a user writes it: "--seconds" or "FILE".
  public var label: String { role == .flag || role == .option ? "--\(name)" : name }

  var isOption: Bool { role == .flag || role == .option }

  mutating func take<Value>(_ kind: ValueKind<Value>) {
    expectation = kind.expectation
    limits = kind.limits
    candidates = kind.candidates
    accepts = { kind.read($0) != nil }
  }
}

/// Present or not: "--json".
public struct Flag: Parameter {
  public let declaration: Declaration

  public init(_ name: String, short: Character? = nil, _ summary: String) {
    var declaration = Declaration(.flag, name, summary)
    declaration.short = short
    self.declaration = declaration
  }

  public func value(of texts: [String]) -> Bool { !texts.isEmpty }
}

/// A name with a value: "--seconds 5", "--seconds=5", "-s 5", "-s5".
public struct Option<Value: Sendable>: Parameter {
  public let declaration: Declaration
  private let convert: @Sendable ([String]) -> Value

  public init(
    _ name: String, short: Character? = nil, value: String? = nil, _ kind: ValueKind<Value>, default: Value,
    _ summary: String
  ) {
    self.init(name, short, value, kind, summary) {
      $0.defaultText = kind.write(`default`)
    } convert: {
      $0.first.map { read($0, kind) } ?? `default`
    }
  }

  public init<Wrapped>(
    _ name: String, short: Character? = nil, value: String? = nil, _ kind: ValueKind<Wrapped>, _ summary: String
  ) where Value == Wrapped? {
    self.init(name, short, value, kind, summary) { _ in
    } convert: {
      $0.first.map { read($0, kind) }
    }
  }

  public init(
    required name: String, short: Character? = nil, value: String? = nil, _ kind: ValueKind<Value>, _ summary: String
  ) {
    self.init(name, short, value, kind, summary) {
      $0.isRequired = true
    } convert: {
      read($0[0], kind)
    }
  }

  /// May be given any number of times.
  public init<Element>(
    repeated name: String, short: Character? = nil, value: String? = nil, _ kind: ValueKind<Element>, _ summary: String
  ) where Value == [Element] {
    self.init(name, short, value, kind, summary) {
      $0.isRepeated = true
    } convert: {
      $0.map { read($0, kind) }
    }
  }

  private init<Element>(
    _ name: String, _ short: Character?, _ value: String?, _ kind: ValueKind<Element>, _ summary: String,
    _ refine: (inout Declaration) -> Void, convert: @escaping @Sendable ([String]) -> Value
  ) {
    var declaration = Declaration(.option, name, summary)
    declaration.short = short
    declaration.valueName = value ?? kind.placeholder
    declaration.take(kind)
    refine(&declaration)
    self.declaration = declaration
    self.convert = convert
  }

  public func value(of texts: [String]) -> Value { convert(texts) }
}

/// A value that is told by its place: "FILE".
public struct Argument<Value: Sendable>: Parameter {
  public let declaration: Declaration
  private let convert: @Sendable ([String]) -> Value

  /// Must be given.
  public init(_ name: String, _ kind: ValueKind<Value>, _ summary: String) {
    self.init(name, kind, summary) {
      $0.isRequired = true
    } convert: {
      read($0[0], kind)
    }
  }

  public init(_ name: String, _ kind: ValueKind<Value>, default: Value, _ summary: String) {
    self.init(name, kind, summary) {
      $0.defaultText = kind.write(`default`)
    } convert: {
      $0.first.map { read($0, kind) } ?? `default`
    }
  }

  public init<Wrapped>(optional name: String, _ kind: ValueKind<Wrapped>, _ summary: String)
  where Value == Wrapped? {
    self.init(name, kind, summary) { _ in
    } convert: {
      $0.first.map { read($0, kind) }
    }
  }

  /// All that come; `isRequired` says that one must.
  public init<Element>(
    repeated name: String, _ kind: ValueKind<Element>, isRequired: Bool = false, _ summary: String
  ) where Value == [Element] {
    self.init(name, kind, summary) {
      $0.isRepeated = true
      $0.isRequired = isRequired
    } convert: {
      $0.map { read($0, kind) }
    }
  }

  private init<Element>(
    _ name: String, _ kind: ValueKind<Element>, _ summary: String, _ refine: (inout Declaration) -> Void,
    convert: @escaping @Sendable ([String]) -> Value
  ) {
    var declaration = Declaration(.argument, name, summary)
    declaration.valueName = name
    declaration.take(kind)
    refine(&declaration)
    self.declaration = declaration
    self.convert = convert
  }

  public func value(of texts: [String]) -> Value { convert(texts) }
}

/// Everything after "--", as it stands: "exec NODE -- COMMAND...".
public struct Rest: Parameter {
  public let declaration: Declaration

  public init(_ name: String, isRequired: Bool = true, _ summary: String) {
    var declaration = Declaration(.rest, name, summary)
    declaration.valueName = name
    declaration.isRequired = isRequired
    declaration.isRepeated = true
    self.declaration = declaration
  }

  public func value(of texts: [String]) -> [String] { texts }
}

private func read<Value>(_ text: String, _ kind: ValueKind<Value>) -> Value {
  guard let value = kind.read(text) else { preconditionFailure("a kind that accepts '\(text)' once must do so always") }
  return value
}
