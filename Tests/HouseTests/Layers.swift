//  Layers.swift — which module may import which, as a table, and the rules that read it.
//
//  Why.  SwiftPM lets a module import whatever was built before it, declared or not, and a declared arrow may point
//  anywhere. Arrows that point down only are what lets two gateways, relays and a network run in one test, from a seed.
//
//  How.  A row names a layer, its modules, and after the colon what they may use: layers, and modules from outside.
//  Modules of one layer never import each other; a layer that needs that has become two. Moving a wall means a line in
//  docs/decisions and a change here in the same commit.

struct Layers {
  static let table = """
    L0  Primitives Sealing Erasure                                      :
    L1  Wire Packets Topology Commands Configuration Status JSON        : L0
    L2  Striper Resequencer PathHealth PathMTU Redundancy PathOracle ALTO Advice Consulting Relay Handshake DCCP : L0 L1
    L3  Engine Oracle Simulation Uplinks                                : L0 L1 L2
    E0  CLinux POSIX                                                    : L0 Glibc
    E1  Ring Netlink Crypto Parity HTTP Fetch Store Service             : L0 L1 E0 Glibc Synchronization
    E2  VNIC Underlay Control                                           : L0 L1 E0 E1 Glibc Synchronization
    L4  Driver Lab Doctor OracleHost Speed : L0 L1 L2 L3 E0 E1 E2 Glibc Synchronization FoundationEssentials
    X   hawser path-oracle netlab          : L0 L1 L2 L3 L4 E0 E1 E2 Glibc Synchronization FoundationEssentials
    """

  /// A C library has one module that speaks to it; everyone else speaks to that module.
  static let owners = [
    "CUring": "Ring", "CMnl": "Netlink", "CNftables": "Netlink", "COpenSSL": "Crypto", "CIpsecMb": "Crypto",
    "CIsal": "Parity", "CMicrohttpd": "HTTP", "CCurl": "Fetch", "CSQLite": "Store", "CPostgres": "Store",
    "CSystemd": "Service",
  ]

  /// Sans-IO modules that nearly only move bytes which others checked: every line would carry `unsafe`, and the mark
  /// would say nothing. What they read of strangers' bytes they read through Wire and Packets, which are strict.
  static let pumps: Set<String> = ["Resequencer", "Engine"]

  struct Layer: Equatable {
    let name: String
    let modules: [String]
    let uses: [String]
  }

  let layers: [Layer]
  let owners: [String: String]

  init(_ table: String = Layers.table, owners: [String: String] = Layers.owners) {
    layers = table.split(separator: "\n").map { row in
      let sides = row.split(separator: ":", omittingEmptySubsequences: false)
      let left = sides[0].split(separator: " ").map(String.init)
      return Layer(
        name: left[0], modules: Array(left.dropFirst()), uses: sides[1].split(separator: " ").map(String.init))
    }
    self.owners = owners
  }

  func layer(of module: String) -> Layer? { layers.first { $0.modules.contains(module) } }

  /// A program's module has no dash: `path-oracle` is imported as `path_oracle`.
  static func name(_ module: String) -> String { module.replacing("_", with: "-") }

  /// Layers without descriptors, clocks, threads and chance of their own.
  func isSansIO(_ module: String) -> Bool {
    guard let name = layer(of: module)?.name else { return false }
    return ["L0", "L1", "L2", "L3"].contains(name)
  }

  /// Why this module may not import that one; nil when it may.
  func objection(_ module: String, importing other: String) -> String? {
    if other == "Swift" || other == module { return nil }
    guard let layer = layer(of: module) else {
      return "\(module) is in no layer; give it a place in Tests/HouseTests/Layers.swift"
    }
    if let owner = owners[other] {
      return owner == module ? nil : "only \(owner) speaks to \(other); \(module) would use \(owner)"
    }
    if let target = self.layer(of: other) {
      if layer.name == target.name {
        return "\(module) and \(other) are both of \(layer.name), and modules of one layer do not import each other"
      }
      if layer.uses.contains(target.name) { return nil }
      return "\(module) (\(layer.name)) may not import \(other) (\(target.name)); it may use \(list(layer.uses))"
    }
    if layer.uses.contains(other) { return nil }
    return "\(module) (\(layer.name)) may not import \(other); it may use \(list(layer.uses))"
  }

  private func list(_ names: [String]) -> String { names.isEmpty ? "nothing" : names.joined(separator: ", ") }

  /// Benchmarks are programs that nobody installs; they may run the tests' world.
  func objection(benchmark module: String, importing other: String) -> String? {
    if ["TestWorld", "AllocationCount"].contains(other) { return nil }
    return objection("netlab", importing: other)?.replacing("netlab", with: module)
  }

  /// Tests may use any module; what they may use from outside is the same for all of them.
  func objection(test module: String, importing other: String) -> String? {
    if other == "XCTest" { return "tests are written with Swift Testing: import Testing" }
    if layer(of: Layers.name(other)) != nil || ["FuzzTargets", "TestWorld", "AllocationCount"].contains(other)
      || other.hasPrefix("_Testing_")
    {
      return nil
    }
    if ["Swift", "Testing", "Glibc", "Synchronization"].contains(other) || other.hasPrefix("Foundation") { return nil }
    return owners[other] == nil ? "\(module) imports \(other), which no test needs so far" : nil
  }
}

extension SwiftText {
  struct Import: Equatable {
    let module: String
    let line: Int
  }

  /// `import X`, `public import X`, `@testable import X`, `import struct X.Y`.
  var imports: [Import] {
    tokens.indices.compactMap { index in
      guard tokens[index].kind == .word, tokens[index].text == "import", index + 1 < tokens.count else { return nil }
      if index > 0 && tokens[index - 1].text == "." { return nil }
      let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      let next = tokens[index + 1].text
      let name = kinds.contains(next) && index + 2 < tokens.count ? tokens[index + 2].text : next
      return Import(module: name, line: tokens[index].line)
    }
  }
}

extension Layers {
  enum Kind {
    case source, test, benchmark

    init(path: String) {
      self = path.hasPrefix("Tests/") ? .test : path.hasPrefix("benchmarks/") ? .benchmark : .source
    }
  }

  func objection(_ kind: Kind, _ module: String, importing other: String) -> String? {
    switch kind {
    case .source: objection(module, importing: other)
    case .test: objection(test: module, importing: other)
    case .benchmark: objection(benchmark: module, importing: other)
    }
  }

  /// Imports of one file that the table does not allow.
  func findings(in text: SwiftText, module: String, kind: Kind) -> [Finding] {
    text.imports.compactMap { found in
      let objection = objection(kind, module, importing: found.module)
      return objection.map { Finding(file: text.file, line: found.line, message: $0) }
    }
  }
}
