import Primitives
import Striper
import Testing

@Suite struct `A segment is cut into parts` {
  @Test(arguments: 0..<300) func `that cover it exactly, in order, each within its path's batch`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = seed % 2 == 0 ? Specimen.likely(&random) : Specimen.extreme(&random)
    for step in 0..<40 {
      // Also as much as all batches can carry, to the byte.
      let longest = step % 8 == 0 ? specimen.capacity : min(specimen.capacity, 500_000)
      let length = step % 16 == 0 ? longest : 1 + Int(random.below(UInt64(longest)))
      let granularity = random.below(3) == 0 ? 1 + Int(random.below(3_000)) : 1
      let parts = specimen.striper.parts(of: length, granularity: granularity, resume: Int(random.below(165)))
      let situation = Comment("seed \(seed), step \(step), \(length) bytes: \(parts)")
      var end = 0
      for part in parts {
        #expect(part.range.lowerBound == end && !part.range.isEmpty, situation)
        end = part.range.upperBound
        #expect(specimen[part.path].map { part.range.count <= $0.path.mostBytes } == true, situation)
      }
      #expect(end == length, situation)
      #expect(Set(parts.map(\.path)).count == parts.count, situation)
      if step % 4 == 0 { specimen.striper.commit(parts) }
    }
  }

  @Test(arguments: 0..<200) func `of whole datagrams, but for the last`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = Specimen.likely(&random)
    for step in 0..<60 {
      // So short that no batch gets full.
      let length = 1 + Int(random.below(62_000))
      let resume = step % 2 == 0 ? 0 : 64
      let parts = specimen.striper.parts(of: length, resume: resume)
      for (index, part) in parts.dropLast().enumerated() {
        let payload = specimen[part.path]?.path.payload ?? 1
        let carried = part.range.count + (index > 0 ? resume : 0)
        #expect(carried % payload == 0, "seed \(seed), step \(step), resume \(resume): \(parts)")
      }
      specimen.striper.commit(parts)
      specimen.striper.settle()
    }
  }

  @Test(arguments: 0..<200) func `that are worth a send`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = Specimen.likely(&random)
    for step in 0..<60 {
      let parts = specimen.striper.parts(of: 1 + Int(random.below(62_000)))
      if parts.count == 1 { continue }
      for part in parts {
        let least = specimen[part.path]?.least ?? .max
        #expect(part.range.count >= least, "seed \(seed), step \(step): \(parts)")
      }
      specimen.striper.commit(parts)
      specimen.striper.settle()
    }
  }

  @Test func `as the drawing at the top of the source shows it`() {
    var striper = Striper([.usual(100, 8), .usual(50, 8), .usual(20, 8)])
    #expect(
      striper.parts(of: 62_000) == [
        .init(path: 0, range: 0..<37_128), .init(path: 2, range: 37_128..<44_268),
        .init(path: 1, range: 44_268..<62_000),
      ])
  }

  @Test func `of one full batch for each of three equal paths`() {
    var striper = Striper([.usual(10), .usual(10), .usual(10)])
    #expect(striper.mostSegmentLength == 3 * 62_832)
    for _ in 0..<5 {
      #expect(striper.parts(of: striper.mostSegmentLength).map(\.range.count) == [62_832, 62_832, 62_832])
    }
  }

  @Test(arguments: [100, 1_028, 1_428, 4_000]) func `between packets, when all have one length`(packet: Int) {
    var striper = Striper([.usual(5), .usual(3), .usual(2)])
    for count in 1...20 {
      for part in striper.parts(of: packet * count, granularity: packet) {
        #expect(part.range.lowerBound % packet == 0, "\(count) packets: \(part)")
      }
    }
  }

  @Test func `and no backlog changes by that`() {
    var striper = Striper([.usual(10, 5), .usual(10, 5)])
    let first = striper.parts(of: 62_832)
    #expect(first == striper.parts(of: 62_832) && first.count == 2)
    striper.commit(first)
    striper.sent(first[0].range.count, on: Int(first[0].path))
    striper.sent(first[1].range.count, on: Int(first[1].path))
    #expect(first == striper.parts(of: 62_832))
  }
}

@Suite struct `Paths` {
  @Test func `that do not exist carry nothing, and it is counted`() {
    var striper = Striper()
    #expect(striper.parts(of: 1_000).isEmpty && striper.single(100, as: .urgent) == nil)
    #expect(striper.mostSegmentLength == 0 && striper.horizon == 0 && striper.arrival(of: 1, on: 3) == nil)
    striper.setPath(4, .usual(1))
    striper.setPath(4, nil)
    #expect(striper.parts(of: 1_000).isEmpty && striper.single(100, as: .bulk) == nil)
    #expect(striper.counters.withoutPath == 4 && striper.counters.segments == 0)
  }

  @Test func `that are alone carry everything in one part`() {
    var striper = Striper()
    striper.setPath(9, .usual(12, 3))
    #expect(striper.mostSegmentLength == 62_832)
    #expect(striper.parts(of: 62_832, resume: 64) == [.init(path: 9, range: 0..<62_832)])
    #expect(striper.single(62_832, as: .bulk) == 9 && striper.single(62_833, as: .bulk) == nil)
  }

  @Test func `that went lose what waited for them`() {
    var striper = Striper([.usual(10, 5), .usual(10, 6)])
    striper.committed(1_000_000, on: 0)
    #expect(striper.single(1_428, as: .bulk) == 1)
    striper.setPath(0, nil)
    striper.setPath(0, .usual(10, 5))
    #expect(striper.single(1_428, as: .bulk) == 0)
  }

  @Test func `keep their backlog when their rate changes, and what waits takes longer`() {
    var striper = Striper([.usual(8), .usual(8)])
    striper.committed(10_000, on: 0)
    #expect(striper.arrival(of: 0, on: 0) == .milliseconds(10))
    striper.setPath(0, .usual(4))
    #expect(striper.arrival(of: 0, on: 0) == .milliseconds(20))
  }

  @Test func `with unequal rates limit the segment to what keeps their shares`() {
    let striper = Striper([.usual(100), .usual(50), .usual(20)])
    #expect(striper.mostSegmentLength == 62_832 * 170 / 100)
  }

  @Test func `that are full leave the rest to the others`() {
    var striper = Striper([.usual(1_000, 1), .usual(10, 1), .usual(10, 1)])
    #expect(striper.parts(of: 100_000).map(\.range.count).max() == 62_832)
    #expect(striper.parts(of: 3 * 62_832).map(\.range.count) == [62_832, 62_832, 62_832])
  }
}
