//  UnitTests.swift — the services that the package installs, judged by systemd's own tools.

import Foundation
import Testing

@Suite(.enabled(if: shell("systemd-analyze --version").status == 0, "needs systemd-analyze"))
struct `The services` {
  private static let folder =
    ((#filePath as NSString).deletingLastPathComponent as NSString).appendingPathComponent("../../packaging")
  static let names = ["hawser@.service", "hawser-relay@.service", "path-oracle.service"]

  private static func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
  }

  /// As it is installed, with programs that this machine has; its path.
  private static func installed(_ name: String, in folder: Folder) throws -> String {
    let instance = name.replacing("@.", with: "@site.")
    let programs = (program as NSString).deletingLastPathComponent
    return try folder.write(instance, try text(name).replacing("/usr/bin/", with: programs + "/"))
  }

  @Test(arguments: names) func `have nothing in them that systemd does not understand`(name: String) throws {
    let folder = try Folder()
    let answer = shell("systemd-analyze verify --man=no \(try Self.installed(name, in: folder))")
    // It looks at the machine's own services as well; of those we are no judge.
    let ours = answer.output.split(separator: "\n").filter { $0.contains("hawser") || $0.contains("path-oracle") }
    #expect(ours.isEmpty, "\(answer.output)")
  }

  @Test(arguments: names) func `are exposed to at most 3 of 10`(name: String) throws {
    let folder = try Folder()
    let unit = try Self.installed(name, in: folder)
    let answer = shell("systemd-analyze security --offline=true --threshold=30 --no-pager \(unit)")
    #expect(answer.status == 0, "\(answer.output)")
    #expect(answer.output.contains("Overall exposure level"))
  }

  @Test(arguments: names) func `run programs and options that there are, from files where init writes them`(
    name: String
  ) throws {
    let command = try #require(try Self.text(name).split(separator: "\n").first { $0.hasPrefix("ExecStart=") })
    let words = command.dropFirst("ExecStart=".count).split(separator: " ").map(String.init)
    #expect(words[0].hasPrefix("/usr/bin/") && words[2] == "--config" && words[3].hasPrefix("/etc/hawser/"))
    let program = (program as NSString).deletingLastPathComponent + "/" + (words[0] as NSString).lastPathComponent
    #expect(shell("\(program) \(words[1]) --help").output.contains("--config"))
  }
}
