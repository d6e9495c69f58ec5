//  Manifest.swift — Package.swift against the table of layers, and against what the files really import.
//
//  Package.swift is read as text, in the one-line form that it keeps: `sansIO("Name", ["Dependency"])` and its sisters,
//  or `.target(name: "Name", dependencies: […])`. Asking SwiftPM instead would wait for the lock of the very run that
//  executes this test.

struct Manifest {
  struct Target: Equatable {
    /// "sansIO", "pump", "edge", "program", "benchmark", "yardstick", "tests", "library", or SwiftPM's own word.
    let kind: String
    let name: String
    let dependencies: [String]
    let line: Int
    /// The labelled literals: apt, pkgConfig, path.
    let labels: [String: String]
    let words: Set<String>

    var side: Layers.Kind { isTest ? .test : kind == "benchmark" ? .benchmark : .source }
    var isTest: Bool { kind == "tests" || kind == "testTarget" || labels["path"]?.hasPrefix("Tests/") == true }
    /// C: a library's module map, or a program that ours is measured against.
    var isForeign: Bool { ["library", "systemLibrary", "yardstick"].contains(kind) }
  }

  let file: String
  private(set) var targets: [Target] = []

  init(_ text: SwiftText) {
    file = text.file
    let kinds = [
      "sansIO", "pump", "edge", "program", "benchmark", "yardstick", "tests", "library", "target", "executableTarget",
      "testTarget", "systemLibrary",
    ]
    let tokens = text.tokens
    for index in tokens.indices where kinds.contains(tokens[index].text) && tokens[index].kind == .word {
      guard index + 1 < tokens.count, tokens[index + 1].text == "(" else { continue }
      if index > 0 && tokens[index - 1].text == "func" { continue }
      if let target = Manifest.target(in: tokens[index...]) { targets.append(target) }
    }
  }

  /// The call that begins here; nil when its name is no literal, as in the helpers themselves.
  private static func target(in tokens: ArraySlice<SwiftText.Token>) -> Target? {
    let first = tokens.startIndex
    var depth = 0
    var end = first + 1
    for index in (first + 1)..<tokens.endIndex {
      if "([".contains(tokens[index].text) { depth += 1 }
      if ")]".contains(tokens[index].text) { depth -= 1 }
      end = index
      if depth == 0 { break }
    }
    let call = Array(tokens[(first + 2)..<end])
    let nameAt = call.first?.kind == .literal ? 0 : 2
    guard call.count > nameAt, call[nameAt].kind == .literal else { return nil }
    if nameAt == 2 && call[0].text != "name" { return nil }

    var labels: [String: String] = [:]
    for index in call.indices.dropLast(2) where call[index + 1].text == ":" && call[index + 2].kind == .literal {
      labels[call[index].text] = call[index + 2].text
    }
    var dependencies: [String] = []
    // The list that follows the name, or the one with the label.
    let list = call.indices.first { index in
      guard call[index].text == "[" else { return false }
      return index >= 2 && call[index - 1].text == ":" ? call[index - 2].text == "dependencies" : index == nameAt + 2
    }
    if let list {
      var inner = 0
      for token in call[list...] {
        if token.text == "[" && token.kind == .mark { inner += 1 }
        if token.text == "]" && token.kind == .mark { inner -= 1 }
        if inner == 0 { break }
        if token.kind == .literal { dependencies.append(token.text) }
      }
    }
    return Target(
      kind: tokens[first].text, name: call[nameAt].text, dependencies: dependencies, line: tokens[first].line,
      labels: labels, words: Set(call.filter { $0.kind == .word }.map(\.text)))
  }
}

extension Manifest {
  /// Dependencies that the table of layers does not allow, and cores that forgo strict memory safety.
  func findings(_ layers: Layers) -> [Finding] {
    var findings: [Finding] = []
    for target in targets where !target.isForeign {
      func add(_ message: String) { findings.append(Finding(file: file, line: target.line, message: message)) }
      for dependency in target.dependencies {
        if let objection = layers.objection(target.side, target.name, importing: dependency) { add(objection) }
      }
      if layers.isSansIO(target.name) && target.kind != "sansIO" && !target.words.contains("strict") {
        if target.kind == "pump" && Layers.pumps.contains(target.name) { continue }
        add("\(target.name) is sans-IO; declare it with sansIO(…), which turns strict memory safety on")
      }
    }
    return findings
  }

  /// What the files import is declared, and what is declared is imported. `imports` is by target name.
  func findings(imports: [String: Set<String>]) -> [Finding] {
    let known = Set(targets.map(\.name))
    let programs = Set(targets.filter { $0.kind == "program" }.map(\.name))
    var findings: [Finding] = []
    for target in targets where !target.isForeign {
      func add(_ message: String) { findings.append(Finding(file: file, line: target.line, message: message)) }
      guard let imported = imports[target.name].map({ Set($0.map(Layers.name)) }) else {
        add("\(target.name) is declared and has no folder with Swift files")
        continue
      }
      for module in imported.intersection(known).subtracting(target.dependencies).sorted() {
        add("\(target.name) imports \(module) and does not declare it")
      }
      for module in target.dependencies where !imported.contains(module) {
        // A test that runs a program depends on it so that it is built.
        if target.isTest && programs.contains(module) { continue }
        add("\(target.name) declares \(module) and does not import it")
      }
    }
    for module in imports.keys.sorted() where !known.contains(module) {
      findings.append(Finding(file: file, message: "the folder of \(module) is no target"))
    }
    return findings
  }

  /// A library that the build needs is installed by the bootstrap.
  func findings(packages: String) -> [Finding] {
    let installed = packages.split(separator: "\n").map { $0.prefix { $0 != "#" && $0 != " " } }
    return targets.compactMap { target in
      guard let apt = target.labels["apt"], !installed.contains(Substring(apt)) else { return nil }
      return Finding(
        file: file, line: target.line, message: "\(target.name) comes from \(apt); add that to scripts/packages")
    }
  }
}
