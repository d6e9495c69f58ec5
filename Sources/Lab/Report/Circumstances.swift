//  Circumstances.swift — where and when something was measured, in words that a reader can check.

import Glibc

struct Circumstances {
  var date: String
  var machine: String
  var kernel: String

  var inWords: String { "\(date) on \(machine), Linux \(kernel)" }

  /// This machine, now.
  static var present: Circumstances {
    var names = utsname()
    uname(&names)
    let kernel = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let text = (try? SmallFile.readText("/proc/cpuinfo")) ?? ""
    let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }
      .flatMap { $0.split(separator: ":", maxSplits: 1).last }.map { String($0.drop { $0 == " " }) }
    let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    return Circumstances(
      date: date(time(nil)), machine: "\(processors) × \(model ?? "an unnamed processor")", kernel: kernel)
  }

  private static func date(_ seconds: time_t) -> String {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 32)
    let count = strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
    return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
