//  ReedSolomon.swift — the erasure code by Intel's ISA-L, which has the vector instructions of x86 and ARM.
//
//  How.  One table of 2 KiB for all groups: the coefficients never change, so there is nothing to make for a pair of k
//  and m, nothing to keep, and nothing to free. To rebuild e datagrams, a matrix of e × e is inverted, e ≤ 4; what
//  arrived is added to the sums of the rows that serve, exactly as the sender did it.

import CIsal
public import Erasure

public enum ReedSolomon {
  /// Made on first use and never freed: it is a constant, only a computed one.
  nonisolated(unsafe) private static let table: UnsafeMutablePointer<hawser_code> = {
    let table = UnsafeMutablePointer<hawser_code>.allocate(capacity: 1)
    hawser_code_make(table)
    return table
  }()

  public static var code: ErasureCode {
    ErasureCode(
      context: table,
      add: { context, rows, member, source, length, sums, stride in
        hawser_code_add(
          context.assumingMemoryBound(to: hawser_code.self), UInt32(rows), Int32(member), source, length, sums, stride)
      },
      solve: { context, rows, missing, sums, length, stride, results in
        hawser_code_solve(
          context.assumingMemoryBound(to: hawser_code.self), UInt32(rows), UInt32(missing), sums, length, stride,
          results) == 1
      })
  }
}
