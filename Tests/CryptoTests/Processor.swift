import Foundation

/// What the kernel says that this processor can: a second opinion beside what the libraries find.
enum Processor {
  static let flags: [String] = {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
    return line?.split(separator: ":").last?.split(separator: " ").map(String.init) ?? []
  }()
}
