//  HawserTests.swift — the program as its users meet it: by its words, what it prints, and its exit code.

import Foundation
import Testing

@Suite struct `The program hawser` {
  @Test func `doctor's exit code, lines and JSON say the same`() throws {
    let text = run("doctor")
    let lines = text.output.split(separator: "\n")
    #expect(lines.count == 12)
    let worst = lines.contains { $0.hasPrefix("FAIL  ") } ? 2 : lines.contains { $0.hasPrefix("warn  ") } ? 1 : 0
    #expect(text.status == Int32(worst), "\(text.output)")

    let json = run("doctor --json")
    #expect(json.status == text.status)
    let report = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(report["exit_code"] as? Int == worst)
    #expect((report["checks"] as? [[String: Any]])?.count == 11)
  }

  @Test(
    .enabled(if: shell("python3 -c 'import jsonschema'").status == 0, "needs python3-jsonschema"),
    arguments: [
      ("doctor --json", "doctor"), ("bench --seconds 1 --json", "bench"), ("check-config --json", "check-config"),
    ])
  func `what it says as JSON is what its schema has`(words: String, schema: String) throws {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let hold = "\(root)/scripts/hold-against-schema \(root)/docs/api/schemas/\(schema).json -"
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["[Gateway]\nPrivatKey = x\n", "[Gateway]\nPrivateKeyFile = none.key\nAddress = 10.0.0.1/24\n"]
    for (number, text) in (schema == "check-config" ? files : [""]).enumerated() {
      let file = folder.appendingPathComponent("\(number).conf").path
      try text.write(toFile: file, atomically: false, encoding: .utf8)
      let answer = shell("\(program) \(words) \(schema == "check-config" ? file : "") | \(hold)")
      #expect(answer.status == 0, "\(answer.output)")
    }
  }

  @Test func `without a terminal there is no colour`() {
    #expect(!run("doctor").output.contains("\u{1b}"))
  }

  @Test func `on a terminal there is, unless its owner says no`() {
    #expect(shell("env -u NO_COLOR TERM=xterm script -qec '\(program) doctor' /dev/null").output.contains("\u{1b}[3"))
    #expect(!shell("NO_COLOR=1 TERM=xterm script -qec '\(program) doctor' /dev/null").output.contains("\u{1b}"))
  }

  @Test(.enabled(if: getuid() == 0, "needs root: gives rights up"))
  func `without rights it says which are missing, and that a gateway cannot run`() {
    let answer = shell("setpriv --bounding-set=-net_admin,-net_raw \(program) doctor")
    #expect(answer.status == 2)
    #expect(answer.output.contains("FAIL  capabilities  CAP_NET_ADMIN and CAP_NET_RAW missing"))
    #expect(answer.output.contains("offloads not tried, since that needs CAP_NET_ADMIN"))
  }

  @Test(.enabled(if: getuid() == 0, "needs root: gives a right up"))
  func `without CAP_NET_RAW it is a warning`() {
    let answer = shell("setpriv --bounding-set=-net_raw \(program) doctor")
    #expect(answer.output.contains("warn  capabilities  CAP_NET_RAW missing"))
  }

  @Test(.enabled(if: getuid() == 0, "needs root: enters an empty network namespace"))
  func `a loopback interface that is down is named, not blamed on the kernel`() {
    let answer = shell("unshare -n \(program) doctor")
    #expect(answer.output.contains("warn  udp") && answer.output.contains("ip link set lo up"))
  }

  @Test func `wrong words are one line on standard error and exit code 64`() {
    let answer = run("dcotor")
    #expect(answer.status == 64)
    #expect(answer.output == "hawser: unknown command 'dcotor'; did you mean 'doctor'?\n")
    #expect(run("dcotor 2>/dev/null").output.isEmpty)
    #expect(run("doctor --jsno").status == 64)
    #expect(run("").status == 64)
  }

  @Test func `help, version and completions go to standard output and are no failure`() {
    #expect(run("--version 2>/dev/null").output == "hawser 0.1.0\n")
    #expect(run("help doctor 2>/dev/null").output == run("doctor --help").output)
    for shellName in ["bash", "zsh", "fish"] {
      let script = run("completions \(shellName) 2>/dev/null")
      #expect(script.status == 0 && script.output.contains("doctor"))
    }
  }

  @Test func `a reader that goes away ends it without a word`() {
    #expect(shell("\(program) completions bash | head -n 1").output.hasPrefix("# bash completion for hawser"))
  }
}

/// The release program where there is one, else the one beside the tests: SwiftPM puts all of a build into one folder.
let program: String = {
  let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  let folder =
    ProcessInfo.processInfo.environment["HAWSER_RELEASE_BIN"] ?? (tests as NSString).deletingLastPathComponent
  return folder + "/hawser"
}()

func run(_ words: String) -> (status: Int32, output: String) { shell("\(program) \(words)") }

/// Both streams, and the exit code.
func shell(_ line: String) -> (status: Int32, output: String) {
  guard let pipe = popen("{ \(line); } 2>&1 </dev/null", "r") else { return (-1, "") }
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
  let status = pclose(pipe)
  return (status & 0x7f == 0 ? status >> 8 & 0xff : -1, String(decoding: output, as: UTF8.self))
}
