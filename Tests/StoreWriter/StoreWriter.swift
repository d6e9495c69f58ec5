//  StoreWriter.swift — writes into a store until it is killed, and says on its output what it has been promised.
//
//      StoreWriter file PATH RUN        StoreWriter server PARAMETERS RUN
//
//  Lines are "stored N" (measurements 1 … N of this run), "setting N" and "lease N" (the value N is there). Each is
//  written after the call returned: what a line says must be found, however this program ended.

import Glibc
import POSIX
import Primitives
import Store

@main struct StoreWriter {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 else { exit(64) }
    let place: OracleStore.Place = arguments[1] == "file" ? .file(arguments[2]) : .server(arguments[2])
    do {
      try write(to: place, run: arguments[3])
    } catch {
      say("failed: \(error)")
      exit(1)
    }
  }

  private static func write(to place: OracleStore.Place, run: String) throws(StoreFailure) {
    let store = try OracleStore.open(place, as: run, at: MonotonicClock.now)
    var number: UInt64 = 0
    var version: UInt64 = 0
    for turn in UInt64(1)... {
      for _ in 0..<batch {
        number += 1
        let measurement = MeasurementRow(
          source: run, origin: "a", target: "b", time: Instant(nanoseconds: number), histogram: content(number))
        _ = store.append(measurement, at: MonotonicClock.now)
      }
      try store.flush(at: MonotonicClock.now)
      say("stored \(number)")

      let expecting: Expectation = version == 0 ? .nothing : .version(version)
      guard case .made(let made) = try store.put(SettingRow(name: run, value: content(turn)), expecting: expecting)
      else { return say("failed: the setting was not as it was left") }
      version = made
      say("setting \(turn)")

      let lease = LeaseRow(
        name: run, holder: run, expires: MonotonicClock.now + .seconds(3_600), value: content(turn))
      guard case .granted = try store.take(lease, at: MonotonicClock.now) else {
        return say("failed: the lease belongs to somebody else")
      }
      say("lease \(turn)")
    }
  }

  private static let batch = 50

  private static func content(_ number: UInt64) -> [UInt8] { Array(String(number).utf8) }

  private static func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    if Glibc.write(1, bytes, bytes.count) != bytes.count { exit(1) }
  }
}
