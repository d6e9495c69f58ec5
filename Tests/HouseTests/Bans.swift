//  Bans.swift — what is not written here, and what is written instead.
//
//  Why.  Most bans guard one of two things: a simulation that gives the same bytes everywhere, or a program that tells
//  its user what went wrong instead of dying. A ban without a replacement would only make people clever, so each names
//  one.
//
//  How.  A pattern is a piece of Swift, compared token by token with code; comments and literals cannot match. What
//  needs more than that is a rule of its own below. Not caught: the order of a Dictionary or Set that reaches an
//  output; that takes types, and the test that compares two builds' simulation logs finds it.

struct Ban: Sendable {
  enum Scope: Sendable {
    /// The sans-IO layers.
    case cores
    case sources
    case tests
    case everywhere
  }

  let pattern: String
  let scope: Scope
  let instead: String
  /// No match right after one of these: `file.print(` and `func print(` are other people's names.
  let unlessAfter: [String]

  init(_ pattern: String, in scope: Scope, unlessAfter: [String] = [".", "func", "case"], _ instead: String) {
    self.pattern = pattern
    self.scope = scope
    self.instead = instead
    self.unlessAfter = unlessAfter
  }

  func applies(toCore isCore: Bool, test isTest: Bool) -> Bool {
    switch scope {
    case .cores: isCore
    case .sources: !isTest
    case .tests: isTest
    case .everywhere: true
    }
  }

  static let all: [Ban] = [
    Ban("print(", in: .cores, "return a value or count a verdict; only programs print"),
    Ban("await", in: .cores, "cores are plain state machines; the loop at the edge waits"),
    Ban("Task {", in: .cores, "cores have no threads; hand out a deadline and be called again"),
    Ban("hashValue", in: .cores, unlessAfter: [], "it differs in every run; write the hash that you mean"),
    Ban("Hasher(", in: .cores, "it differs in every run; write the hash that you mean"),
    Ban("ContinuousClock", in: .cores, unlessAfter: [], "take `at now: Instant`"),
    Ban("SuspendingClock", in: .cores, unlessAfter: [], "take `at now: Instant`"),
    Ban("Date(", in: .sources, "take `at now: Instant`; only the edge reads a clock, with clock_gettime"),
    Ban("DispatchQueue", in: .sources, unlessAfter: [], "a thread of its own with state of its own, or an actor"),
    Ban(
      "SystemRandomNumberGenerator", in: .everywhere, unlessAfter: [],
      "SeededRandom, so that every run can be run again"),
    Ban("arc4random", in: .everywhere, "SeededRandom, so that every run can be run again"),
    Ban("try!", in: .everywhere, unlessAfter: [], "try, and say what was wrong"),
    Ban("as!", in: .everywhere, unlessAfter: [], "as? with a guard, or a type that makes the cast needless"),
    Ban("fatalError(", in: .everywhere, "precondition with a sentence: a bug says which promise it broke"),
    Ban(
      "Process()", in: .sources, "ChildProcess: it takes a namespace, dies with its parent, and leaves nothing behind"),
    Ban("system(", in: .everywhere, "ChildProcess with an argument list: no shell between us and the program"),
    Ban("NSLock", in: .everywhere, unlessAfter: [], "Mutex of Synchronization, or one owner"),
    Ban("@unchecked Sendable", in: .sources, unlessAfter: [], "a type that is Sendable, or one owner"),
    Ban("@_exported", in: .everywhere, unlessAfter: [], "every file imports what it uses"),
    Ban("sleep(", in: .tests, "wait for the event itself, with a deadline"),
    Ban("usleep(", in: .tests, "wait for the event itself, with a deadline"),
    Ban("nanosleep(", in: .tests, "wait for the event itself, with a deadline"),
    Ban("Task.sleep(", in: .tests, "wait for the event itself, with a deadline"),
    Ban("Thread.sleep(", in: .tests, "wait for the event itself, with a deadline"),
    Ban(
      ".disabled(", in: .tests, unlessAfter: [],
      "mend the test or delete it; one that needs a condition says .enabled(if:)"),
    Ban("withKnownIssue", in: .tests, unlessAfter: [], "mend it, or write down in the issue why not"),
    Ban("#expect(true", in: .tests, unlessAfter: [], "a test that can fail"),
  ]

  /// The bans by the first token of their pattern: most tokens of a file begin none.
  private static let byFirst: [String: [(ban: Ban, pattern: [SwiftText.Token])]] = Dictionary(
    grouping: all.map { ($0, SwiftText($0.pattern).tokens) }, by: { $0.1[0].text })

  /// Every rule on one file.
  static func findings(in text: SwiftText, isCore: Bool, isTest: Bool) -> [Finding] {
    var findings: [Finding] = []
    let code = text.tokens
    for index in code.indices {
      for (ban, pattern) in byFirst[code[index].text] ?? [] where ban.applies(toCore: isCore, test: isTest) {
        guard matches(pattern, code, at: index) else { continue }
        if index > 0 && ban.unlessAfter.contains(code[index - 1].text) { continue }
        findings.append(
          Finding(
            file: text.file, line: code[index].line,
            message: "`\(ban.pattern)` is not written here; write \(ban.instead)"))
      }
    }
    return findings + chance(text) + runningIP(text) + mutePreconditions(text, isTest: isTest) + promises(text)
  }

  private static func matches(_ pattern: [SwiftText.Token], _ code: [SwiftText.Token], at index: Int) -> Bool {
    guard index + pattern.count <= code.count else { return false }
    for offset in pattern.indices {
      let token = code[index + offset]
      guard token.kind == pattern[offset].kind, token.text == pattern[offset].text else { return false }
      if offset > 0 && token.isJoined != pattern[offset].isJoined { return false }
    }
    return true
  }

  /// The tokens between the parenthesis that opens at `index` and its partner.
  private static func arguments(of code: [SwiftText.Token], from index: Int) -> ArraySlice<SwiftText.Token> {
    var depth = 0
    for at in index..<code.count where code[at].kind == .mark {
      if code[at].text == "(" { depth += 1 }
      if code[at].text == ")" { depth -= 1 }
      if depth == 0 { return code[(index + 1)..<at] }
    }
    return code[(index + 1)...]
  }

  /// Chance without a generator of ours is the system's. `cryptography.random(…)` is the interface for bytes that
  /// nobody can guess: a simulation fills it from its seed.
  private static func chance(_ text: SwiftText) -> [Finding] {
    let names = ["random", "randomElement", "shuffle", "shuffled"]
    let code = text.tokens
    return code.indices.dropLast().compactMap { index in
      guard names.contains(code[index].text), code[index].kind == .word, code[index + 1].text == "(",
        index > 1, code[index - 1].text == ".", code[index - 2].text != "cryptography"
      else { return nil }
      if arguments(of: code, from: index + 1).contains(where: { $0.text == "using" }) { return nil }
      return Finding(
        file: text.file, line: code[index].line,
        message: "`.\(code[index].text)` without `using:` draws from the system; draw from a SeededRandom")
    }
  }

  /// `["ip", "link", …]` and "/sbin/ip": its output is for people, and between two calls the world changes.
  /// Tests use it as a second opinion, and peers are set up with their users' own tools.
  private static func runningIP(_ text: SwiftText) -> [Finding] {
    if text.file.hasPrefix("Tests/") || text.file.hasPrefix("Sources/Lab/Peers/") { return [] }
    let code = text.tokens
    return code.indices.compactMap { index in
      guard code[index].kind == .literal else { return nil }
      let literal = code[index].text
      let isCommand = literal == "ip" && index > 0 && code[index - 1].text == "[" && code[index - 1].kind == .mark
      guard isCommand || literal.hasSuffix("bin/ip") else { return nil }
      return Finding(
        file: text.file, line: code[index].line, message: "runs `ip`; use Netlink, which answers with an errno")
    }
  }

  /// A precondition without a sentence leaves whoever hits it with a line number.
  private static func mutePreconditions(_ text: SwiftText, isTest: Bool) -> [Finding] {
    if isTest { return [] }
    let code = text.tokens
    return code.indices.dropLast().compactMap { index in
      guard ["precondition", "preconditionFailure"].contains(code[index].text), code[index + 1].text == "(" else {
        return nil
      }
      if arguments(of: code, from: index + 1).contains(where: { $0.kind == .literal }) { return nil }
      return Finding(
        file: text.file, line: code[index].line,
        message: "`\(code[index].text)` without a sentence; say which promise was broken")
    }
  }

  /// Notes to do something later belong in an issue.
  private static func promises(_ text: SwiftText) -> [Finding] {
    text.comments.compactMap { comment in
      let words = comment.text.split { !($0.isLetter || $0.isNumber) }
      guard let word = words.first(where: { ["TODO", "FIXME", "XXX", "HACK"].contains($0) }) else { return nil }
      return Finding(file: text.file, line: comment.line, message: "`\(word)` in a comment; do it, or open an issue")
    }
  }
}

/// How a file looks: the width of its lines and the first of them.
enum Form {
  static let columns = 120
  /// A file this long holds a mechanism, and says so at its top.
  static let mechanism = 60

  static func findings(in text: SwiftText) -> [Finding] {
    var findings: [Finding] = []
    for (index, line) in text.lines.enumerated() where line.count > columns {
      findings.append(
        Finding(file: text.file, line: index + 1, message: "\(line.count) columns; \(columns) is the width of a line"))
    }
    guard let name = text.file.split(separator: "/").last else { return findings }
    let first = text.lines.first ?? ""
    let header = "//  \(name) — "
    if !first.hasPrefix(header) {
      let mustHaveOne = text.file.hasPrefix("Sources/") && text.lines.count > mechanism
      let hasAnother = first.hasPrefix("//  ") && first.contains(".swift — ")
      if mustHaveOne || hasAnother {
        findings.append(
          Finding(file: text.file, line: 1, message: "the first line must be \"\(header)\" and what the file is for"))
      }
    }
    return findings
  }
}
