//  Document.swift — writes docs/benchmarks/many-paths.md and the chart beside it, from reports that were measured
//  before.

import Commands
import Glibc
import Lab

enum Document {
  static func write(_ invocation: Invocation) throws(LabError) {
    let file = invocation[Words.document]
    let ours = try invocation[Words.ours].map { (path) throws(LabError) in try read(path) }
    let mptcp = try invocation[Words.other].map { (path) throws(LabError) in try read(path) }
    let report = try ManyPathsReport(ours: ours, mptcp: mptcp)
    let stem = file.hasSuffix(".md") ? String(file.dropLast(3)) : file
    let chart = stem + ".svg"
    try write(report.chart, to: chart)
    try write(report.markdown(chart: chart.split(separator: "/").last.map(String.init) ?? chart), to: file)
    put("\(file) and \(chart) are written\n", to: STDOUT_FILENO)
  }

  private static func read(_ path: String) throws(LabError) -> String {
    guard let file = fopen(path, "r") else { throw failure("read", path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += block[..<count]
    }
  }

  private static func write(_ text: String, to path: String) throws(LabError) {
    guard let file = fopen(path, "w") else { throw failure("write", path) }
    let count = fwrite(text, 1, text.utf8.count, file)
    if fclose(file) != 0 || count != text.utf8.count { throw failure("write", path) }
  }

  private static func failure(_ doing: String, _ path: String) -> LabError {
    LabError("cannot \(doing) \(path): \(String(cString: strerror(errno)))", exitCode: 2)
  }
}
