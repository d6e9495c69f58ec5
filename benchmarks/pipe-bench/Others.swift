//  Others.swift — how much of the machine everybody else used while we measured.
//
//  A neighbour that compiles takes a processor from the gateways, and the figure is then about him. So each measurement
//  knows the time that the processors were busy, less what we and the programs that we started and buried have used.
//  Kernel threads that carry packets for us count as others: a few per cent of a flood.

import Glibc

struct Others {
  private let busy: Double
  private let own: Double
  private let time: Double

  /// Now.
  init() {
    busy = Others.busySeconds()
    own = Others.seconds(RUSAGE_SELF) + Others.seconds(RUSAGE_CHILDREN)
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    time = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
  }

  /// The share of all processors' time.
  func share(since start: Others) -> Double {
    let processors = Double(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let foreign = busy - start.busy - (own - start.own)
    return min(1, max(0, foreign / max(0.001, time - start.time) / processors))
  }

  private static func seconds(_ who: __rusage_who) -> Double {
    var usage = rusage()
    getrusage(who, &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }

  /// The first line of /proc/stat: user, nice, system, idle, waiting for a disk, interrupts, soft interrupts, stolen.
  private static func busySeconds() -> Double {
    guard let file = fopen("/proc/stat", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let ticks = text.split(separator: " ").dropFirst().compactMap { Double($0) }
    guard ticks.count >= 7 else { return 0 }
    return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
  }
}
