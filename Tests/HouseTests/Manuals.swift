//  Manuals.swift — what documents say of the programs, against what the programs say of themselves.
//
//  A manual page that lists an option which is gone is worse than none, and nobody reads both at every change. So the
//  words of both are compared, in both directions; and a command in README is a promise that it exists.

/// The commands and options that a manual page names. mdoc(7) and plain man(7) are both understood.
struct ManualPage {
  /// Every word that is set as a command: `Cm up`, `\fBup\fR`.
  var words: Set<String> = []
  /// The entries of its list of commands: `.It Cm up Ar FILE` below "Commands".
  var commands: [String] = []
  var options: Set<String> = []

  init(_ text: String) {
    var section = ""
    for line in text.split(separator: "\n") {
      if line.hasPrefix("curl ") { continue }  // an example's options are its own
      var words = line.split(separator: " ").map { String($0).replacing("\\-", with: "-") }
      if [".Sh", ".Ss", ".SH", ".SS"].contains(words.first) {
        section = words.dropFirst().joined(separator: " ").lowercased()
        continue
      }
      if section == "commands" && words.prefix(2) == [".It", "Cm"] && words.count > 2 { commands.append(words[2]) }
      let isMacro = line.hasPrefix(".")
      if isMacro { words[0].removeFirst() }
      var macro = ""
      for word in words {
        if isMacro, ["Fl", "Cm", "Nm", "Ar", "Op", "Oo", "Oc", "Pa", "Li", "Xr", "Ns", "It", "Ql"].contains(word) {
          macro = word
        } else if macro == "Fl" {
          if word.hasPrefix("-") { options.insert("-" + word) }
        } else {
          if macro == "Cm" { self.words.insert(word) }
          collectPlain(word)
        }
      }
    }
  }

  /// man(7)'s fonts, and options in running text.
  private mutating func collectPlain(_ word: String) {
    let bare = word.replacing("\\fB", with: "").replacing("\\fR", with: "").replacing("\\fI", with: "").replacing(
      "\\fP", with: "")
    if word.contains("\\fB") { words.insert(bare) }
    let name = bare.drop { !$0.isLetter && $0 != "-" }.prefix { $0.isLetter || $0.isNumber || $0 == "-" }
    if name.hasPrefix("--") && name.count > 2 { options.insert(String(name)) }
  }
}

/// Both directions: what help shows is in the manual, and what the manual lists is in help.
func manualFindings(_ manual: ManualPage, file: String, _ pages: HelpPages) -> [Finding] {
  var findings: [Finding] = []
  func add(_ message: String) { findings.append(Finding(file: file, message: message)) }
  for (words, page) in pages.sorted(by: { $0.key < $1.key }) {
    for command in page.commands where !manual.words.contains(command) {
      add("says nothing of `\(words) \(command)`, which --help shows")
    }
    for option in page.options.sorted() where !manual.options.contains(option) {
      add("says nothing of \(option), which `\(words) --help` shows")
    }
  }
  let options = pages.values.reduce(into: Set<String>()) { $0.formUnion($1.options) }
  for option in manual.options.subtracting(options).sorted() { add("lists \(option), which no --help shows") }
  let commands = Set(pages.values.flatMap(\.commands))
  for command in manual.commands where !commands.contains(command) {
    add("lists the command \(command), which no --help shows")
  }
  return findings
}

/// A command line out of a code block of a document.
struct QuotedCommand: Equatable {
  let line: Int
  let words: [String]
}

/// The lines of fenced `sh` blocks, without sudo, comments and what follows a pipe.
func quotedCommands(in markdown: String) -> [QuotedCommand] {
  var commands: [QuotedCommand] = []
  var isInside = false
  for (index, line) in markdown.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
    if line.hasPrefix("```") {
      isInside = !isInside && (line == "```sh" || line == "```console" || line == "```bash")
      continue
    }
    if !isInside { continue }
    for part in line.split(separator: "|") {
      var words = part.split(separator: " ").map(String.init)
      if let comment = words.firstIndex(where: { $0.hasPrefix("#") }) { words.removeSubrange(comment...) }
      if words.first == "$" { words.removeFirst() }
      while let first = words.first, first == "sudo" || first.contains("=") { words.removeFirst() }
      if !words.isEmpty { commands.append(QuotedCommand(line: index + 1, words: words)) }
    }
  }
  return commands
}

/// Targets of a Makefile.
func makeTargets(_ makefile: String) -> Set<String> {
  Set(
    makefile.split(separator: "\n").compactMap { line in
      guard let first = line.first, first.isLetter, let colon = line.firstIndex(of: ":") else { return nil }
      let name = line[..<colon]
      return name.contains(" ") || line[colon...].hasPrefix(":=") ? nil : String(name)
    })
}

/// Commands that do not exist, options that their command does not take, files that are not there.
func quotedFindings(
  _ commands: [QuotedCommand], file: String, targets: Set<String>, pages: HelpPages, exists: (String) -> Bool
) -> [Finding] {
  var findings: [Finding] = []
  for command in commands {
    func add(_ message: String) { findings.append(Finding(file: file, line: command.line, message: message)) }
    let program = command.words[0].split(separator: "/").last.map(String.init) ?? ""
    if program == "make" {
      for target in command.words.dropFirst() where !target.contains("=") && !target.hasPrefix("-") {
        if !targets.contains(target) { add("`make \(target)`: the Makefile has no such target") }
      }
      continue
    }
    guard pages[program] != nil else {
      let isOurs = command.words[0].contains("/") && !command.words[0].hasPrefix("/")
      if isOurs && !exists(command.words[0]) { add("\(command.words[0]) does not exist") }
      continue
    }
    var path = program
    for word in command.words.dropFirst() {
      if word == "--" { break }
      if word.hasPrefix("--") {
        let option = String(word.prefix { $0 != "=" })
        if pages[path]?.options.contains(option) != true { add("`\(path)` has no option \(option)") }
      } else if pages[path]?.commands.isEmpty == false {
        if pages[path + " " + word] == nil && word != "help" {
          add("`\(path)` has no command \(word)")
          break
        }
        path += " " + word
      } else if word.hasPrefix("topologies/") || word.hasPrefix("docs/"), !exists(word) {
        add("there is no file \(word)")
      }
    }
  }
  return findings
}

/// Decisions are numbered from 1 without gaps, so that a number is enough to name one.
func decisionFindings(_ files: [String]) -> [Finding] {
  var findings: [Finding] = []
  let names = files.compactMap { $0.split(separator: "/").last.map(String.init) }.sorted()
  for (index, name) in names.enumerated() {
    let expected = String(repeating: "0", count: max(0, 4 - "\(index + 1)".count)) + "\(index + 1)-"
    if !name.hasPrefix(expected) {
      findings.append(Finding(file: "docs/decisions/\(name)", message: "the next number is \(expected.dropLast())"))
      break
    }
  }
  return findings
}
