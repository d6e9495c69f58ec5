//  Checkout.swift — the files of the project, for rules that read them, and what a rule found.

import Foundation
import Testing

/// A place that breaks a rule, and what would be right.
struct Finding: Equatable, CustomStringConvertible {
  let file: String
  var line: Int?
  let message: String

  var description: String { line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)" }
}

/// Fails once for each finding, so that all of them are seen in one run.
func expectNone(_ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation) {
  for finding in findings { Issue.record("\(finding)", sourceLocation: sourceLocation) }
}

enum Checkout {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root + "/" + path) }

  static func isProgram(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: root + "/" + path) }

  static func bytes(_ path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: root + "/" + path)))
  }

  static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

  /// Paths of all files below a folder with one of these endings, in order, without what a build made.
  static func files(in folder: String, _ endings: String...) -> [String] {
    let found = FileManager.default.enumerator(atPath: root + "/" + folder)?.compactMap { $0 as? String } ?? []
    return found.filter { path in
      endings.contains { path.hasSuffix($0) } && !path.split(separator: "/").contains { $0.hasPrefix(".") }
    }
    .map { folder + "/" + $0 }.sorted()
  }

  /// Names of the folders in a folder.
  static func folders(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/" + folder)) ?? []
    return names.filter { name in
      var isFolder: ObjCBool = false
      let path = root + "/" + folder + "/" + name
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
        && !name.hasPrefix(".")
    }
    .sorted()
  }

  /// Every Swift file of the project, read once for all rules.
  static let swift: [SwiftText] = {
    let folders = ["Sources", "Tests", "benchmarks"].flatMap { files(in: $0, ".swift") }
    return (folders + ["Package.swift"]).compactMap { path in
      (try? text(path)).map { SwiftText($0, file: path) }
    }
  }()

  /// The folder of a module that this path is in: "Sources/Topology/Drawing.swift" → "Topology".
  static func module(of path: String) -> String? {
    let parts = path.split(separator: "/")
    guard parts.count > 2, ["Sources", "Tests", "benchmarks"].contains(parts[0]) else { return nil }
    return String(parts[1])
  }
}
