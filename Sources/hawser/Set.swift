//  Set.swift — `hawser set`: lays keys over a running gateway's file until it reads the file again, shows them, and
//  takes them back.
//
//      hawser set path lte Tier=backup Limit=10mbit/50mbit
//      hawser set --list
//      hawser set --back path lte Limit
//
//  What is no section and no key is told here, before anybody is asked (64, wrong usage); whether the values can be,
//  only the gateway knows (2, refused).

import Commands
import Configuration
import Control
import Primitives

extension Hawser {
  static func set(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let words = (invocation[Words.section].map { [$0] } ?? []) + invocation[Words.setting]
    let ask = try question(words, invocation)
    let asJSON = invocation[Words.json]
    let answer: ControlAnswer
    do throws(ControlFailure) {
      answer = try ask(try socket(invocation[Words.socket], invocation[Words.flowInterface]), !asJSON)
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    guard answer.status == 200 || asJSON else {
      var text = answer.body
      if text.hasSuffix("\n") { text.removeLast() }
      throw Refusal("\(text)\nhawser: nothing has changed", exitCode: 2)
    }
    Output.write(answer.body)
    return answer.status == 200 ? 0 : 2
  }

  /// Asks the gateway at a socket, for text or JSON.
  private typealias Question = (String, Bool) throws(ControlFailure) -> ControlAnswer

  private static let page = "/v1/settings"

  private static func question(_ words: [String], _ invocation: Invocation) throws(Refusal) -> Question {
    if invocation[Words.list] {
      if !words.isEmpty { throw wrong("--list shows all of them: expected no word behind it") }
      return { (socket, asText) throws(ControlFailure) in try ControlClient.get(page, at: socket, asText: asText) }
    }
    if invocation[Words.back] {
      let query = try back(words)
      return { (socket, asText) throws(ControlFailure) in
        try ControlClient.delete(page, query, at: socket, asText: asText)
      }
    }
    let body = body(of: try wish(words))
    return { (socket, asText) throws(ControlFailure) in
      try ControlClient.patch(page, body, at: socket, asText: asText)
    }
  }

  private static func wrong(_ sentence: String) -> Refusal { Refusal("hawser set: \(sentence)", exitCode: 64) }

  private static func wrong(_ objections: Overlay.Objections) -> Refusal {
    Refusal(objections.sentences.map { "hawser set: \($0)" }.joined(separator: "\n"), exitCode: 64)
  }

  // MARK: Setting

  /// SECTION [NAME] KEY=VALUE...
  private static func wish(_ words: [String]) throws(Refusal) -> Overlay.Wish {
    guard let section = words.first else {
      throw wrong("expected SECTION [NAME] KEY=VALUE..., or --list, or --back")
    }
    var values = words.dropFirst()
    let name = values.first.flatMap { $0.contains("=") ? nil : $0 }
    if name != nil { values.removeFirst() }
    var wish = Overlay.Wish(section: section, name: name, values: [])
    for word in values {
      guard let equals = word.firstIndex(of: "=") else {
        throw wrong("'\(word)': expected KEY=VALUE; a value with blanks goes into quotes")
      }
      wish.values.append(.init(key: String(word[..<equals]), text: String(word[word.index(after: equals)...])))
    }
    do throws(Overlay.Objections) {
      _ = try Overlay().adding([wish], from: "", at: 0)
    } catch {
      throw wrong(error)
    }
    return wish
  }

  private static func body(of wish: Overlay.Wish) -> String {
    JSONText.object {
      $0.array("settings") {
        $0.object {
          $0.member("section", wish.section)
          $0.member("name", wish.name)
          $0.object("values") { for value in wish.values { $0.member(value.key, value.text) } }
        }
      }
    }
  }

  // MARK: Taking back

  /// [SECTION [NAME [KEY]]]; where the section has no name, [SECTION [KEY]].
  private static func back(_ words: [String]) throws(Refusal) -> [(name: String, value: String)] {
    let hasName = Schema.settable.first { $0.name.lowercased() == words.first?.lowercased() }?.hasName ?? true
    let names = hasName ? ["section", "name", "key"] : ["section", "key"]
    if words.count > names.count {
      throw wrong(
        "'\(words[names.count])' is one word too many: expected --back \(hasName ? "SECTION NAME KEY" : "SECTION KEY")")
    }
    let query = Array(zip(names, words)).map { (name: $0, value: $1) }
    func told(_ name: String) -> String? { query.first { $0.name == name }?.value }
    do throws(Overlay.Objections) {
      _ = try Overlay().without(.init(section: told("section"), name: told("name"), key: told("key")))
    } catch {
      throw wrong(error)
    }
    return query
  }
}
