//  OracleKinds.swift — the notations that only an oracle's file has.
//
//      Listen = 127.0.0.1:8460     HalfLife = 5min     TokenHash = 64 digits     Store = a file, or postgresql://…

import Primitives
import Sealing

extension SettingKind where Value == Endpoint {
  /// Where a socket listens: an address, or all of a family.
  static var listener: SettingKind {
    SettingKind("an address and a port, such as 127.0.0.1:8460 or [::1]:8460") { text in
      guard let endpoint = Endpoint(text), endpoint.port > 0 else { return nil }
      let first = endpoint.address.high >> 56
      return first >= (endpoint.address.family == .ipv4 ? 224 : 0xff) ? nil : endpoint
    }
  }
}

extension SettingKind where Value == Interval {
  static func duration(_ range: ClosedRange<Interval>) -> SettingKind {
    let ends = [range.lowerBound, range.upperBound].map { writtenDuration($0) }
    return SettingKind("a time from \(ends[0]) to \(ends[1]), such as 5min") { text in
      let number = text.prefix { ("0"..."9").contains($0) }
      let unit = text.dropFirst(number.count).filter { $0 != " " && $0 != "\t" }.lowercased()
      guard let count = Int64(number), let worth = durations.first(where: { $0.name == unit })?.seconds else {
        return nil
      }
      let (seconds, isOver) = count.multipliedReportingOverflow(by: worth)
      guard !isOver, seconds <= range.upperBound.nanoseconds / 1_000_000_000 else { return nil }
      let interval = Interval.seconds(seconds)
      return range.contains(interval) ? interval : nil
    }
  }
}

private let durations: [(name: String, seconds: Int64)] = [("h", 3_600), ("min", 60), ("s", 1)]

/// In the largest unit of which it is a whole number.
func writtenDuration(_ interval: Interval) -> String {
  let seconds = interval.nanoseconds / 1_000_000_000
  let unit = durations.first { seconds >= $0.seconds && seconds % $0.seconds == 0 } ?? durations[2]
  return "\(seconds / unit.seconds)\(unit.name)"
}

extension SettingKind where Value == TokenHash {
  static var tokenHash: SettingKind {
    SettingKind("64 hexadecimal digits, as sha256sum prints them of a token", isKey: true) {
      (bytes) throws(Complaint) in
      if let hash = TokenHash(hexadecimal: String(decoding: bytes, as: UTF8.self)) { return hash }
      let right = "expected 64 hexadecimal digits, as sha256sum prints them of a token"
      throw Complaint(bytes.count == 2 * TokenHash.length ? right : "\(right); found \(bytes.count) characters")
    }
  }
}

extension SettingKind where Value == OracleConfiguration.Store {
  static var store: SettingKind {
    SettingKind("the path of a file, or postgresql://… as psql takes it") { text in
      if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") { return .server(text) }
      // A misspelt server would otherwise become a file of that name.
      return text.contains("://") || text.utf8.count > 4_000 ? nil : .file(text)
    }
  }
}

extension SettingKind where Value == String {
  /// Of a provider or a region: compared, never looked up.
  static var label: SettingKind {
    SettingKind("a text of at most 64 bytes") { text in
      text.utf8.count <= 64 && text.utf8.allSatisfy { $0 >= 32 && $0 != 127 } ? text : nil
    }
  }
}
