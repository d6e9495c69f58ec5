import Configuration
import Foundation
import FuzzTargets
import Testing
import Topology

@Suite struct `What the fuzzer found before` {
  @Test(arguments: FuzzTarget.all) func `still holds, for every file of the corpus`(target: FuzzTarget) throws {
    let files = try corpus(of: target)
    #expect(files.count >= 10, "the corpus of \(target.name) is in Tests/Fuzz/corpus/\(target.name)")
    for (name, bytes) in files {
      do {
        try target.check(bytes)
      } catch {
        Issue.record("Tests/Fuzz/corpus/\(target.name)/\(name): \(error)")
      }
    }
  }

  @Test func `holds for the topologies that we ship`() throws {
    let target = try #require(FuzzTarget.all.first { $0.name == "topology" })
    let folder = URL(fileURLWithPath: root + "/../../../topologies").standardized.path
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    #expect(files.contains { $0.hasSuffix(".topo") })
    for file in files where file.hasSuffix(".topo") {
      try target.check([UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))))
    }
  }

  @Test func `every folder of the corpus belongs to a target, and is small enough to live in the repository`() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: root).sorted()
    #expect(folders == FuzzTarget.all.map(\.name).sorted())
    let files = try FuzzTarget.all.flatMap { try corpus(of: $0) }
    #expect(files.count <= 100 * folders.count)
    #expect(files.map(\.bytes.count).reduce(0, +) <= 300_000)
  }

  /// Both kinds of input must be among them, or the properties about one kind would hold for want of a case.
  @Test func `the topologies of the corpus are partly right and partly wrong`() throws {
    let target = try #require(FuzzTarget.all.first { $0.name == "topology" })
    let accepted = try corpus(of: target).count { (try? Topology(parsing: $0.bytes, file: "f")) != nil }
    #expect(accepted >= 8)
    #expect(try corpus(of: target).count - accepted >= 8)
  }

  @Test func `the configurations of the corpus are partly right and partly wrong`() throws {
    let target = try #require(FuzzTarget.all.first { $0.name == "configuration" })
    let accepted = try corpus(of: target).count { (try? ConfigurationFile(reading: $0.bytes, named: "f")) != nil }
    #expect(accepted >= 8)
    #expect(try corpus(of: target).count - accepted >= 8)
  }

  private let root =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/Fuzz/corpus"

  private func corpus(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let folder = root + "/" + target.name
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      (name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))))
    }
  }
}
