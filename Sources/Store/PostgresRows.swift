//  PostgresRows.swift — values in PostgreSQL's binary forms: as parameters, as results, and as the rows of a COPY.
//
//  Integers are eight bytes, the first one the largest; texts and bytes are themselves. A COPY has a signature, then
//  for each row the number of its fields and each field behind its length (−1: no value), and −1 as the number of
//  fields at its end.

import CPostgres

enum PostgresRows {
  static func type(_ kind: Value.Kind) -> Oid {
    switch kind {
    case .integer: hawser_pg_int8
    case .text: hawser_pg_text
    case .bytes: hawser_pg_bytea
    }
  }

  /// All values in one piece of memory, and where each is; nil: no value.
  static func parameters(_ values: [Value]) -> (all: [UInt8], ranges: [Range<Int>?]) {
    var all: [UInt8] = []
    var ranges: [Range<Int>?] = []
    for value in values {
      let start = all.count
      add(value, to: &all)
      ranges.append(value == .null ? nil : start..<all.count)
    }
    // An empty value has an address too: without one it would be no value.
    all.append(0)
    return (all, ranges)
  }

  static func copy(_ rows: [[Value]]) -> [UInt8] {
    var bytes = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0]
    // Flags, and the length of an extension: none.
    bytes += [UInt8](repeating: 0, count: 8)
    for row in rows {
      add(Int16(row.count), to: &bytes)
      for value in row {
        if value == .null {
          add(Int32(-1), to: &bytes)
          continue
        }
        let lengthAt = bytes.count
        add(Int32(0), to: &bytes)
        add(value, to: &bytes)
        let length = UInt32(bytes.count - lengthAt - 4)
        for index in 0..<4 { bytes[lengthAt + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
      }
    }
    add(Int16(-1), to: &bytes)
    return bytes
  }

  /// nil when it is none of our types.
  static func value(_ bytes: UnsafeRawBufferPointer, type: Oid) -> Value? {
    switch type {
    case hawser_pg_int8:
      guard bytes.count == 8 else { return nil }
      return .integer(Int64(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) }))
    case hawser_pg_text: return .text(String(decoding: bytes, as: UTF8.self))
    case hawser_pg_bytea: return .bytes(Array(bytes))
    default: return nil
    }
  }

  /// From the first two characters of an error's name, its class, where those say enough.
  static func kind(_ state: String) -> StoreFailure.Kind {
    switch state.prefix(2) {
    case "08", "28", "3D", "57": state == "57014" ? .busy : .unreachable
    case "22", "23": .refused
    case "40", "55": .busy
    case "53": .full
    case "42": state == "42501" ? .unreachable : .damaged
    case "XX": .damaged
    default: .other
    }
  }

  private static func add(_ value: Value, to bytes: inout [UInt8]) {
    switch value {
    case .null: break
    case .integer(let integer): add(integer, to: &bytes)
    case .text(let text): bytes += text.utf8
    case .bytes(let more): bytes += more
    }
  }

  private static func add<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
    for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
    }
  }
}
