//  BrokenFilesTests.swift — BrokenFiles.txt: a hundred files that are wrong, and exactly what check-config says of
//  each.
//
//  A record is `=== what is wrong`, the file, perhaps `--- NAME` with a drop-in each, `>>>`, and what is told. `\xff`,
//  `\0` and `\long` stand for a byte that is no text, a NUL byte, and 400 addresses on one line.

import Configuration
import Foundation
import Testing

@Suite struct `Broken files` {
  struct Record: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var text = ""
    var dropIns: [(name: String, text: String)] = []
    var told = ""
  }

  static let records: [Record] = {
    let path = (#filePath as NSString).deletingLastPathComponent + "/BrokenFiles.txt"
    guard let table = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    var records: [Record] = []
    var isTold = false
    for line in table.split(separator: "\n", omittingEmptySubsequences: false) {
      let last = records.count - 1
      if line.hasPrefix("=== ") {
        records.append(Record(testDescription: String(line.dropFirst(4))))
        isTold = false
      } else if line == ">>>" {
        isTold = true
      } else if isTold {
        if !line.isEmpty { records[last].told += line + "\n" }
      } else if line.hasPrefix("--- ") {
        records[last].dropIns.append((String(line.dropFirst(4)), ""))
      } else if records[last].dropIns.isEmpty {
        records[last].text += line + "\n"
      } else {
        records[last].dropIns[records[last].dropIns.count - 1].text += line + "\n"
      }
    }
    return records
  }()

  /// The file's bytes, with what a table of plain text cannot hold.
  private static func bytes(_ text: String) -> [UInt8] {
    let long = text.replacing("\\long", with: String(repeating: "10.9.0.1/24, ", count: 400))
    return Array(long.utf8).split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).enumerated()
      .flatMap { index, piece -> [UInt8] in
        if index == 0 { return Array(piece) }
        if piece.starts(with: "xff".utf8) { return [0xff] + piece.dropFirst(3) }
        return piece.starts(with: "0".utf8) ? [0] + piece.dropFirst() : Array(piece)
      }
  }

  @Test(arguments: records) func `are told so, at the right place, with what would be right`(_ record: Record) throws {
    let folder = try Folder()
    try Data(Self.bytes(record.text)).write(to: URL(fileURLWithPath: folder.path + "/f.conf"))
    if !record.dropIns.isEmpty {
      try FileManager.default.createDirectory(atPath: folder.path + "/f.conf.d", withIntermediateDirectories: false)
    }
    for dropIn in record.dropIns { _ = try folder.write("f.conf.d/" + dropIn.name, dropIn.text) }
    let answer = shell("cd \(folder.path) && chmod 600 f.conf && \(program) check-config f.conf")
    #expect(answer.output == record.told)
    #expect(answer.status == 64)
  }

  @Test func `are of all kinds`() {
    #expect(Self.records.count >= 60)
    // Each section that a file may have is wrong in one of them.
    for section in Schema.sections + Schema.relaySections + Schema.oracleSections {
      #expect(
        Self.records.contains { ($0.text + $0.dropIns.map(\.text).joined()).contains("[\(section.name)") },
        "no broken [\(section.name)]")
    }
    // And so is each key, but for those whose only kind of mistake another key shows.
    let told = Self.records.map(\.told).joined()
    let silent = (Schema.sections + Schema.relaySections + Schema.oracleSections).flatMap(\.settings).filter {
      !told.contains($0.name)
    }
    #expect(Set(silent.map(\.name)).isSubset(of: Self.alike), "\(silent.map(\.name))")
  }

  /// The names of files, which are right as far as the text goes, and what another key shows.
  private static let alike: Set<String> = [
    "PresharedKeyFile", "Certificates", "Store", "WithoutProviders",
  ]
}
