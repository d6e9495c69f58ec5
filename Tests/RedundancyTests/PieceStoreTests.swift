import Primitives
import Testing

@testable import Redundancy

@Suite struct `The memory of a decoder` {
  /// What is placed, and the records that say so, oldest first.
  @Test(arguments: 0..<200) func `gives every piece bytes of its own, and forgets the oldest first`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let capacity = 64 * (4 + Int(random.below(40)))
    var store = PieceStore(capacity: capacity)
    var live: [(range: Range<Int>, group: UInt32)] = []
    for step in 0..<400 {
      let length = 1 + Int(random.below(UInt64(random.below(4) == 0 ? capacity : 200)))
      let group = UInt32(step)
      var place = store.place(length, group: group)
      while place == nil {
        let oldest = store.removeOldest()
        #expect(oldest?.group == live.first?.group, "seed \(seed), step \(step)")
        if live.isEmpty { return #expect(Bool(false), "seed \(seed): an empty store has no room") }
        live.removeFirst()
        place = store.place(length, group: group)
      }
      let start = Int(place ?? 0)
      let range = start..<(start + length)
      let isFree = live.allSatisfy { !$0.range.overlaps(range) }
      #expect(isFree && range.upperBound <= capacity && start % 64 == 0, "seed \(seed), step \(step): \(range)")
      live.append((range, group))
      if random.below(60) == 0 {
        store.removeAll()
        live = []
      }
    }
  }

  @Test func `holds as much as it has`() {
    var store = PieceStore(capacity: 640)
    for index in 0..<10 { #expect(store.place(33, group: 0) == UInt32(index * 64)) }
    #expect(store.place(1, group: 0) == nil)
    _ = store.removeOldest()
    _ = store.removeOldest()
    #expect(store.place(64, group: 0) == 0 && store.place(64, group: 0) == 64, "in the room of the two oldest")
    #expect(store.place(1, group: 0) == nil)
    while store.removeOldest() != nil {}
    #expect(store.place(640, group: 0) == 0)
  }
}
