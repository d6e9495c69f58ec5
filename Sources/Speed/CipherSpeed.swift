//  CipherSpeed.swift — what it costs to seal, to open and to copy, by the library that gateways of this machine use.

import Crypto
import Glibc
import Sealing

enum CipherSpeed {
  /// A full datagram of a path of 1,500 bytes carries little more.
  static let length = 1_400
  /// More than caches of the second level hold: packets of several paths are in flight.
  private static let memory = 16 << 20
  /// A super-packet.
  private static let block = 65_536

  /// Nanoseconds for a datagram of `length` bytes.
  static func datagram(_ cryptography: LibraryCryptography, within budget: Int) -> (seal: Double, open: Double) {
    guard let suite = cryptography.suites.first else { preconditionFailure("a library has a cipher") }
    var secret = Secret()
    secret.withMutableBytes { cryptography.random($0) }
    let key = cryptography.expand(suite, sealing: secret, masking: secret)
    defer { cryptography.destroy(key) }
    let room = UnsafeMutableRawPointer.allocate(byteCount: 8_192, alignment: 64)
    defer { room.deallocate() }
    room.initializeMemory(as: UInt8.self, repeating: 0x5a, count: 8_192)
    let (header, text, sealed) = (room, room + 64, room + 4_096)
    let seal = Stopwatch.best(within: budget / 2) { count in
      let start = Stopwatch.now
      for counter in 0..<count { key.seal(key.context, 1, UInt64(counter), header, text, length, sealed) }
      return Stopwatch.now - start
    }
    key.seal(key.context, 1, 7, header, text, length, sealed)
    let open = Stopwatch.best(within: budget / 2) { count in
      let start = Stopwatch.now
      for _ in 0..<count {
        let isOpen = key.open(key.context, 1, 7, header, sealed, length, text)
        precondition(isOpen, "what was sealed opens")
      }
      return Stopwatch.now - start
    }
    return (seal, open)
  }

  /// Bytes a second.
  static func copy(within budget: Int) -> Double {
    let room = UnsafeMutableRawPointer.allocate(byteCount: 2 * memory, alignment: 4_096)
    defer { room.deallocate() }
    room.initializeMemory(as: UInt8.self, repeating: 1, count: 2 * memory)
    var place = 0
    let cost = Stopwatch.best(within: budget) { count in
      let start = Stopwatch.now
      for _ in 0..<count {
        (room + memory + place).copyMemory(from: room + place, byteCount: block)
        place = (place + block) % memory
      }
      return Stopwatch.now - start
    }
    return Double(block) / cost * 1e9
  }
}
