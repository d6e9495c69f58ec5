import Erasure
import Parity
import Primitives
import Testing

@Suite struct `The erasure code` {
  private let code = ReedSolomon.code

  @Test func `has the coefficients that the wire format gives, and its first row is XOR`() {
    for row in 0..<4 {
      for member in 0..<16 {
        let byte = sums(rows: 0b1111, member: member, [1])[row]
        #expect(byte == [Field.coefficient(row, member)], "row \(row), member \(member)")
      }
    }
    #expect((0..<16).allSatisfy { Field.coefficient(0, $0) == 1 })
  }

  /// What makes any k of k + m pieces suffice: 4,844 determinants.
  @Test func `can invert every square part of its matrix`() {
    var parts = 0
    for members in 1..<65_536 where members.nonzeroBitCount <= 4 {
      for rows in 1..<16 where rows.nonzeroBitCount == members.nonzeroBitCount {
        let matrix = bits(rows).map { row in bits(members).map { Field.coefficient(row, $0) } }
        if !Field.isInvertible(matrix) { Issue.record("rows \(bits(rows)), members \(bits(members))") }
        parts += 1
      }
    }
    #expect(parts == 4_844)
  }

  @Test(arguments: 0..<100) func `adds what multiplication bit by bit gives, for any length and place`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<10 {
      let source = bytes(1 + Int(random.below(random.below(2) == 0 ? 80 : 1_500)), &random)
      let member = Int(random.below(16))
      let rows = UInt8(1 + random.below(15))
      let results = sums(rows: rows, member: member, source, shift: Int(random.below(8)))
      for (result, row) in zip(results, bits(Int(rows))) {
        let factor = Field.coefficient(row, member)
        #expect(result == source.map { Field.product($0, factor) }, "seed \(seed), row \(row), member \(member)")
      }
    }
  }

  @Test(arguments: 0..<100) func `gives back what is missing, whatever rows there are`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let length = 1 + Int(random.below(600))
    let members = (0..<16).map { _ in bytes(length, &random) }
    for rows in 1..<16 {
      var missing = 0
      while missing.nonzeroBitCount < rows.nonzeroBitCount { missing |= 1 << Int(random.below(16)) }
      var remaining = [UInt8](repeating: 0, count: 4 * 640)
      for member in bits(missing) {
        let added = sums(rows: UInt8(rows), member: member, members[member])
        for (index, sum) in added.enumerated() {
          for (place, byte) in sum.enumerated() { remaining[index * 640 + place] ^= byte }
        }
      }
      let kept = remaining
      var results = [UInt8](repeating: 0, count: 4 * 640)
      let isSolved = remaining.withUnsafeMutableBytes { remaining in
        results.withUnsafeMutableBytes {
          code.solve(
            code.context, UInt8(rows), UInt16(missing), remaining.baseAddress!, length, 640, $0.baseAddress!)
        }
      }
      #expect(isSolved && remaining == kept, "seed \(seed)")
      for (index, member) in bits(missing).enumerated() {
        let result = Array(results[(index * 640)..<(index * 640 + length)])
        #expect(result == members[member], "seed \(seed), rows \(bits(rows)), missing \(bits(missing))")
      }
    }
  }

  @Test func `does not solve for more members than there are rows, or fewer`() {
    var memory = [UInt8](repeating: 0, count: 8 * 64)
    memory.withUnsafeMutableBytes { memory in
      let start = memory.baseAddress!
      #expect(!code.solve(code.context, 0b0011, 0b0000_0001, start, 10, 64, start + 256))
      #expect(!code.solve(code.context, 0b0001, 0b1111_1111, start, 10, 64, start + 256))
      #expect(!code.solve(code.context, 0, 0, start, 10, 64, start + 256))
      #expect(!code.solve(code.context, 0b1111, .max, start, 10, 64, start + 256))
      #expect(code.solve(code.context, 0b0001, 0b0000_0001, start, 10, 64, start + 256))
    }
  }

  /// The rows' products of one member, which are sums of one.
  private func sums(rows: UInt8, member: Int, _ source: [UInt8], shift: Int = 0) -> [[UInt8]] {
    let stride = 1_600
    var sums = [UInt8](repeating: 0, count: 4 * stride + 8)
    let shifted = [UInt8](repeating: 0xee, count: shift) + source + [0xee]
    sums.withUnsafeMutableBytes { sums in
      shifted.withUnsafeBytes {
        code.add(
          code.context, rows, member, $0.baseAddress! + shift, source.count, sums.baseAddress! + shift, stride)
      }
    }
    for index in 0..<4 {
      let rest = sums[(shift + index * stride + source.count)..<(shift + (index + 1) * stride - 8)]
      #expect(rest.allSatisfy { $0 == 0 }, "a byte behind the end was written")
    }
    return (0..<rows.nonzeroBitCount).map { Array(sums[(shift + $0 * stride)...].prefix(source.count)) }
  }

  private func bits(_ mask: Int) -> [Int] { (0..<16).filter { mask >> $0 & 1 != 0 } }

  private func bytes(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }
}

/// GF(2⁸) as a book has it: polynomials over bits, modulo x⁸ + x⁴ + x³ + x² + 1.
enum Field {
  static func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
    var sum: UInt16 = 0
    for bit in 0..<8 where b >> UInt8(bit) & 1 != 0 { sum ^= UInt16(a) << UInt16(bit) }
    for bit in stride(from: 15, through: 8, by: -1) where sum >> UInt16(bit) & 1 != 0 {
      sum ^= 0x11d << UInt16(bit - 8)
    }
    return UInt8(sum)
  }

  private static let inverses: [UInt8] = (0...255).map { a in
    UInt8((1...255).first { product(UInt8(a), UInt8($0)) == 1 } ?? 0)
  }

  static func quotient(_ a: UInt8, _ b: UInt8) -> UInt8 { product(a, inverses[Int(b)]) }

  static func coefficient(_ row: Int, _ member: Int) -> UInt8 {
    quotient(UInt8(16 ^ member), UInt8((16 + row) ^ member))
  }

  static func isInvertible(_ matrix: [[UInt8]]) -> Bool {
    var rows = matrix
    for column in rows.indices {
      guard let pivot = rows[column...].firstIndex(where: { $0[column] != 0 }) else { return false }
      rows.swapAt(column, pivot)
      for row in rows.indices.dropFirst(column + 1) {
        let factor = quotient(rows[row][column], rows[column][column])
        for place in rows.indices { rows[row][place] ^= product(rows[column][place], factor) }
      }
    }
    return true
  }
}
