//  ProcessUsage.swift — what a process has used so far: time of a processor, wake-ups, memory, page faults.
//
//  Read from outside, so that it is the same for a program of ours and for anybody else's. `schedstat` counts
//  nanoseconds where `stat` counts hundredths of a second. Threads are added; one that has ended is not seen any more,
//  but the programs that are measured here keep theirs.

import Glibc
public import Primitives

public struct ProcessUsage: Equatable, Sendable {
  /// User and system time.
  public var processorTime = Interval.zero
  /// How often it went to sleep by itself, hence how often something woke it.
  public var sleeps: UInt64 = 0
  public var residentMemory = ByteCount(0)
  /// How often it touched a page that was not there (or had to be copied) yet.
  public var pageFaults: UInt64 = 0

  /// nil: there is no such process.
  public init?(of process: Int32) {
    let directory = "/proc/\(process)"
    guard let status = try? SmallFile.readText(directory + "/status") else { return nil }
    residentMemory = ByteCount(ProcessUsage.number("VmRSS:", in: status) * 1_024)
    let line = (try? SmallFile.readText(directory + "/stat")) ?? ""
    // Behind the name, which may hold anything but this bracket. Minor faults, major ones, their children's between.
    let fields = line.split(separator: ")").last?.split(separator: " ") ?? []
    if fields.count > 9 { pageFaults = (UInt64(fields[7]) ?? 0) + (UInt64(fields[9]) ?? 0) }
    for thread in SmallFile.names(in: directory + "/task") {
      let own = "\(directory)/task/\(thread)/"
      if let text = try? SmallFile.readText(own + "schedstat"), let first = text.split(separator: " ").first {
        processorTime = processorTime + .nanoseconds(Int64(first) ?? 0)
      }
      let text = (try? SmallFile.readText(own + "status")) ?? ""
      sleeps += UInt64(ProcessUsage.number("voluntary_ctxt_switches:", in: text))
    }
  }

  public init() {}

  public static func + (a: ProcessUsage, b: ProcessUsage) -> ProcessUsage {
    var sum = a
    sum.processorTime = a.processorTime + b.processorTime
    sum.sleeps += b.sleeps
    sum.pageFaults += b.pageFaults
    sum.residentMemory = ByteCount(a.residentMemory.value + b.residentMemory.value)
    return sum
  }

  private static func number(_ key: String, in text: String) -> Int {
    let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
  }
}
