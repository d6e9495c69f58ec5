//  WireDocument.swift — the worked examples of docs/wire-format.md, as a test reads them.

import Foundation
import Testing

/// One block that begins with ```wire NAME: lines of `field = value`.
struct WireExample: Sendable {
  let name: String
  private let fields: [String: String]

  func number<Number: FixedWidthInteger>(_ field: String, as type: Number.Type = Number.self) throws -> Number {
    let text = try #require(fields[field], "the example \(name) has no field \(field)")
    return try #require(Number(text), "\(name): \(field) = \(text) is no number of \(Number.bitWidth) bits")
  }

  func bytes(_ field: String = "bytes") throws -> [UInt8] {
    let text = try #require(fields[field], "the example \(name) has no field \(field)")
    return try text.split(separator: " ").map {
      try #require(UInt8($0, radix: 16), "\(name): \($0) is no byte in hexadecimal")
    }
  }

  func text(_ field: String) throws -> String {
    try #require(fields[field], "the example \(name) has no field \(field)")
  }

  /// `11:1 993:3`
  func pairs(_ field: String) throws -> [(UInt16, UInt16)] {
    let text = try #require(fields[field], "the example \(name) has no field \(field)")
    return try text.split(separator: " ").map { pair in
      let numbers = pair.split(separator: ":").compactMap { UInt16($0) }
      try #require(numbers.count == 2, "\(name): \(pair) is no pair of numbers")
      return (numbers[0], numbers[1])
    }
  }

  static let document =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("docs/wire-format.md")

  static func all() throws -> [WireExample] {
    let text = try String(contentsOf: document, encoding: .utf8)
    var examples: [WireExample] = []
    var open: (name: String, fields: [String: String])?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let begun = open {
        if line == "```" {
          examples.append(WireExample(name: begun.name, fields: begun.fields))
          open = nil
          continue
        }
        let sides = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        try #require(sides.count == 2, "\(begun.name): no `field = value` in: \(line)")
        open?.fields[sides[0]] = sides[1]
      } else if line.hasPrefix("```wire ") {
        open = (String(line.dropFirst(8)), [:])
      }
    }
    return examples
  }

  static func named(_ name: String) throws -> WireExample {
    try #require(all().first { $0.name == name }, "docs/wire-format.md has no example \(name)")
  }
}
