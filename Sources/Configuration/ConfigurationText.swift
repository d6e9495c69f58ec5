//  ConfigurationText.swift — the texts that make one configuration: the file itself, and what is dropped in beside it.
//
//  Why.  What belongs to one machine (the name of its modem, this month's budget), or to one program that manages it,
//  should not be edited into a file that comes from somewhere else: the next copy of that file loses it.
//
//  How.  Beside `branch.conf` there may be a folder `branch.conf.d`; its files whose names end in `.conf` are read
//  after the file itself, in the order of their names' bytes.
//
//      branch.conf                    branch.conf.d/20-lte.conf             what holds
//      [Path "lte"]                   [Path "lte"]                          [Path "lte"]
//      Interface = wwan0              Interface = wwp0s20                   Interface = wwp0s20
//      Tier = backup                                                        Tier = backup
//                                     [Path "satellite"]                    [Path "satellite"]
//                                     Interface = eth3                      Interface = eth3
//
//  A section that nobody had is one more; one that an earlier text has is changed key by key. What a text says of a key
//  takes the place of all that earlier ones say, lists included, and of the other ways to say it: a PrivateKeyFile
//  replaces a PrivateKey. Within one text nothing has changed: the same section or key again is a mistake.
//
//  Rejected.  Lists that add up: then no drop-in could take a network away from a peer, and who reads one file would
//  never know the whole list.
//
//  Always true.  Every mistake names the text that it is in, and every mention of another line the text of that line if
//  it is another. All texts together have at most `Schema.mostBytes`.

public struct ConfigurationText: Sendable {
  let label: TextLabel
  public let bytes: [UInt8]

  public init(_ bytes: [UInt8], named name: String) { self.init(bytes, TextLabel(name: name)) }

  init(_ bytes: [UInt8], _ label: TextLabel) {
    self.label = label
    self.bytes = bytes
  }
}

/// What messages call a text and its lines: no secret is in it, so it may live longer than the text.
struct TextLabel: Sendable {
  let name: String
  /// What each line is of, where nobody has written lines; empty: they have numbers.
  var titles: [String] = []

  /// What a line is called that has no number.
  func title(ofLine line: Int) -> String? { titles.isEmpty ? nil : titles[min(line, titles.count) - 1] }

  /// "line 3", or "line 3 of branch.conf" where that is another text than `current`.
  static func line(_ place: Place, from current: Int, of texts: [TextLabel]) -> String {
    let text = texts[place.text]
    if let title = text.title(ofLine: place.line) { return "what is set of \(title)" }
    return place.text == current ? "line \(place.line)" : "line \(place.line) of \(text.name)"
  }
}

/// What is dropped in beside a file.
public enum DropIns {
  /// More than an operator and every program of his write; a folder of backups should not become a gateway.
  public static let most = 100

  /// Where an operator is told to write what was set and should stay: it is read behind most others.
  public static let ofWhatWasSet = "90-set.conf"

  /// The folder of this file.
  public static func folder(of file: String) -> String { file + ".d" }

  /// Those of a folder's names that are read, in their order. What an editor or a package manager leaves there ends in
  /// something else, or begins with a dot.
  public static func read(among names: [String]) -> [String] {
    names.filter { $0.hasSuffix(".conf") && !$0.hasPrefix(".") }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
