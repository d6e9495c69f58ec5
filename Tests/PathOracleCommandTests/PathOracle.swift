//  PathOracle.swift — runs the program that was built beside these tests, as a shell would.

import Glibc

struct Answer {
  var output: String
  /// What went to standard error, without the line's end.
  var complaint: String
  var code: Int32
}

enum PathOracle {
  static func run(_ arguments: [String]) -> Answer {
    let words = ([folder + "/path-oracle"] + arguments).map(quoted).joined(separator: " ")
    var answer = Answer(output: "", complaint: "", code: -1)
    Files.with("") { errors in
      guard let pipe = popen("timeout 60 \(words) 2>\(errors) </dev/null", "re") else { return }
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = fread(&chunk, 1, chunk.count, pipe)
        if count == 0 { break }
        bytes += chunk[..<count]
      }
      let status = pclose(pipe)
      answer.output = String(decoding: bytes, as: UTF8.self)
      answer.code = status & 0x7f == 0 ? status >> 8 & 0xff : -1
      let complaint = Files.text(errors)
      let name = "path-oracle: "
      answer.complaint = String(
        (complaint.hasPrefix(name) ? complaint.dropFirst(name.count) : complaint[...]).dropLast())
    }
    return answer
  }

  /// Where this process was loaded from: SwiftPM puts programs and tests into one folder.
  static let folder: String = {
    var path = Array(repeating: CChar(0), count: 4_096)
    let count = readlink("/proc/self/exe", &path, path.count)
    let own = String(decoding: path[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // `swift test` may load the tests into a helper of the toolchain; then its argument names them.
    let tests = CommandLine.arguments.first { $0.contains(".xctest") } ?? own
    return String(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)])
  }()

  private static func quoted(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}

enum Files {
  /// A file with this content, gone afterwards.
  static func with(_ content: String, _ body: (String) -> Void) {
    var template = Array("/tmp/path-oracle-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    precondition(descriptor >= 0, "no temporary file")
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    let bytes = Array(content.utf8)
    precondition(write(descriptor, bytes, bytes.count) == bytes.count, "no room for a temporary file")
    close(descriptor)
    body(path)
  }

  static func text(_ path: String) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
  }
}
