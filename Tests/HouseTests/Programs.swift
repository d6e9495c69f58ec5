//  Programs.swift — what the built programs say of themselves: their help, and the words in it.
//
//  Under `make test` these are the release programs (HAWSER_RELEASE_BIN is their folder); under a plain `swift test`
//  the debug ones that SwiftPM has just built. A program runs through the C library's popen with a time limit: its
//  output is a page, and nothing of it stays behind.

import Foundation

struct Programs {
  /// Where the release programs are, when somebody built them.
  static let release = ProcessInfo.processInfo.environment["HAWSER_RELEASE_BIN"]
  static let debug = Checkout.root + "/.build/debug"
  static let folder = release ?? debug

  /// The names of all programs, as Package.swift declares them.
  static func names() throws -> [String] {
    Manifest(SwiftText(try Checkout.text("Package.swift"))).targets.filter { $0.kind == "program" }.map(\.name)
  }

  /// Runs a command line for at most a minute: what it printed on both streams, and its exit status.
  static func run(_ command: String) -> (text: String, status: Int32) {
    guard let pipe = popen("timeout 60 \(command) 2>&1 </dev/null", "re") else { return ("popen failed", -1) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, pipe)
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    let status = pclose(pipe)
    return (String(decoding: bytes, as: UTF8.self), status & 0x7f == 0 ? status >> 8 & 0xff : -1)
  }
}

/// A page of `--help`, as Sources/Commands lays it out: sections with rows that begin with a name.
struct HelpPage: Equatable {
  var commands: [String] = []
  /// Long options, with their dashes.
  var options: Set<String> = []

  init(_ text: String) {
    var section = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let first = line.first, first != " " {
        section = line.hasSuffix(":") ? String(line.dropLast()) : ""
        continue
      }
      // Names stand at column 2, and a long option without its short form at 6; explanations begin further right.
      let indent = line.prefix { $0 == " " }.count
      let words = line.split(separator: " ")
      guard let name = words.first else { continue }
      if section == "Commands" && indent == 2 {
        commands.append(String(name))
      } else if section.hasPrefix("Options") && (indent == 2 || indent == 6) && name.hasPrefix("-") {
        options.formUnion(words.prefix { $0.hasPrefix("-") }.filter { $0.hasPrefix("--") }.map { String($0) })
      }
    }
  }
}

/// The help of a program and of all its commands, by the words that lead there: "netlab", "netlab bench".
typealias HelpPages = [String: HelpPage]

/// `ask` gives the text of `--help` for these words.
func helpPages(of program: String, ask: (String) -> String) -> HelpPages {
  var pages: HelpPages = [:]
  var open = [program]
  while let words = open.popLast() {
    let page = HelpPage(ask(words))
    pages[words] = page
    // "help" explains the others; it has no page of its own.
    open += page.commands.filter { $0 != "help" }.map { words + " " + $0 }
  }
  return pages
}
