//  InitTests.swift — five answers, and two sites' files.

import Foundation
import Testing

@Suite struct `hawser init` {
  private static let answers = ["branch hub", "lo", "lo", "203.0.113.7", "10.2.0.0/16 | 10.1.0.0/16, fd01::/64"]

  private static func begin(
    _ folder: Folder, _ answers: [String] = answers
  ) throws -> (status: Int32, output: String) {
    let file = try folder.write("answers", answers.joined(separator: "\n") + "\n")
    defer { try? FileManager.default.removeItem(atPath: file) }
    return run("init --directory \(folder.path) --answers \(file)")
  }

  private static func names(_ folder: Folder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func `writes files that both sides can use, and says which two commands to run`() throws {
    let folder = try Folder()
    let answer = try Self.begin(folder)
    #expect(answer.status == 0)
    #expect(try Self.names(folder) == ["branch.conf", "branch.key", "hub.conf", "hub.key"])
    for name in ["branch.conf", "hub.conf"] {
      #expect(run("check-config \(folder.path)/\(name)").output == "\(folder.path)/\(name): fine\n")
    }
    // Each knows the other's key.
    for (own, peer) in [("branch", "hub"), ("hub", "branch")] {
      let key = shell("\(program) pubkey <\(folder.path)/\(peer).key").output
      let text = try String(contentsOfFile: "\(folder.path)/\(own).conf", encoding: .utf8)
      #expect(text.contains("PublicKey = \(key)"))
    }
    let commands = answer.output.split(separator: "\n").filter { $0.hasPrefix("here:") || $0.hasPrefix("at hub:") }
    #expect(commands.count == 2)
    #expect(commands[0].hasSuffix("sudo hawser gateway --config \(folder.path)/branch.conf"))
    #expect(commands[1].contains("root@203.0.113.7"))
    #expect(!answer.output.contains(try String(contentsOfFile: "\(folder.path)/hub.key", encoding: .utf8).prefix(10)))
  }

  @Test func `writes for its owner alone, or for the group that the folder belongs to`() throws {
    func modes(_ folder: Folder) throws -> Set<Int> {
      Set(
        try Self.names(folder).compactMap {
          try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\($0)")[.posixPermissions] as? Int
        })
    }
    let folder = try Folder()
    _ = try Self.begin(folder)
    #expect(try modes(folder) == [0o600])
    guard getuid() == 0 else { return }
    let shared = try Folder()
    #expect(shell("chgrp nogroup \(shared.path) && chmod 2750 \(shared.path)").status == 0)
    _ = try Self.begin(shared)
    #expect(try modes(shared) == [0o640])
    #expect(shell("stat -c %G \(shared.path)/hub.key").output == "nogroup\n")
  }

  @Test(arguments: ["branch.conf", "branch.key", "hub.conf", "hub.key"])
  func `overwrites nothing, and writes nothing then`(name: String) throws {
    let folder = try Folder()
    _ = try folder.write(name, "precious\n")
    let answer = try Self.begin(folder)
    #expect(answer.status == 2)
    #expect(answer.output.hasPrefix("hawser init: \(folder.path)/\(name) is there already"))
    #expect(try Self.names(folder) == [name])
    #expect(try String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8) == "precious\n")
  }

  @Test(arguments: [
    (0, "branch", "expected two different names"), (0, "hub hub", "expected two different names"),
    (0, "../x hub", "expected two different names"), (1, "eth0/1", "expected the name of an interface"),
    (1, "lo lo", "lo is there twice"), (3, "", "expected an address or a name"),
    (3, "what ever", "expected an address or a name"), (4, "10.2.0.0/16", "expected one '|'"),
    (4, "10.2 | 10.1.0.0/16", "expected a network"),
  ])
  func `a wrong answer is told with its line and what would be right`(line: Int, text: String, what: String) throws {
    let folder = try Folder()
    var answers = Self.answers
    answers[line] = text
    let answer = try Self.begin(folder, answers)
    #expect(answer.status == 64)
    #expect(answer.output.hasPrefix("\(folder.path)/answers:\(line + 1):1: "), "\(answer.output)")
    #expect(answer.output.contains(what), "\(answer.output)")
    #expect(try Self.names(folder).isEmpty)
  }

  @Test func `answers that do not go together are told by what they would make`() throws {
    let folder = try Folder()
    var answers = Self.answers
    answers[1] = "hawser0"
    let answer = try Self.begin(folder, answers)
    #expect(answer.status == 64)
    #expect(
      answer.output.contains("branch.conf:6:13: Interface = hawser0: this is the gateway's own virtual interface"))
    #expect(try Self.names(folder).isEmpty)
  }

  @Test func `chooses a network for itself that is behind neither site`() throws {
    let folder = try Folder()
    var answers = Self.answers
    answers[4] = "10.9.0.0/16 | 10.19.0.7/32 10.0.0.0/13"
    #expect(try Self.begin(folder, answers).status == 0)
    let text = try String(contentsOfFile: "\(folder.path)/hub.conf", encoding: .utf8)
    #expect(text.contains("Address = 10.29.0.1/24\n"), "\(text)")
  }

  @Test(arguments: [
    ("203.0.113.7", "203.0.113.7:51820"), ("2001:db8::1", "[2001:db8::1]:51820"),
    ("hub.example.net", "hub.example.net:51820"),
    ("hub.example.net:443", "hub.example.net:443"), ("[2001:db8::1]:443", "[2001:db8::1]:443"),
  ])
  func `takes an address with a port or without one`(given: String, endpoint: String) throws {
    let folder = try Folder()
    var answers = Self.answers
    answers[3] = given
    #expect(try Self.begin(folder, answers).status == 0)
    let text = try String(contentsOfFile: "\(folder.path)/branch.conf", encoding: .utf8)
    #expect(text.contains("Endpoint = \(endpoint)\n"))
    let port = endpoint.split(separator: ":").last ?? ""
    #expect(try String(contentsOfFile: "\(folder.path)/hub.conf", encoding: .utf8).contains("ListenPort = \(port)\n"))
  }

  @Test func `asks on a terminal, again when an answer is wrong, and takes an empty answer for the usual one`() throws {
    let folder = try Folder()
    let typed = try folder.write("typed", ["", "lo", "", "?", "203.0.113.7", "", ""].joined(separator: "\n"))
    let answer = shell(
      "script -qec '\(program) init --directory \(folder.path)' /dev/null <\(typed)")
    #expect(answer.output.contains("[branch hub]: "))
    #expect(answer.output.contains("expected an address or a name"))
    #expect(FileManager.default.fileExists(atPath: "\(folder.path)/branch.conf"))
    #expect(FileManager.default.fileExists(atPath: "\(folder.path)/hub.key"))
    #expect(run("init").status == 64)
  }
}
