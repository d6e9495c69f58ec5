import Primitives
import Testing

@Suite struct `Who wants to be called next` {
  @Test(arguments: 0..<200) func `it agrees with looking at everybody, for any sequence of uses`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let count = Int(1 + random.below(40))
    var queue = DeadlineQueue(count: count)
    var model: [Instant?] = Array(repeating: nil, count: count)
    // Few different times, so that many are equal.
    let span = 1 + random.below(60)
    for _ in 0..<1_000 {
      let machine = Int(random.below(UInt64(count)))
      let deadline = random.below(3) == 0 ? nil : Instant(nanoseconds: random.below(span))
      queue.set(machine, deadline)
      model[machine] = deadline
      queue.audit()
      let earliest = model.indices.filter { model[$0] != nil }.min { a, b in
        (model[a] ?? .zero, a) < (model[b] ?? .zero, b)
      }
      #expect(queue.first?.machine == earliest, "seed \(seed)")
      #expect(queue.first?.deadline == earliest.flatMap { model[$0] }, "seed \(seed)")
    }
  }

  @Test func `equal deadlines come in the order of the machines' numbers, whatever happened before`() {
    var queue = DeadlineQueue(count: 50)
    for machine in (0..<50).reversed() { queue.set(machine, Instant(nanoseconds: UInt64(machine))) }
    for machine in stride(from: 0, to: 50, by: 3) { queue.set(machine, nil) }
    for machine in 0..<50 { queue.set((machine * 7) % 50, Instant(nanoseconds: 9)) }
    var order: [Int] = []
    while let next = queue.first {
      order.append(next.machine)
      queue.set(next.machine, nil)
    }
    #expect(order == Array(0..<50))
  }

  @Test func `clearing a deadline that was never set does nothing`() {
    var queue = DeadlineQueue(count: 2)
    queue.set(1, nil)
    #expect(queue.first == nil)
    queue.set(1, .zero)
    queue.set(1, nil)
    queue.set(1, nil)
    #expect(queue.first == nil)
  }
}
