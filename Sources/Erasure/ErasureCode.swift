//  ErasureCode.swift — sums from which lost bytes can be computed again, as an interface: C function pointers and a
//  context. `Parity` fills it with a library; nothing here computes anything.
//
//  Why.  `Redundancy` adds each protected datagram to up to four sums as it leaves, and must not know who does it:
//  cores import no C library. As with sealing, a function pointer costs one indirect call where a protocol would cost a
//  witness call and reference counts.
//
//  How.  There is one matrix C of 4 rows and 16 columns over GF(2⁸), whatever the size of a group:
//
//      sum of row i  =  C(i, 0) × member 0  +  C(i, 1) × member 1  +  …       + is XOR; a short member ends in zeros
//
//      C(i, j) = (16 ⊕ j) ÷ ((16 + i) ⊕ j)          polynomial x⁸ + x⁴ + x³ + x² + 1; row 0 is all ones: plain XOR
//
//  It is Cauchy's matrix with every column divided by its first element, so each square part of it can be inverted, and
//  any k of k members and m rows give the others. And since C does not depend on k, a member can be added before it is
//  known how many will follow: the sender keeps the sums and no member.
//
//  Always true.  (1) `add` reads `length` bytes of the source and changes as many of each sum. (2) `solve` changes
//  nothing but the results. (3) The context is never written and never freed: any thread may use it.

@unsafe public struct ErasureCode: BitwiseCopyable, Sendable {
  /// (context, rows, member, source, length, sums, stride): for each row with its bit set, from the lowest, adds the
  /// product to the next sum. Sums lie `stride` bytes apart.
  public typealias Add =
    @convention(c) (
      UnsafeRawPointer, UInt8, Int, UnsafeRawPointer, Int, UnsafeMutableRawPointer, Int
    ) -> Void
  /// (context, rows, missing, sums, length, stride, results): from sums that only the missing members are in, one for
  /// each row with its bit set, computes these members, from the lowest. There must be as many rows as members; false
  /// when there are not.
  public typealias Solve =
    @convention(c) (
      UnsafeRawPointer, UInt8, UInt16, UnsafeMutableRawPointer, Int, Int, UnsafeMutableRawPointer
    ) -> Bool

  nonisolated(unsafe) public let context: UnsafeRawPointer
  public let add: Add
  public let solve: Solve

  public init(context: UnsafeRawPointer, add: @escaping Add, solve: @escaping Solve) {
    unsafe self.context = context
    unsafe self.add = add
    unsafe self.solve = solve
  }
}
