//  Overlay.swift — what is laid over a running gateway's file until it reads that file again.
//
//  Why.  At three in the morning a line does harm, and the file belongs to somebody who sleeps, or to a program that
//  writes it. What is tried out now must not need an editor, and must not be forgotten in a file.
//
//  How.  It is one more drop-in, behind the last one, which is nowhere but in memory: the same grammar, the same
//  reader, the same audit and the same messages decide about it. Here is only what a text of its own needs: keys are
//  merged section by section, and each has who set it and when.
//
//      branch.conf, branch.conf.d/*.conf     laid over               the text that is read last
//      [Path "lte"]                          Path lte Tier never     [Path "lte"]
//      Interface = wwan0                     Path lte Limit 5mbit    Tier = never
//      Tier = backup                                                 Limit = 5mbit
//
//  Whoever sets a key has typed no line: messages name the section in place of file, line and column.
//
//  Not here.  Secrets, since command lines and shells' histories show what was typed; and the doors by which a change
//  comes in ([Control], [Metrics]): who was let in must not open more of them.
//
//  Always true.  (1) Section and key are written as the schema has them, each key of a section is there once. (2) No
//  name and no value can end its line, or begin a comment or a section. (3) At most `most` keys. (4) No value is a
//  secret.

public struct Overlay: Equatable, Sendable {
  /// One key of one section.
  public struct Setting: Equatable, Sendable {
    public let section: String
    /// Empty where the section has none.
    public let name: String
    public let key: String
    public let value: String
    public let who: String
    /// By the clock on the wall, since 1970.
    public let milliseconds: UInt64

    func isOf(_ form: SectionForm, _ name: String) -> Bool { section == form.name && self.name == name }
  }

  /// Keys of one section, as somebody has typed them.
  public struct Wish: Equatable, Sendable {
    public struct Value: Equatable, Sendable {
      public var key: String
      public var text: String

      public init(key: String, text: String) {
        self.key = key
        self.text = text
      }
    }

    public var section: String
    /// nil: none was told.
    public var name: String?
    public var values: [Value]

    public init(section: String, name: String?, values: [Value]) {
      self.section = section
      self.name = name
      self.values = values
    }
  }

  /// What is to be taken back: all, or a section's, or one section's, or one key.
  public struct Choice: Equatable, Sendable {
    public var section: String?
    public var name: String?
    public var key: String?

    public init(section: String? = nil, name: String? = nil, key: String? = nil) {
      self.section = section
      self.name = name
      self.key = key
    }
  }

  /// Why it cannot be: a sentence each.
  public struct Objections: Error, Equatable, Sendable {
    public let sentences: [String]
  }

  /// Whoever has more to say writes a drop-in.
  public static let most = 128
  /// Of a value: its line has room for the key, too.
  public static let mostValueBytes = 4_000

  /// Sections in the order in which they came, and their keys in theirs.
  public private(set) var settings: [Setting] = []

  public init() {}

  public var isEmpty: Bool { settings.isEmpty }

  // MARK: Laying over

  /// With these besides. What was set to the same value before stays whose it was.
  public func adding(_ wishes: [Wish], from who: String, at milliseconds: UInt64) throws(Objections) -> Overlay {
    var overlay = self
    var sentences: [String] = []
    var seen: [(title: String, subject: String)] = []
    for wish in wishes {
      guard let place = Overlay.place(wish, &sentences) else { continue }
      let title = place.form.title(place.name)
      if wish.values.isEmpty { sentences.append("nothing to set in \(title): expected a key and its value") }
      for value in wish.values {
        guard let form = Overlay.key(value.key, of: place.form, &sentences),
          let text = Overlay.text(value.text, of: form, title, &sentences)
        else { continue }
        if seen.contains(where: { $0 == (title, form.subject) }) {
          sentences.append("\(title): \(form.name) is given twice: expected it once")
          continue
        }
        seen.append((title, form.subject))
        overlay.set(form, place, text, who, milliseconds)
      }
    }
    if overlay.settings.count > Overlay.most {
      sentences.append(
        "\(overlay.settings.count) keys would be set: expected at most \(Overlay.most); what is to stay belongs into a "
          + "drop-in")
    }
    try Overlay.demandNone(sentences)
    return overlay
  }

  private mutating func set(
    _ form: SettingForm, _ place: (form: SectionForm, name: String), _ value: String, _ who: String,
    _ milliseconds: UInt64
  ) {
    let setting = Setting(
      section: place.form.name, name: place.name, key: form.name, value: value, who: who, milliseconds: milliseconds)
    if let known = settings.firstIndex(where: { $0.isOf(place.form, place.name) && $0.key == form.name }) {
      if settings[known].value != value { settings[known] = setting }
    } else {
      let last = settings.lastIndex { $0.isOf(place.form, place.name) }
      settings.insert(setting, at: last.map { $0 + 1 } ?? settings.count)
    }
  }

  // MARK: Taking back

  /// Without what is chosen. What is not there is no mistake; words that nobody knows are.
  public func without(_ choice: Choice) throws(Objections) -> Overlay {
    var sentences: [String] = []
    var overlay = self
    guard let word = choice.section else {
      if choice.name != nil || choice.key != nil {
        sentences.append("a name or a key without its section: expected the section too, or none of them")
      }
      try Overlay.demandNone(sentences)
      return Overlay()
    }
    let form = Overlay.form(word, &sentences)
    let key = choice.key.flatMap { word in form.flatMap { Overlay.key(word, of: $0, &sentences) } }
    if let form, let name = choice.name, !form.hasName, !name.isEmpty {
      sentences.append("[\(form.name) \(shown(name.utf8))]: expected [\(form.name)], which has no name")
    }
    if let form, form.hasName, choice.key != nil, choice.name == nil {
      sentences.append("a key of [\(form.name)] without a name: expected \(form.example)")
    }
    try Overlay.demandNone(sentences)
    overlay.settings.removeAll { setting in
      setting.section == form?.name && (choice.name ?? setting.name) == setting.name
        && (key?.name ?? setting.key) == setting.key
    }
    return overlay
  }

  // MARK: What it says

  public func sets(_ key: String, ofPath name: String) -> Bool {
    settings.contains { $0.isOf(Schema.path, name) && $0.key == key }
  }

  /// To be read behind all others.
  public var text: ConfigurationText {
    let lines = self.lines
    return ConfigurationText(
      Array(lines.map { $0.text + "\n" }.joined().utf8), TextLabel(name: "hawser set", titles: lines.map(\.title)))
  }

  /// As they stand in a file, each with what it is of.
  public var lines: [(text: String, title: String, setting: Setting?)] {
    var lines: [(text: String, title: String, setting: Setting?)] = []
    for setting in settings {
      if lines.last?.title != setting.title { lines.append((setting.title, setting.title, nil)) }
      lines.append(("\(setting.key) = \(setting.value)", setting.title, setting))
    }
    return lines
  }

  // MARK: Words

  private static func demandNone(_ sentences: [String]) throws(Objections) {
    if sentences.isEmpty { return }
    let more = sentences.count - Mistakes.most
    throw Objections(sentences: sentences.prefix(Mistakes.most) + (more > 0 ? ["and \(more) more"] : []))
  }

  private static func form(_ word: String, _ sentences: inout [String]) -> SectionForm? {
    guard let form = Schema.sections.first(where: { $0.name.lowercased() == word.lowercased() }) else {
      let hint = Schema.hint(word, among: Schema.settable.map { (name: $0.name, elsewhere: $0.elsewhere) })
      sentences.append("unknown section [\(shown(word.utf8))]; \(hint.text)")
      return nil
    }
    if Schema.settable.contains(where: { $0.name == form.name }) { return form }
    sentences.append("[\(form.name)] cannot be set: write it to the file or a drop-in, and run hawser reload")
    return nil
  }

  /// The section, with a name that can stand in a header.
  private static func place(_ wish: Wish, _ sentences: inout [String]) -> (form: SectionForm, name: String)? {
    guard let form = form(wish.section, &sentences) else { return nil }
    let name = wish.name ?? ""
    if !form.hasName && !name.isEmpty {
      sentences.append("[\(form.name) \(shown(name.utf8))]: expected [\(form.name)], which has no name")
      return nil
    }
    if form.hasName && name.isEmpty {
      sentences.append("[\(form.name)] has no name: expected \(form.example)")
      return nil
    }
    if form.hasName && !isName(name.utf8) {
      sentences.append(
        "[\(form.name) \(shown(name.utf8))]: expected a name of at most \(mostNameBytes) letters, digits, '-', '_' "
          + "and '.'")
      return nil
    }
    return (form, name)
  }

  private static func key(_ word: String, of section: SectionForm, _ sentences: inout [String]) -> SettingForm? {
    guard let form = section.settings.first(where: { $0.name.lowercased() == word.lowercased() }) else {
      let known = section.settings.filter { !section.isAboutSecret($0) }
      let hint = Schema.hint(word, among: known.map { (name: $0.name, elsewhere: $0.elsewhere) })
      sentences.append("unknown key '\(shown(word.utf8))' in [\(section.name)]; \(hint.text)")
      return nil
    }
    if section.isAboutSecret(form) {
      sentences.append(
        "\(form.name) cannot be set: others can see what is typed, and this is about a secret; write it to the file or "
          + "a drop-in, and run hawser reload")
      return nil
    }
    return form
  }

  /// What stands behind the `=`, without blanks around it; nil when it would not stand there alone.
  private static func text(
    _ text: String, of form: SettingForm, _ title: String, _ sentences: inout [String]
  ) -> String? {
    let bytes = text.utf8
    func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    guard let start = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
    else {
      sentences.append("\(title): \(form.name) has no value: expected \(form.expectation)")
      return nil
    }
    if bytes.count > mostValueBytes {
      sentences.append("\(title): \(form.name) with \(bytes.count) bytes: expected at most \(mostValueBytes)")
      return nil
    }
    if bytes.contains(where: { $0 == UInt8(ascii: "#") }) {
      sentences.append(
        "\(title): \(form.name) = \(shown(bytes)): '#' begins a comment: expected \(form.expectation)")
      return nil
    }
    if text.unicodeScalars.contains(where: { $0.value < 32 && $0 != "\t" || (127...159).contains($0.value) }) {
      sentences.append(
        "\(title): \(form.name) = \(shown(bytes)): a line break or another control character: expected "
          + form.expectation)
      return nil
    }
    return String(decoding: bytes[start...last], as: UTF8.self)
  }
}

extension Overlay.Setting {
  /// `[Path "lte"]`
  public var title: String { name.isEmpty ? "[\(section)]" : "[\(section) \"\(name)\"]" }
}

extension SectionForm {
  /// As one would write it.
  fileprivate func title(_ name: String) -> String { hasName ? "[\(self.name) \"\(name)\"]" : "[\(self.name)]" }
}

extension Schema {
  /// Sections that can be changed while a gateway runs.
  public static let settable = sections.filter { ![control.name, metrics.name].contains($0.name) }
}
