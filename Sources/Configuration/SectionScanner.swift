//  SectionScanner.swift — from the bytes of a file to sections with keys, each with its place; what is wrong is noted
//  and skipped.
//
//  Why.  An operator who is told of one mistake at a time edits, runs, edits, runs. So nothing here stops at what is
//  wrong: a line that cannot be read is one mistake, and the next line is read. What a mistake makes doubtful is
//  remembered, so that a misspelt `PublicKey` is not followed by "has no PublicKey".
//
//  How.  A line is a header, `KEY = VALUE`, or nothing; `#` begins a comment anywhere. Values stay where they are: an
//  entry holds a range of the file's bytes, so that the text of a secret exists once, where the caller wipes it.
//
//  Always true.  (1) Every key that comes out belongs to its section's table. (2) A key that may be given once comes
//  out once. (3) Every range lies within one line and holds valid UTF-8 without NUL.

struct Entry {
  let form: SettingForm
  let place: Place
  let value: Range<Int>
  let valuePlace: Place
}

struct Section {
  let form: SectionForm
  let name: String
  let place: Place
  /// Its header in the text that has spoken of it last.
  var latest: Place
  var entries: [Entry] = []
  /// Keys that somebody meant but misspelt: that they are missing is no second mistake.
  var excused: Set<String> = []
  /// A line was skipped that may have held anything.
  var isDoubtful = false
}

struct SectionScanner {
  private let texts: [ConfigurationText]
  /// The one that is being read, and its bytes.
  private var current = 0
  private var text: [UInt8] = []
  /// Those that the file may have, in the order in which it is best read.
  private let forms: [SectionForm]
  private let report: (Place, String) -> Void
  private var reported = 0
  private(set) var sections: [Section] = []
  /// Sections that somebody meant but misspelt.
  private(set) var excused: Set<String> = []
  private(set) var isDoubtful = false
  /// Where the file itself ends.
  private(set) var end = Place(line: 1, column: 1)

  /// Where lines go: nowhere before the first header, or after one that nobody knows.
  private enum Target {
    case nothing
    case ignored
    case section(Int)
  }
  private var target = Target.nothing
  private var hasComplainedOfNoSection = false
  /// How many sections there were of each form, those that were refused included.
  private var counts: [String: Int] = [:]

  /// Twice the longest name of the schema; a secret is longer.
  private static let mostKeyBytes = 32

  init(_ texts: [ConfigurationText], forms: [SectionForm], report: @escaping (Place, String) -> Void) {
    self.texts = texts
    self.forms = forms
    self.report = report
  }

  private mutating func note(_ place: Place, _ sentence: String) {
    reported += 1
    report(place, sentence)
  }

  /// Nobody will read more: a megabyte of nonsense has a hundred thousand mistakes, and each would cost a search for
  /// the word that was meant.
  private var isEnough: Bool { reported >= Mistakes.most }

  mutating func scan() {
    for index in texts.indices {
      current = index
      text = texts[index].bytes
      target = .nothing
      hasComplainedOfNoSection = false
      let last = scanText()
      if index == 0 { end = Place(line: last, column: 1) }
    }
    text = []
  }

  /// The number of its last line.
  private mutating func scanText() -> Int {
    // What some editors of other systems put before the first character.
    var start = text.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    var number = 0
    while start < text.count {
      number += 1
      let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
      line(start..<end, number: number)
      start = end + 1
    }
    return max(number, 1)
  }

  /// "line 3", or "line 3 of branch.conf" where that is another text.
  private func line(_ other: Place) -> String { TextLabel.line(other, from: current, of: texts.map(\.label)) }

  private mutating func line(_ range: Range<Int>, number: Int) {
    let current = current
    func place(_ at: Int) -> Place { Place(text: current, line: number, column: at - range.lowerBound + 1) }
    if range.count > Schema.mostLineBytes {
      return skip(
        place(range.lowerBound + Schema.mostLineBytes),
        "a line of \(range.count) bytes: expected at most \(Schema.mostLineBytes); a list may go on, with its key, in "
          + "the next line")
    }
    if let zero = text[range].firstIndex(of: 0) {
      return skip(place(zero), "a NUL byte: expected plain text")
    }
    if let broken = firstBroken(range) {
      return skip(place(broken), "bytes that are not UTF-8: expected plain text")
    }
    let end = text[range].firstIndex(of: UInt8(ascii: "#")) ?? range.upperBound
    let content = trimmed(range.lowerBound..<end)
    guard let first = text[content].first else { return }
    if first == UInt8(ascii: "[") {
      header(content, at: place(content.lowerBound))
    } else {
      entry(content, place)
    }
  }

  private mutating func skip(_ place: Place, _ sentence: String) {
    note(place, sentence)
    if case .section(let index) = target { sections[index].isDoubtful = true } else { isDoubtful = true }
  }

  /// Where the first bytes begin that are no character.
  private func firstBroken(_ range: Range<Int>) -> Int? {
    if String(validating: text[range], as: UTF8.self) != nil { return nil }
    var decoder = UTF8()
    var bytes = text[range].makeIterator()
    var at = range.lowerBound
    while true {
      switch decoder.decode(&bytes) {
      case .scalarValue(let scalar): at += UTF8.width(scalar)
      case .emptyInput, .error: return min(at, range.upperBound - 1)
      }
    }
  }

  private func trimmed(_ range: Range<Int>) -> Range<Int> {
    func isBlank(_ byte: UInt8) -> Bool { [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains(byte) }
    let start = text[range].firstIndex { !isBlank($0) } ?? range.upperBound
    let end = text[start..<range.upperBound].lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
    return start..<end
  }

  // MARK: Headers

  private mutating func header(_ content: Range<Int>, at place: Place) {
    target = .ignored
    guard text[content].last == UInt8(ascii: "]") else {
      isDoubtful = true
      return note(place, "\(shown(text[content])): expected ']' at the end of a section's header")
    }
    let inside = trimmed(content.lowerBound + 1..<content.upperBound - 1)
    let wordEnd = text[inside].firstIndex { !isWordCharacter($0) } ?? inside.upperBound
    let word = String(decoding: text[inside.lowerBound..<wordEnd], as: UTF8.self)
    // In any case of its letters, as WireGuard reads them.
    guard let form = forms.first(where: { $0.name.lowercased() == word.lowercased() }) else {
      if isEnough {
        isDoubtful = true
        return note(place, "")
      }
      let known = forms.map { (name: $0.name, elsewhere: $0.elsewhere) }
      let hint = Schema.hint(word, among: known)
      if let meant = hint.meant { excused.insert(meant) }
      return note(place, "unknown section [\(shown(text[inside]))]; \(hint.text)")
    }
    // Whatever is wrong with its header, it was meant.
    excused.insert(form.name)
    let rest = trimmed(wordEnd..<inside.upperBound)
    if let known = known(form, rest) {
      sections[known].latest = place
      target = .section(known)
      return
    }
    counts[form.name, default: 0] += 1
    if counts[form.name] == form.most + 1 {
      let first = sections.first { $0.form.name == form.name }
      let before = first.map { ", the first is in \(line($0.place))" } ?? ""
      let limit = form.most == 1 ? "one [\(form.name)]\(before)" : "at most \(form.most) sections [\(form.name)]"
      note(place, "[\(form.name)] once more than can be: expected \(limit)")
    }
    if counts[form.name, default: 0] > form.most { return }

    var name = ""
    var isAgain = false
    if form.hasName {
      let isQuoted = rest.count >= 2 && text[rest].first == UInt8(ascii: "\"") && text[rest].last == UInt8(ascii: "\"")
      let bare = isQuoted ? rest.lowerBound + 1..<rest.upperBound - 1 : rest
      // A name that is none is told of, and later messages repeat it: it too must be fit for a terminal.
      name = shown(text[bare])
      if rest.isEmpty {
        note(place, "[\(form.name)] has no name: expected \(form.example)")
      } else if !isQuoted {
        note(place, "[\(form.name) \(shown(text[rest]))]: expected the name in quotes, as in \(form.example)")
      } else if !isName(text[bare]) {
        note(
          place,
          "[\(form.name) \(shown(text[rest]))]: expected a name of at most \(mostNameBytes) letters, digits, '-', '_' "
            + "and '.'")
      } else if let first = sections.first(where: { $0.form.name == form.name && $0.name == name }) {
        note(place, "[\(form.name) \"\(name)\"] again, the first is in \(line(first.latest)): expected another name")
        isAgain = true
      }
    } else if !rest.isEmpty {
      note(place, "[\(shown(text[inside]))]: expected [\(form.name)], which has no name")
    }
    sections.append(Section(form: form, name: name, place: place, latest: place))
    // What it lacks may be what the first one has.
    sections[sections.count - 1].isDoubtful = isAgain && current > 0
    target = .section(sections.count - 1)
  }

  /// The section of an earlier text that this header goes on with; `rest` is what follows its first word.
  private func known(_ form: SectionForm, _ rest: Range<Int>) -> Int? {
    let index = sections.firstIndex { section in
      guard section.form.name == form.name else { return false }
      if !form.hasName { return rest.isEmpty }
      return text[rest].elementsEqual("\"\(section.name)\"".utf8)
    }
    return index.flatMap { sections[$0].latest.text < current ? $0 : nil }
  }

  // MARK: Keys

  private mutating func entry(_ content: Range<Int>, _ place: (Int) -> Place) {
    let start = place(content.lowerBound)
    let index: Int
    switch target {
    case .ignored: return
    case .nothing:
      if !hasComplainedOfNoSection {
        note(start, "this line stands before the first section: expected \(forms[0].example)")
      }
      hasComplainedOfNoSection = true
      return
    case .section(let at): index = at
    }
    let form = sections[index].form
    guard let equals = text[content].firstIndex(of: UInt8(ascii: "=")) else {
      // Not shown: a key may have lost its name.
      sections[index].isDoubtful = true
      let isComment = text[content.lowerBound] == UInt8(ascii: ";")
      return note(start, isComment ? "a comment begins with '#', not with ';'" : "expected KEY = VALUE, or [SECTION]")
    }
    let key = trimmed(content.lowerBound..<equals)
    let value = trimmed(equals + 1..<content.upperBound)
    guard key.count <= SectionScanner.mostKeyBytes else {
      // Not shown: this is no misspelt name, but may be a key without one.
      sections[index].isDoubtful = true
      return note(start, "expected KEY = VALUE, or [SECTION]")
    }
    let word = String(decoding: text[key], as: UTF8.self)
    guard let setting = form.settings.first(where: { $0.name.lowercased() == word.lowercased() }) else {
      if isEnough {
        sections[index].isDoubtful = true
        return note(start, "")
      }
      let hint = Schema.hint(word, among: form.settings.map { (name: $0.name, elsewhere: $0.elsewhere) })
      if let meant = hint.meant { sections[index].excused.insert(meant) }
      return note(start, "unknown key '\(shown(text[key]))' in [\(form.name)]; \(hint.text)")
    }
    // What earlier texts say of it, in whatever way, holds no longer.
    if let first = sections[index].entries.first, first.place.text < current {
      sections[index].entries.removeAll { [current] in $0.place.text < current && $0.form.subject == setting.subject }
    }
    if !setting.isList, let first = sections[index].entries.first(where: { $0.form.name == setting.name }) {
      return note(start, "\(setting.name) again, the first is in \(line(first.place)): expected it once")
    }
    if value.isEmpty {
      sections[index].excused.insert(setting.name)
      return note(place(equals), "\(setting.name) has no value: expected \(setting.expectation)")
    }
    sections[index].entries.append(
      Entry(form: setting, place: start, value: value, valuePlace: place(value.lowerBound)))
  }
}
