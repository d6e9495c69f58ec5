import Primitives
import Testing

@Suite struct `A queue in a ring` {
  @Test func `first in, first out, over many turns of the ring`() {
    var queue = RingBuffer<Int>()
    var next = 0
    var expected = 0
    for _ in 0..<1_000 {
      for _ in 0..<7 {
        queue.append(next)
        next += 1
      }
      for _ in 0..<7 {
        #expect(queue.first == expected)
        #expect(queue.popFirst() == expected)
        expected += 1
      }
    }
    #expect(queue.isEmpty && queue.popFirst() == nil && queue.first == nil && queue.last == nil)
  }

  @Test func `it grows without mixing up what it holds, wherever its front is`() {
    for front in 0..<40 {
      var queue = RingBuffer<Int>()
      for value in 0..<front {
        queue.append(value)
        queue.removeFirst()
      }
      for value in 0..<100 { queue.append(value) }
      for offset in 0..<100 { #expect(queue[offset] == offset) }
      #expect(queue.count == 100 && queue.last == 99)
    }
  }

  @Test(arguments: 0..<100) func `it behaves like an array, for any sequence of uses`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var queue = RingBuffer<UInt64>(minimumCapacity: Int(random.below(50)))
    var model: [UInt64] = []
    for _ in 0..<2_000 {
      switch random.below(12) {
      case 0...5:
        let value = random.next()
        queue.append(value)
        model.append(value)
      case 6, 7, 8: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()), "seed \(seed)")
      case 9 where !model.isEmpty:
        let at = Int(random.below(UInt64(model.count)))
        queue[at] = 1
        model[at] = 1
      case 10:
        let gone = Int(random.below(UInt64(model.count + 1)))
        queue.removeLast(gone)
        model.removeLast(gone)
      case 11 where random.below(20) == 0:
        queue.removeAll()
        model.removeAll()
      default: break
      }
      #expect(queue.count == model.count && queue.first == model.first && queue.last == model.last, "seed \(seed)")
    }
    #expect((0..<queue.count).map { queue[$0] } == model, "seed \(seed)")
  }
}
