import Testing

@Suite struct `The layers` {
  private let layers = Layers()

  @Test func `no file imports what its layer may not use`() {
    expectNone(
      Checkout.swift.flatMap { text -> [Finding] in
        guard let module = Checkout.module(of: text.file), !text.file.hasPrefix("Tests/Fuzz/") else { return [] }
        return layers.findings(in: text, module: module, kind: Layers.Kind(path: text.file))
      })
  }

  @Test func `Package.swift says what the table says`() throws {
    let manifest = Manifest(SwiftText(try Checkout.text("Package.swift"), file: "Package.swift"))
    #expect(manifest.targets.count > 6)
    expectNone(manifest.findings(layers))
  }

  @Test func `a module declares what it imports and imports what it declares`() throws {
    let manifest = Manifest(SwiftText(try Checkout.text("Package.swift"), file: "Package.swift"))
    var imports: [String: Set<String>] = [:]
    for text in Checkout.swift where !text.file.hasPrefix("Tests/Fuzz/") {
      guard let module = Checkout.module(of: text.file) else { continue }
      imports[module, default: []].formUnion(text.imports.map(\.module))
    }
    // C has no Swift files; its header is its content.
    for module in Checkout.folders(in: "Sources") where module == "CLinux" { imports[module] = [] }
    imports["AllocationCount"] = []
    expectNone(manifest.findings(imports: imports))
  }

  @Test func `every Debian library that Package.swift names is in the list of packages`() throws {
    let manifest = Manifest(SwiftText(try Checkout.text("Package.swift"), file: "Package.swift"))
    #expect(manifest.targets.contains { $0.labels["apt"] != nil })
    expectNone(manifest.findings(packages: try Checkout.text("scripts/packages")))
  }

  // MARK: Each rule can fail

  @Test(arguments: [
    ("Topology", "import Glibc", "Topology (L1) may not import Glibc; it may use L0"),
    ("Primitives", "public import Foundation", "Primitives (L0) may not import Foundation; it may use nothing"),
    ("Topology", "import Simulation", "Topology (L1) may not import Simulation (L3); it may use L0"),
    (
      "Striper", "@testable import Resequencer",
      "Striper and Resequencer are both of L2, and modules of one layer do not import each other"
    ),
    ("Lab", "import CMnl", "only Netlink speaks to CMnl; Lab would use Netlink"),
    (
      "Ring", "import struct Foundation.Date",
      "Ring (E1) may not import Foundation; it may use L0, L1, E0, Glibc, Synchronization"
    ),
    ("Mystery", "import Primitives", "Mystery is in no layer; give it a place in Tests/HouseTests/Layers.swift"),
  ])
  func `a forbidden import is found, with its line and the rule`(module: String, line: String, message: String) {
    let text = SwiftText("//  import nothing\n\n\(line)\n", file: "Sources/\(module)/A.swift")
    #expect(
      layers.findings(in: text, module: module, kind: .source).map(\.description)
        == ["Sources/\(module)/A.swift:3: \(message)"])
  }

  @Test(arguments: [
    ("Topology", "import Primitives"), ("Simulation", "public import Topology"), ("Netlink", "import CMnl"),
    ("netlab", "import Lab"), ("Topology", "let s = \"import Glibc\"  // import Glibc"),
  ])
  func `an allowed import is not`(module: String, line: String) {
    #expect(layers.findings(in: SwiftText(line), module: module, kind: .source).isEmpty)
  }

  @Test func `tests may not go back to XCTest, benchmarks may use what programs may`() {
    let text = SwiftText(
      "import XCTest\nimport path_oracle\nimport Topology\nimport Dispatch\n@testable import Primitives")
    #expect(layers.findings(in: text, module: "LabTests", kind: .test).compactMap(\.line) == [1, 4])
    let bench = SwiftText("import Simulation\nimport Foundation\nimport Glibc")
    #expect(layers.findings(in: bench, module: "ring-bench", kind: .benchmark).compactMap(\.line) == [2])
  }

  private static let sample = """
    func sansIO(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
      .target(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: strict)
    }
    let package = Package(name: "p", products: [.executable(name: "netlab", targets: ["netlab"])], targets: [
      library("CUcl", pkgConfig: "libucl", apt: "libucl-dev"),
      .target(name: "Primitives", cSettings: glibc, swiftSettings: base, linkerSettings: [.linkedLibrary("m")]),
      sansIO("Topology", ["Primitives", "Simulation"]),
      tests("TopologyTests", ["Topology", "Primitives"]),
      .target(name: "FuzzTargets", dependencies: ["Topology"], path: "Tests/FuzzTargets"),
    ])
    """

  @Test func `Package.swift is understood, in both of its forms`() {
    let targets = Manifest(SwiftText(Self.sample)).targets
    #expect(targets.map(\.name) == ["CUcl", "Primitives", "Topology", "TopologyTests", "FuzzTargets"])
    #expect(
      targets.map(\.dependencies) == [[], [], ["Primitives", "Simulation"], ["Topology", "Primitives"], ["Topology"]])
    #expect(targets.map(\.isTest) == [false, false, false, true, true])
  }

  @Test func `an arrow that points up, and a core without strict memory safety, are found in Package.swift`() {
    let findings = Manifest(SwiftText(Self.sample, file: "Package.swift")).findings(layers).map(\.description)
    #expect(
      findings == [
        "Package.swift:6: Primitives is sans-IO; declare it with sansIO(…), which turns strict memory safety on",
        "Package.swift:7: Topology (L1) may not import Simulation (L3); it may use L0",
      ])
  }

  @Test func `a pump may forgo strict memory safety when the table says that it is one, and no other core`() {
    let text = """
      pump("Engine", ["Primitives"]), pump("Wire"), yardstick("floor")
      """
    let manifest = Manifest(SwiftText(text, file: "Package.swift"))
    #expect(manifest.targets.map(\.kind) == ["pump", "pump", "yardstick"])
    #expect(
      manifest.findings(layers).map(\.description) == [
        "Package.swift:1: Wire is sans-IO; declare it with sansIO(…), which turns strict memory safety on"
      ])
    let imports: [String: Set<String>] = ["Engine": ["Primitives", "Wire"], "Wire": []]
    #expect(manifest.findings(imports: imports).map(\.message) == ["Engine imports Wire and does not declare it"])
  }

  @Test func `an undeclared import, an unused dependency and a folder without target are found`() {
    let findings = Manifest(SwiftText(Self.sample)).findings(imports: [
      "Primitives": ["Topology"], "Topology": ["Primitives", "Simulation"], "TopologyTests": ["Topology", "Testing"],
      "FuzzTargets": ["Topology"], "Forgotten": [],
    ])
    #expect(
      findings.map(\.message) == [
        "Primitives imports Topology and does not declare it",
        "TopologyTests declares Primitives and does not import it", "the folder of Forgotten is no target",
      ])
  }

  @Test func `a library whose package nobody installs is found`() {
    let findings = Manifest(SwiftText(Self.sample)).findings(packages: "[build]\nlibuc   # not it\nlibucl-devel\n")
    #expect(findings.map(\.message) == ["CUcl comes from libucl-dev; add that to scripts/packages"])
    #expect(Manifest(SwiftText(Self.sample)).findings(packages: "libucl-dev    # yes\n").isEmpty)
  }
}

@Suite struct `Reading Swift` {
  @Test func `comments, strings and raw identifiers are kept apart from code`() {
    let text = SwiftText(
      ##"""
      print("a // b \(call("x") + 1) print(") /* not
      /* nested */ print( */ let ` print( ` = #"raw " \(no) "# // print(
      let t = """
        fatalError( \(inner)
        """
      after()
      """##)
    let words = text.tokens.filter { $0.kind == .word }.map(\.text)
    #expect(words == ["print", "call", "1", "let", "` print( `", "let", "t", "inner", "after"])
    #expect(
      text.tokens.filter { $0.kind == .literal }.map(\.text)
        == ["a // b  print(", "x", "raw \" \\(no) ", "\n  fatalError( \n  "])
    #expect(text.tokens.last?.line == 6)
    #expect(text.comments.map(\.line) == [1, 2, 2])
  }
}
