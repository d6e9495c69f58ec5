//  Parser.swift — words of a command line into an invocation, or one sentence that helps.
//
//  Why.  A wrong call is where a user meets the program first. The sentence says what is wrong and what would be
//  right, and nothing else: no usage text of forty lines in which the reason scrolls away.
//
//  How.  One pass from left to right. A word with a dash is an option of the command reached so far; the first other
//  words walk down the tree of commands, the rest are arguments. Values are checked when they are met.
//
//  A word that begins with a dash is never taken for an option's value, so that `--report --json` does not write a
//  report into a file called "--json"; negative numbers are no such words, and `--report=--json` says it on purpose.
//  Options have no abbreviations: a script that uses one breaks when we add an option. A value given twice is an
//  error, since either could be meant; a flag given twice is not.
//
//  Who asks for help gets it, even if the words before are wrong.
//
//  Always true.  (1) Every text in an invocation was accepted by its declaration. (2) All that is required is there.
//  (3) A sentence is one line, however long or strange the words were.

import Primitives

struct Parser {
  /// Why there is no invocation.
  enum Stop: Error {
    case help(CommandPath)
    case version
    case wrong(String)
  }

  private var path: CommandPath
  private var texts: [String: [String]] = [:]
  private var argumentsSeen = 0

  init(root: CommandPath) { path = root }

  mutating func parse(_ words: [String]) throws(Stop) -> Invocation {
    var words = words[...]
    do {
      while let word = words.popFirst() {
        if word == "--" {
          try takeRest(words)
          break
        } else if word.hasPrefix("--") {
          try takeLong(word, &words)
        } else if isOptionLike(word) {
          try takeShort(word, &words)
        } else {
          try takePlain(word)
        }
      }
      try checkComplete()
    } catch {
      if case .wrong = error, words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
        throw .help(path)
      }
      throw error
    }
    return Invocation(path: path, texts: texts)
  }

  /// The command of this name below another, or what is wrong with the name.
  static func descend(from path: CommandPath, into word: String) throws(Stop) -> CommandPath {
    if let command = path.command.commands.first(where: { $0.name == word }) { return path.appending(command) }
    if path.command.commands.isEmpty { throw .wrong("\(path.title): it has no commands, so no \(quoted(word))") }
    let hint = suggestion(for: word, among: path.visibleCommands.map(\.name)) ?? "\(help(on: path)) lists the commands"
    throw .wrong("\(path.title): unknown command \(quoted(word)); \(hint)")
  }

  // MARK: Options

  private mutating func takeLong(_ word: String, _ words: inout ArraySlice<String>) throws(Stop) {
    let halves = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(halves[0])
    if name == versionFlag.declaration.name { throw .version }
    guard let option = path.allOptions.first(where: { $0.name == name }) else { throw unknown("--\(name)", name: name) }
    try take(option, as: option.label, joined: halves.count == 2 ? String(halves[1]) : nil, &words)
  }

  private mutating func takeShort(_ word: String, _ words: inout ArraySlice<String>) throws(Stop) {
    let letters = word.dropFirst()
    if letters.count > 1, path.allOptions.contains(where: { $0.name == letters }) {
      throw unknown(word, name: String(letters))
    }
    for at in letters.indices {
      guard let option = path.allOptions.first(where: { $0.short == letters[at] }) else {
        throw unknown("-\(letters[at])", name: String(letters))
      }
      let label = "-\(letters[at])"
      let after = letters[letters.index(after: at)...]
      if option.role == .option {
        try take(option, as: label, joined: after.isEmpty ? nil : String(after), &words)
        return
      }
      try take(option, as: label, joined: after.hasPrefix("=") ? String(after.dropFirst()) : nil, &words)
    }
  }

  private mutating func take(
    _ option: Declaration, as label: String, joined: String?, _ words: inout ArraySlice<String>
  ) throws(Stop) {
    if option.role == .flag {
      if let joined { throw wrong("\(label) takes no value, but got \(quoted(joined))") }
      if option.name == helpFlag.declaration.name { throw .help(path) }
      texts[option.name] = [""]
      return
    }
    guard let value = joined ?? nextValue(&words) else {
      throw wrong("\(label) needs a value: \(option.expectation)")
    }
    if let before = texts[option.name]?.first, !option.isRepeated {
      throw wrong("\(label) is given twice, as \(quoted(before)) and as \(quoted(value)); give it once")
    }
    try store(value, for: option, as: label)
  }

  private func nextValue(_ words: inout ArraySlice<String>) -> String? {
    guard let next = words.first, !isOptionLike(next) else { return nil }
    return words.popFirst()
  }

  private func unknown(_ label: String, name: String) -> Stop {
    let named = "unknown option \(quoted(label))"
    if let hint = Parser.suggestion(for: name, among: path.allOptions.map(\.name), prefix: "--") {
      return wrong("\(named); \(hint)")
    }
    let owner = CommandPath(chain: [path.chain[0]]).visibleTree.first {
      $0.ownOptions.contains { "--\($0.name)" == label }
    }
    if let owner { return wrong("\(named); it belongs to '\(owner.title)'") }
    return wrong("\(named); '\(path.title) --help' lists the options")
  }

  // MARK: Words without a dash

  private mutating func takePlain(_ word: String) throws(Stop) {
    if !path.command.commands.isEmpty {
      path = try Parser.descend(from: path, into: word)
      return
    }
    let arguments = path.arguments
    guard let argument = argumentsSeen < arguments.count ? arguments[argumentsSeen] : arguments.last,
      argumentsSeen < arguments.count || argument.isRepeated
    else {
      if path.rest != nil {
        throw wrong("put '--' before \(quoted(word)), as in '\(path.usageWithoutOptions)'")
      }
      let takes = arguments.isEmpty ? "no arguments" : arguments.map(\.name).joined(separator: " ")
      throw wrong("\(quoted(word)) is one argument too many: it takes \(takes)")
    }
    argumentsSeen += 1
    try store(word, for: argument, as: argument.label)
  }

  private mutating func takeRest(_ words: ArraySlice<String>) throws(Stop) {
    if let rest = path.rest {
      texts[rest.name] = Array(words)
    } else {
      for word in words { try takePlain(word) }
    }
  }

  // MARK: Checks

  private mutating func store(_ text: String, for declaration: Declaration, as label: String) throws(Stop) {
    if !declaration.accepts(text) {
      var sentence = "\(label) must be \(declaration.expectation), not \(quoted(text))"
      if case .words(let words) = declaration.candidates, let hint = Parser.suggestion(for: text, among: words) {
        sentence += "; \(hint)"
      }
      throw wrong(sentence)
    }
    texts[declaration.name, default: []].append(text)
  }

  private func checkComplete() throws(Stop) {
    if !path.command.commands.isEmpty {
      throw wrong("the command is missing; \(Parser.help(on: path)) lists them")
    }
    for parameter in path.command.parameters + path.inheritedOptions
    where parameter.isRequired && (texts[parameter.name] ?? []).isEmpty {
      let name = parameter.isOption ? "\(parameter.label) \(parameter.valueName)" : parameter.label
      let place = parameter.role == .rest ? " after '--'" : ""
      throw wrong("missing \(name)\(place): \(parameter.summary)")
    }
    for group in path.command.exclusive {
      let given = path.command.parameters.filter { group.contains($0.name) && texts[$0.name] != nil }
      if given.count > 1 {
        throw wrong("\(given[0].label) and \(given[1].label) exclude each other; give one of them")
      }
    }
  }

  private func wrong(_ sentence: String) -> Stop { .wrong("\(path.title): \(sentence)") }

  private static func help(on path: CommandPath) -> String {
    path.isProgram ? "'\(path.title) help'" : "'\(path.title) --help'"
  }

  /// "did you mean 'bench'?": the one word that begins so, or the one that is nearest.
  private static func suggestion(for typed: String, among words: [String], prefix: String = "") -> String? {
    let beginning = typed.count > 1 ? words.filter { $0.hasPrefix(typed) } : []
    guard let word = beginning.count == 1 ? beginning[0] : nearestWord(to: typed, in: words) else { return nil }
    return "did you mean '\(prefix)\(word)'?"
  }
}

/// A dash and more, but neither "-" (standard input) nor a negative number.
private func isOptionLike(_ word: String) -> Bool {
  guard word.hasPrefix("-"), word != "-" else { return false }
  let digits = word.dropFirst(word.hasPrefix("-.") ? 2 : 1)
  return digits.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? true
}

/// What somebody typed, in quotes: on one line, not too long, and without the power to move the cursor.
func quoted(_ text: String) -> String {
  var shown = ""
  for scalar in text.unicodeScalars.prefix(longestQuote) {
    switch scalar {
    case "\n": shown += "\\n"
    case "\t": shown += "\\t"
    default:
      let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
      if isControl { shown += "\\u{\(String(scalar.value, radix: 16))}" } else { shown.unicodeScalars.append(scalar) }
    }
  }
  return "'\(shown)\(text.unicodeScalars.count > longestQuote ? "..." : "")'"
}

/// Enough to recognise a word; a sentence with a pasted file in it helps nobody.
private let longestQuote = 60
