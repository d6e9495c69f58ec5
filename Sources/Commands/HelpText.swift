//  HelpText.swift — `--help`, made from the declaration.
//
//  At most 90 columns wide: it fits a window of 100 and lines are still easy to read. Only ASCII is added to what the
//  declaration says, so that a serial console shows it too.

extension CommandPath {
  /// The text of `--help`, without a line break at its end.
  public var help: String {
    var page = Page()
    page.paragraph("\(title): \(command.summary)")
    page.gap()
    page.hanging("Usage: \(title) ", usageParts)
    if !command.details.isEmpty {
      page.gap()
      for line in command.details.split(separator: "\n", omittingEmptySubsequences: false) {
        page.paragraph(String(line))
      }
    }
    page.table("Commands", visibleCommands.map { ($0.name, $0.summary) })
    page.table("Arguments", (arguments + (rest.map { [$0] } ?? [])).map { ($0.name, $0.explanation) })
    page.table("Options", (ownOptions + standardOptions).map { ($0.optionColumn, $0.explanation) })
    page.table("Options of every command", inheritedOptions.map { ($0.optionColumn, $0.explanation) })
    let codes = exitCodes
    if !codes.isEmpty { page.table("Exit codes", codes.map { ("\($0.code)", $0.meaning) }) }
    if isProgram {
      page.gap()
      page.paragraph("'\(title) help COMMAND' explains a command.")
    }
    return page.lines.joined(separator: "\n")
  }

  /// "netlab bench [--seconds S] [--json] FILE", on one line.
  public var usage: String { ([title] + usageParts).joined(separator: " ") }

  /// For the middle of a sentence.
  var usageWithoutOptions: String { ([title] + argumentParts).joined(separator: " ") }

  /// The command's own exit codes, or those of the nearest above that declares some; wrong usage is always one of them.
  public var exitCodes: [(code: Int32, meaning: String)] {
    guard let declared = chain.last(where: { !$0.exitCodes.isEmpty })?.exitCodes else { return [] }
    let codes = declared.map { (code: $0.key, meaning: $0.value) }
    return codes.contains { $0.code == Program.wrongUsage } ? codes : codes + [(Program.wrongUsage, "wrong usage")]
  }

  private var usageParts: [String] {
    if !command.commands.isEmpty { return ownOptions.map(\.usagePart) + ["COMMAND [ARGUMENT...]"] }
    let grouped = command.exclusive.joined()
    let options = ownOptions.filter { !grouped.contains($0.name) }.map(\.usagePart)
    let groups = command.exclusive.map { group in
      let members = command.parameters.filter { group.contains($0.name) }
      return "[" + members.map(\.bareUsage).joined(separator: " | ") + "]"
    }
    return options + groups + argumentParts
  }

  private var argumentParts: [String] {
    let grouped = command.exclusive.joined()
    var parts = arguments.filter { !grouped.contains($0.name) }.map(\.usagePart)
    if let rest { parts.append(rest.isRequired ? "-- \(rest.name)..." : "[-- \(rest.name)...]") }
    return parts
  }
}

extension Declaration {
  /// "--seconds S", "FILE..."
  fileprivate var bareUsage: String {
    let value = role == .option ? "\(label) \(valueName)" : label
    return isRepeated && role == .argument ? value + "..." : value
  }

  fileprivate var usagePart: String {
    let part = isRequired ? bareUsage : "[\(bareUsage)]"
    return isRepeated && role == .option ? part + "..." : part
  }

  fileprivate var optionColumn: String {
    let start = short.map { "-\($0), " } ?? "    "
    return start + (role == .option ? "\(label) \(valueName)" : label)
  }

  /// "how long each run lasts (1 to 3600; default 10)"
  fileprivate var explanation: String {
    var notes: [String] = []
    let saysItself: Bool =
      if case .words(let words) = candidates { valueName == words.joined(separator: "|") } else { false }
    if let limits, !saysItself { notes.append(limits) }
    if let defaultText { notes.append("default \(defaultText)") }
    if role == .option && isRequired { notes.append("required") }
    if role == .option && isRepeated { notes.append("repeatable") }
    return notes.isEmpty ? summary : "\(summary) (\(notes.joined(separator: "; ")))"
  }
}

/// Lines that are not too long.
private struct Page {
  private(set) var lines: [String] = []
  private let width = 90
  /// Names longer than this stand alone on their line: few long ones must not push all explanations to the right.
  private let longestName = 30

  mutating func gap() { lines.append("") }

  mutating func paragraph(_ text: String) {
    if text.isEmpty || text.hasPrefix(" ") { lines.append(text) } else { lines += wrapped(words(of: text), width) }
  }

  /// Parts after a start, and further lines below the first part.
  mutating func hanging(_ start: String, _ parts: [String]) {
    let indent = String(repeating: " ", count: start.count)
    for (number, line) in wrapped(parts, width - start.count).enumerated() {
      lines.append((number == 0 ? start : indent) + line)
    }
  }

  mutating func table(_ heading: String, _ rows: [(name: String, text: String)]) {
    if rows.isEmpty { return }
    gap()
    lines.append("\(heading):")
    let column = rows.map(\.name.count).filter { $0 <= longestName }.max() ?? 4
    let indent = String(repeating: " ", count: column + 4)
    for row in rows {
      let text = wrapped(words(of: row.text), width - column - 4)
      if row.name.count > column {
        lines.append("  \(row.name)")
        lines += text.map { indent + $0 }
      } else {
        lines.append("  " + row.name + String(repeating: " ", count: column - row.name.count + 2) + (text.first ?? ""))
        lines += text.dropFirst().map { indent + $0 }
      }
    }
  }

  private func words(of text: String) -> [String] { text.split(separator: " ").map(String.init) }

  private func wrapped(_ words: [String], _ width: Int) -> [String] {
    var lines: [String] = []
    for word in words {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(word)
      }
    }
    return lines
  }
}
