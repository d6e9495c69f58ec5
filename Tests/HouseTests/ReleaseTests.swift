import Foundation
import Testing

@Suite(.enabled(if: Programs.release != nil, "needs the release programs: make test builds them"))
struct `Release programs` {
  /// The C library's parts, the C++ and compiler runtime that Swift links, and the Debian libraries that we chose.
  private static let allowed = [
    "libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux", "libpthread.so", "libdl.so", "librt.so",
    "libutil.so", "liburing.so", "libmnl.so", "libnftables.so", "libcrypto.so", "libIPSec_MB.so", "libisal.so",
    "libmicrohttpd.so", "libcurl.so", "libsqlite3.so", "libpq.so", "libsystemd.so",
  ]

  @Test func `load nothing but the C library and the chosen Debian libraries, so they start without Swift`() throws {
    for program in try Programs.names() {
      let path = "\(Programs.folder)/\(program)"
      let dynamic = Programs.run("readelf --dynamic --wide \(path)")
      #expect(dynamic.status == 0, "\(dynamic.text)")
      let needed = neededLibraries(dynamic.text)
      #expect(needed.contains { $0.hasPrefix("libc.so") }, "\(program) needs \(needed)")
      expectNone(libraryFindings(needed, allowed: Self.allowed, program: program))
      #expect(!Programs.run("ldd \(path)").text.contains("not found"))
    }
  }

  @Test(.enabled(if: Programs.run("valgrind --version").status == 0, "needs valgrind: scripts/bootstrap test"))
  func `cost at most 5 % more instructions a packet than what is committed, and take no memory for one`() {
    let run = Programs.run("\(Checkout.root)/scripts/instructions")
    #expect(run.status == 0, "\(run.text)")
  }

  @Test func `give the same simulation log as debug programs, and another one for another seed`() throws {
    let folder = NSTemporaryDirectory() + "hawser-logs-\(getpid())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func log(_ programs: String, seed: Int) throws -> Data {
      let file = "\(folder)/log"
      let topology = Checkout.root + "/topologies/three-uplinks.topo"
      let run = Programs.run("\(programs)/netlab simulate \(topology) --seed \(seed) --seconds 2 --log \(file)")
      #expect(run.status == 0, "\(run.text)")
      return try Data(contentsOf: URL(fileURLWithPath: file))
    }
    let first = try log(Programs.folder, seed: 7)
    #expect(first.count > 1_000)
    #expect(try log(Programs.folder, seed: 7) == first)
    #expect(try log(Programs.debug, seed: 7) == first)
    #expect(try log(Programs.folder, seed: 8) != first)
  }
}

@Suite struct `The rule for libraries` {
  @Test func `finds a library that nobody chose, and Swift's own`() {
    let text = """
       0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
       0x0000000000000001 (NEEDED)             Shared library: [libswiftCore.so]
       0x0000000000000001 (NEEDED)             Shared library: [libgcrypt.so.20]
       0x000000000000000e (SONAME)             Library soname: [libthis.so]
      """
    #expect(neededLibraries(text) == ["libc.so.6", "libswiftCore.so", "libgcrypt.so.20"])
    #expect(
      libraryFindings(neededLibraries(text), allowed: ["libc.so"], program: "p").map(\.description) == [
        "p: needs libswiftCore.so at run time; link the runtime with --static-swift-stdlib",
        "p: needs libgcrypt.so.20 at run time, which is not among the chosen libraries",
      ])
  }
}

/// The libraries that a program asks the loader for, from `readelf --dynamic`.
func neededLibraries(_ dynamic: String) -> [String] {
  dynamic.split(separator: "\n").filter { $0.contains("(NEEDED)") }.compactMap { line in
    guard let open = line.firstIndex(of: "["), let close = line.firstIndex(of: "]") else { return nil }
    return String(line[line.index(after: open)..<close])
  }
}

func libraryFindings(_ needed: [String], allowed: [String], program: String) -> [Finding] {
  needed.compactMap { library in
    if library.hasPrefix("libswift") || library.contains("Foundation") {
      return Finding(
        file: program, message: "needs \(library) at run time; link the runtime with --static-swift-stdlib")
    }
    if allowed.contains(where: { library.hasPrefix($0) }) { return nil }
    return Finding(file: program, message: "needs \(library) at run time, which is not among the chosen libraries")
  }
}
