//  KeptMeasurement.swift — what of a measurement a database has no column for, as a few bytes.
//
//  A store has columns for what people ask it about. The round trip and the shape of the delay go into one field beside
//  them: a version, the round trip in microseconds (0: unknown), and for each bucket that was seen its middle and its
//  count. 9 bytes for a steady path, 390 at most. Bytes of another version, or broken ones, are no measurement.
//
//      │ 1 │ round trip, 32 bits │ (excess in 16 ns, 32 bits · count, 16 bits) × buckets │       all little endian

public import PathOracle
import Primitives

public enum KeptMeasurement {
  private static let version: UInt8 = 1
  private static let header = 5
  private static let sample = 6
  /// The middle of a bucket is a multiple of it.
  private static let grain: Int64 = 16

  public static func bytes(of measurement: Measurement) -> [UInt8] {
    var bytes = [version]
    let roundTrip = measurement.roundTrip.map { min(max(1, $0.nanoseconds / 1_000), Int64(UInt32.max)) } ?? 0
    append(UInt64(roundTrip), count: 4, to: &bytes)
    for sample in measurement.shape.samples {
      append(UInt64(min(max(0, sample.excess.nanoseconds) / grain, Int64(UInt32.max))), count: 4, to: &bytes)
      append(UInt64(min(sample.count, 65_535)), count: 2, to: &bytes)
    }
    return bytes
  }

  /// Puts what these bytes say into the measurement; false when they say nothing that we understand.
  public static func read(_ bytes: [UInt8], into measurement: inout Measurement) -> Bool {
    let rest = bytes.count - header
    guard rest >= 0, rest % sample == 0, rest / sample <= DelayShape.buckets, bytes[0] == version else { return false }
    let roundTrip = number(bytes[1..<header])
    var samples: [DelayShape.Sample] = []
    for start in stride(from: header, to: bytes.count, by: sample) {
      let excess = Int64(number(bytes[start..<start + 4])) * grain
      samples.append(
        DelayShape.Sample(excess: Interval(nanoseconds: excess), count: Int(number(bytes[start + 4..<start + 6]))))
    }
    guard let shape = DelayShape(samples) else { return false }
    measurement.roundTrip = roundTrip == 0 ? nil : .microseconds(Int64(roundTrip))
    measurement.shape = shape
    return true
  }

  private static func append(_ number: UInt64, count: Int, to bytes: inout [UInt8]) {
    for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place))) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
