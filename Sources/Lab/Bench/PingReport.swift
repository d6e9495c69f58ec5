//  PingReport.swift — the round-trip times that ping printed, and how many requests got no answer.
//
//  Read from the lines and not from ping's own summary, which has no percentiles. An answer that came twice counts
//  once, with the time of its first copy. A ping that was stopped has written what it had; that is a report too.

public struct PingReport: Equatable, Sendable {
  public var milliseconds: Samples
  public var sent: Int
  public var received: Int

  public var lossShare: Double { sent == 0 ? 0 : Double(sent - received) / Double(sent) }

  public init(parsing output: [UInt8]) {
    var times: [Double] = []
    var sent: Int?
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      if let index = words.firstIndex(of: "packets"), index > 0, words.count > index + 1,
        words[index + 1].hasPrefix("transmitted"), let count = Int(words[index - 1])
      {
        sent = count
      }
      guard !words.contains("(DUP!)"), let time = words.first(where: { $0.hasPrefix("time=") }),
        words.contains(where: { $0.hasPrefix("icmp_seq=") }), let value = Double(time.dropFirst(5)), value >= 0
      else { continue }
      times.append(value)
    }
    milliseconds = Samples(times)
    received = times.count
    self.sent = max(sent ?? times.count, times.count)
  }
}
