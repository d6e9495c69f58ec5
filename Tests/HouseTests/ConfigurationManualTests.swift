//  ConfigurationManualTests.swift — hawser.conf(5) against the table that the reader uses, in both directions.

import Configuration
import Testing

@Suite struct `The manual of the configuration` {
  private static let file = "docs/man/hawser.conf.5"

  @Test func `has every section and every key, no others, and their bounds and defaults`() throws {
    expectNone(configurationFindings(try Checkout.text(Self.file), file: Self.file))
    expectNone(
      configurationFindings(
        try Checkout.text(Self.file), below: "RELAYS", Schema.relaySections, file: Self.file))
    expectNone(
      configurationFindings(
        try Checkout.text(Self.file), below: "ORACLES", Schema.oracleSections, file: Self.file))
  }

  @Test func `has an example that is right`() throws {
    let examples = literalBlocks(try Checkout.text(Self.file))
    #expect(!examples.isEmpty)
    for example in examples {
      do throws(Mistakes) {
        _ = try ConfigurationFile(reading: Array(example.utf8), named: Self.file)
      } catch {
        Issue.record("\(error)")
      }
    }
  }

  // MARK: Each rule can fail

  @Test(arguments: [
    (".It Cm Weight Li", ".It Cm Wieght Li", ["[Path] says nothing of Weight", "[Path] has no key Wieght"]),
    (".Ss [Control]", ".Ss [Contrl]", ["there is no section [Contrl]", "says nothing of [Control]"]),
    (
      "1280 to 9000; 1500 when absent", "1280 to 9999; 1400 when absent",
      ["MTU of [Gateway] does not say 9000", "MTU of [Gateway] does not say 1500"]
    ),
    ("at most 4096.\n.Bl", "at most 10.\n.Bl", ["[Peer] does not say how many there can be: 4096"]),
  ])
  func `a page that says something else is found`(old: String, new: String, messages: [String]) throws {
    let page = try Checkout.text(Self.file).replacing(old, with: new)
    #expect(configurationFindings(page, file: Self.file).map(\.message).sorted() == messages.sorted())
  }
}

/// What the page says of each section, and of each key below it.
private struct ConfigurationPage {
  var sections: [(name: String, text: String, keys: [(name: String, text: String)])] = []

  init(_ page: String, below heading: String) {
    var isInside = false
    for line in page.split(separator: "\n") {
      if line.hasPrefix(".Sh ") { isInside = line == ".Sh \(heading)" }
      if !isInside || line.hasPrefix(".Sh ") { continue }
      if line.hasPrefix(".Ss [") {
        sections.append((name: String(line.dropFirst(5).prefix { $0.isLetter }), text: "", keys: []))
      } else if line.hasPrefix(".It Cm "), !sections.isEmpty {
        let name = line.split(separator: " ")[2]
        sections[sections.count - 1].keys.append((name: String(name), text: ""))
      } else if !sections.isEmpty {
        let last = sections.count - 1
        if sections[last].keys.isEmpty {
          sections[last].text += " " + line
        } else {
          sections[last].keys[sections[last].keys.count - 1].text += " " + line
        }
      }
    }
  }
}

private func configurationFindings(
  _ page: String, below heading: String = "SECTIONS", _ forms: [SectionForm] = Schema.sections, file: String
) -> [Finding] {
  let manual = ConfigurationPage(page, below: heading)
  var findings: [Finding] = []
  func add(_ message: String) { findings.append(Finding(file: file, message: message)) }
  for section in manual.sections where !forms.contains(where: { $0.name == section.name }) {
    add("there is no section [\(section.name)]")
  }
  for form in forms {
    guard let section = manual.sections.first(where: { $0.name == form.name }) else {
      add("says nothing of [\(form.name)]")
      continue
    }
    if form.most > 1 && !numbers(in: section.text).contains("\(form.most)") {
      add("[\(form.name)] does not say how many there can be: \(form.most)")
    }
    for key in section.keys where !form.settings.contains(where: { $0.name == key.name }) {
      add("[\(form.name)] has no key \(key.name)")
    }
    for setting in form.settings {
      guard let key = section.keys.first(where: { $0.name == setting.name }) else {
        add("[\(form.name)] says nothing of \(setting.name)")
        continue
      }
      if setting.isRequired && !key.text.contains("Required.") {
        add("\(setting.name) of [\(form.name)] does not say that it is required")
      }
      // Bounds; what stands as an example in the expectation need not be the manual's.
      let bounds = setting.expectation.contains(" from ") ? numbers(in: setting.expectation) : []
      for text in bounds.suffix(2) + numbers(in: setting.defaultText ?? "") where !numbers(in: key.text).contains(text)
      {
        add("\(setting.name) of [\(form.name)] does not say \(text)")
      }
      if let text = setting.defaultText, !key.text.contains(text), !key.text.contains("when absent") {
        add("\(setting.name) of [\(form.name)] does not say what holds when it is absent: \(text)")
      }
    }
  }
  return findings
}

private func numbers(in text: String) -> [String] {
  text.split { !$0.isNumber }.map(String.init)
}

/// What stands between `.Bd -literal` and `.Ed`.
private func literalBlocks(_ page: String) -> [String] {
  page.split(separator: ".Bd -literal").dropFirst().compactMap { part in
    guard let end = part.firstRange(of: "\n.Ed")?.lowerBound, let start = part.firstIndex(of: "\n") else { return nil }
    return String(part[part.index(after: start)..<end]) + "\n"
  }
}
