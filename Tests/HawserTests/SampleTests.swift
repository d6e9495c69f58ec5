//  SampleTests.swift — the files to begin with, filled in and read by the program that they are for.

import Configuration
import Foundation
import Testing

@Suite struct `The files to begin with` {
  private static func key() -> String { String(run("genkey").output.dropLast()) }

  private static func publicKey(_ key: String) -> String {
    String(shell("echo \(key) | \(program) pubkey").output.dropLast())
  }

  /// With every KEY_OF_ a key, every interface one that each machine has, and the files that it names beside it.
  private static func filled(_ kind: String, in folder: Folder, everything: Bool) throws -> String {
    var lines: [String] = []
    for line in run("sample-config \(kind)").output.split(separator: "\n", omittingEmptySubsequences: false) {
      var line = String(line)
      if everything, line.hasPrefix("#"), let second = line.dropFirst().first, second != " ", second != "#" {
        line = String(line.dropFirst())
      }
      if line.hasPrefix("PublicKey = KEY_OF_") { line = "PublicKey = \(publicKey(key()))" }
      // Two paths over the loopback, since that is what every machine has, told apart by their ports.
      if line.hasPrefix("Interface = eth0") { line = "Interface = lo" }
      if line.hasPrefix("Interface = wwan0") { line = "Interface = lo\nPort = 51999" }
      lines.append(line)
      if line.hasPrefix("PrivateKeyFile = ") || line.hasPrefix("TokenFile = ") {
        _ = try folder.write(String(line.split(separator: " ")[2]), key() + "\n")
      }
    }
    return lines.joined(separator: "\n")
  }

  @Test(arguments: Sample.allCases.map(\.rawValue), [false, true])
  func `work when the keys are filled in, with all that they suggest as without it`(
    kind: String, everything: Bool
  ) throws {
    let folder = try Folder()
    let file = try folder.write("\(kind).conf", try Self.filled(kind, in: folder, everything: everything))
    let answer = run("check-config \(file)")
    #expect(answer.output == "\(file): fine\n", "\(answer.output)")
    #expect(answer.status == 0)
  }

  @Test(arguments: Sample.allCases.map(\.rawValue))
  func `say where a key is missing, and nothing else is wrong with them`(kind: String) throws {
    let folder = try Folder()
    let text = run("sample-config \(kind)").output
    let file = try folder.write("\(kind).conf", text)
    let told = run("check-config \(file)").output.split(separator: "\n")
    #expect(!told.isEmpty)
    #expect(
      told.allSatisfy { $0.hasSuffix("PublicKey: expected 44 characters of base64; character 4 is none") }, "\(told)")
  }

  @Test func `a branch's is the usual one, and other words are refused`() {
    #expect(run("sample-config").output == run("sample-config branch").output)
    #expect(run("sample-config brnach").status == 64)
  }
}

@Suite struct `What is dropped in beside a file` {
  private static let other = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
  private static let right = """
    [Gateway]
    PrivateKeyFile = branch.key
    ListenPort = 51820
    [Path "fibre"]
    Interface = lo
    [Peer "hq"]
    PublicKey = \(other)
    AllowedIPs = 10.1.0.0/16

    """

  private static func folder() throws -> (folder: Folder, file: String) {
    let folder = try Folder()
    _ = try folder.write("branch.key", run("genkey").output)
    try FileManager.default.createDirectory(atPath: folder.path + "/branch.conf.d", withIntermediateDirectories: false)
    return (folder, try folder.write("branch.conf", right, mode: 0o644))
  }

  @Test func `changes keys, adds sections, and what it names lies beside the file`() throws {
    let (folder, file) = try Self.folder()
    _ = try folder.write("branch.conf.d/10-lte.conf", "[Path \"fibre\"]\nInterface = nosuch0\n")
    _ = try folder.write(
      "branch.conf.d/20-more.conf", "[Path \"lte\"]\nInterface = nosuch1\n[Gateway]\nListenPort = 9\n")
    let answer = run("check-config \(file)")
    #expect(answer.status == 2)
    let lines = answer.output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("\(folder.path)/branch.conf.d/10-lte.conf:2:13: Interface = nosuch0: "))
    #expect(lines[1].hasPrefix("\(folder.path)/branch.conf.d/20-more.conf:2:13: Interface = nosuch1: "))
  }

  @Test func `is read in the order of its names, and only what ends in .conf`() throws {
    let (folder, file) = try Self.folder()
    _ = try folder.write("branch.conf.d/20-b.conf", "[Path \"fibre\"]\nInterface = lo\n")
    _ = try folder.write("branch.conf.d/10-a.conf", "[Path \"fibre\"]\nInterface = nosuch0\n")
    _ = try folder.write("branch.conf.d/30-c.conf.dpkg-old", "nonsense\n")
    _ = try folder.write("branch.conf.d/.40-d.conf", "nonsense\n")
    #expect(run("check-config \(file)").output == "\(file): fine\n")
  }

  @Test func `with a secret in it, must not be readable for everybody either`() throws {
    let (folder, file) = try Self.folder()
    let text = "[Peer \"hq\"]\nPresharedKey = \(run("genpsk").output)"
    let dropIn = try folder.write("branch.conf.d/10-psk.conf", text, mode: 0o644)
    let answer = run("check-config \(file)")
    #expect(answer.status == 2)
    #expect(
      answer.output
        == "\(dropIn):1:1: \(dropIn) holds a secret, and everybody may read it (mode 644); run chmod 600 \(dropIn)\n")
    _ = try folder.write("branch.conf.d/10-psk.conf", text)
    #expect(run("check-config \(file)").status == 0)
  }

  @Test func `a key in a file replaces a key in the text`() throws {
    let (folder, file) = try Self.folder()
    _ = try folder.write(
      "branch.conf", Self.right.replacing("PrivateKeyFile = branch.key", with: "PrivateKey = \(run("genkey").output)"))
    _ = try folder.write("branch.conf.d/10-key.conf", "[Gateway]\nPrivateKeyFile = branch.key\n")
    #expect(run("check-config \(file)").output == "\(file): fine\n")
  }

  @Test func `a hundred are enough`() throws {
    let (folder, file) = try Self.folder()
    for number in 0...100 { _ = try folder.write("branch.conf.d/\(number).conf", "") }
    let answer = run("check-config \(file)")
    #expect(answer.status == 64)
    #expect(
      answer.output
        == "\(file).d:1:1: more than 100 files that end in .conf: expected at most so many\n")
  }
}
