//  PackageTests.swift — the Debian package: what lintian says of it, its life on a machine, and the quick start, whose
//  code blocks are run as they stand.

import Foundation
import Testing

@Suite(.serialized, .enabled(if: Package.obstacle == nil, Comment(rawValue: Package.obstacle ?? "")))
struct `The package` {
  @Test(.enabled(if: shell("lintian --version").status == 0, "needs lintian"))
  func `has no error that lintian knows`() throws {
    let answer = shell("lintian --allow-root --fail-on error \(try Package.file())")
    #expect(answer.status == 0, "\(answer.output)")
  }

  @Test func `depends on what its programs link, and on nothing of Swift`() throws {
    let depends = shell("dpkg-deb --field \(try Package.file()) Depends").output
    for library in [
      "libc6", "liburing2", "libmnl0", "libssl3", "libsystemd0", "libmicrohttpd12", "libcurl4", "adduser",
    ] {
      #expect(depends.contains(library), "\(depends)")
    }
    #expect(!depends.lowercased().contains("swift"))
  }

  @Test(
    .enabled(if: Package.rootObstacle == nil, Comment(rawValue: Package.rootObstacle ?? "")), .timeLimit(.minutes(3)))
  func `installs, runs as a user without rights, and leaves nothing behind when it is purged`() throws {
    let answer = shell(try Package.inMachines("install.sh"))
    #expect(answer.status == 0 && answer.output.hasSuffix("fine\n"), "\(answer.output)")
  }

  @Test(
    .enabled(if: Package.bootObstacle == nil, Comment(rawValue: Package.bootObstacle ?? "")), .timeLimit(.minutes(3)))
  func `runs under systemd, and its interface outlives a restart, a crash and a loop that hangs`() throws {
    let answer = shell(try Package.inMachines("systemd.sh"))
    #expect(answer.status == 0 && answer.output.hasSuffix("fine\n"), "\(answer.output)")
  }

  @Test(
    .enabled(if: Package.rootObstacle == nil, Comment(rawValue: Package.rootObstacle ?? "")), .timeLimit(.minutes(3)))
  func `takes a new user through the quick start as it is written, in under ten commands a side`() throws {
    let guide = try QuickStart("docs/quick-start.md")
    for side in ["branch", "hub"] {
      let count = guide.steps.reduce(0) { $0 + ($1.sides.contains(side) ? $1.lines.count : 0) }
      #expect((3..<10).contains(count), "\(side) has \(count) commands")
    }
    let script = FileManager.default.temporaryDirectory.path + "/hawser-quick-start-\(getpid()).sh"
    defer { try? FileManager.default.removeItem(atPath: script) }
    try guide.script.write(toFile: script, atomically: false, encoding: .utf8)
    let answer = shell(try Package.inMachines(script))
    #expect(answer.status == 0 && answer.output.hasSuffix("fine\n"), "\(answer.output)")
    #expect(answer.output.contains("bytes from 10.9.0.1"), "\(answer.output)")
    for question in guide.questions { #expect(answer.output.contains(question), "it does not ask \(question)") }
    #expect(answer.output.contains("/etc/hawser/hub.conf: fine"), "\(answer.output)")
  }
}

/// A document whose code blocks say where they are run: `<!-- at: branch hub -->` before a block of commands, `<!--
/// typed
/// -->` before the answers to the command before it, `<!-- file: branch PATH -->` before what a file then holds.
private struct QuickStart {
  struct Step {
    var sides: [String] = []
    var lines: [String] = []
    var typed: [String] = []
    /// Where the file is that must look so.
    var file: (side: String, path: String)?
  }

  private(set) var steps: [Step] = []
  private(set) var questions: [String] = []

  init(_ path: String) throws {
    var mark = ""
    var block: [String]?
    for line in try String(contentsOfFile: Package.checkout + "/" + path, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      if line.hasPrefix("<!-- ") {
        mark = String(line.dropFirst(5).dropLast(4))
      } else if line.hasPrefix("```"), let lines = block {
        add(mark, lines)
        (mark, block) = ("", nil)
      } else if line.hasPrefix("```") {
        block = []
      } else if block != nil {
        block?.append(String(line))
      }
    }
  }

  private mutating func add(_ mark: String, _ lines: [String]) {
    let words = mark.split(separator: " ").map(String.init)
    switch words.first {
    case "at:": steps.append(Step(sides: Array(words.dropFirst()), lines: lines))
    // What is typed stands behind the question's colon.
    case "typed":
      questions = lines.map { line in
        line.range(of: ": ", options: .backwards).map { String(line[..<$0.upperBound]) } ?? line
      }
      steps[steps.count - 1].typed = lines.map { line in
        line.range(of: ": ", options: .backwards).map { String(line[$0.upperBound...]) } ?? ""
      }
    case "file:": steps.append(Step(lines: lines, file: (words[1], words[2])))
    default: Issue.record("a code block without a mark: \(lines)")
    }
  }

  /// Every step, by the machines' shells; what `scp` was told is done between two steps.
  var script: String {
    var text = ". \"$(dirname \"$3\")/two-sites.sh\"\n"
    for step in steps {
      if let file = step.file {
        let wanted = step.lines.joined(separator: "\n")
        text += """
          on \(file.side) 'sed "/^#/d; s/^PublicKey = .*/PublicKey = KEY/" \(file.path)' >"$work/is"
          cat >"$work/wanted" <<'END'
          \(wanted)
          END
          diff "$work/wanted" "$work/is"

          """
        continue
      }
      for side in step.sides {
        for line in step.lines {
          if step.typed.isEmpty {
            // A path that is being tried is up a moment later.
            text += line.contains("status") ? "soon \(side) '\(line)'\n" : "on \(side) '\(line)'\n"
          } else {
            // With a terminal, since it asks only there.
            text += "on \(side) 'cat >answers; script -qec \"\(line)\" /dev/null <answers' <<'END'\n"
            text += step.typed.joined(separator: "\n") + "\nEND\n"
          }
          if line.contains("scp ") { text += "copy branch hub\n" }
        }
      }
    }
    return text + "echo fine\n"
  }
}

private enum Package {
  static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Why there is no package to test.
  static let obstacle: String? = {
    if shell("dpkg-deb --version && dpkg-shlibdeps --version").status != 0 { return "needs dpkg-dev: makes a package" }
    if access(checkout + "/.build/release/hawser", X_OK) != 0 { return "needs the release build: packs its programs" }
    return nil
  }()

  /// Why there is no machine to install it on.
  static let rootObstacle: String? = {
    if getuid() != 0 { return "needs root: installs the package in a Debian of its own" }
    let answer = shell("\(checkout)/scripts/debian-root")
    return answer.status == 0 ? nil : "needs a bare Debian: \(answer.output.filter { !$0.isNewline })"
  }()

  /// Why there is no machine to start.
  static let bootObstacle: String? = {
    if let rootObstacle { return rootObstacle }
    let root = shell("\(checkout)/scripts/debian-root").output.filter { !$0.isNewline }
    let line = "systemd-nspawn --quiet --directory \(root) --volatile=overlay --register=no --keep-unit /bin/true"
    let answer = shell(line)
    return answer.status == 0 ? nil : "needs systemd-nspawn: \(answer.output.filter { !$0.isNewline })"
  }()

  private static let made = Result { () throws -> String in
    let answer = shell("\(checkout)/scripts/deb")
    let name = answer.output.split(separator: "\n").last.map(String.init) ?? ""
    guard answer.status == 0, name.hasSuffix(".deb") else { throw Failure(text: answer.output) }
    return checkout + "/" + name
  }

  struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
  }

  static func file() throws -> String { try made.get() }

  /// The shell's line that runs a script among machines of its own.
  static func inMachines(_ script: String) throws -> String {
    let folder = checkout + "/Tests/PackageTests"
    let path = script.hasPrefix("/") ? script : folder + "/" + script
    let root = shell("\(checkout)/scripts/debian-root").output.filter { !$0.isNewline }
    return "unshare --mount --pid --fork --kill-child --net sh -e \(path) \(root) \(try file()) \(folder)/x"
  }
}

/// Both streams, and the exit code.
private func shell(_ line: String) -> (status: Int32, output: String) {
  guard let pipe = popen("{ \(line); } 2>&1 </dev/null", "r") else { return (-1, "") }
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
  let status = pclose(pipe)
  return (status & 0x7f == 0 ? status >> 8 & 0xff : -1, String(decoding: output, as: UTF8.self))
}
