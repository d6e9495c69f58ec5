import AllocationCount
import TestWorld
import Testing

@Suite struct `Packets that flow` {
  /// Turns of both gateways, after as many to warm up.
  private static let turns = 500

  @Test(needsOptimisation, arguments: [1, 3]) func `as super-packets cost no allocation`(paths: Int) throws {
    let bench = try SteadyState(paths: paths, [.tcp(size: 1_384, most: 62_000)])
    #expect(bench.allocations(in: Self.turns, begin: hawser_allocations_begin, end: hawser_allocations_end) <= 0)
    #expect(bench.delivered > Self.turns)
  }

  @Test(needsOptimisation) func `as small datagrams of ten flows cost no allocation`() throws {
    let kinds = Array(repeating: UserFlow.Kind.datagrams(least: 60, most: 60), count: 10)
    let bench = try SteadyState(paths: 3, kinds)
    #expect(bench.allocations(in: Self.turns, begin: hawser_allocations_begin, end: hawser_allocations_end) <= 0)
    #expect(bench.delivered > Self.turns)
  }

  @Test func `an allocation would be noticed`() throws {
    hawser_allocations_begin()
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 10_000, alignment: 16)
    let count = hawser_allocations_end()
    memory.deallocate()
    #expect(count == 1 || count == -1)
  }
}

/// `swift run -c release gateway-seeds --allocations` asks the same.
private let needsOptimisation = ConditionTrait.enabled(
  if: SteadyState.isOptimised, "needs an optimised build: the compiler's temporaries are on the heap without")
