import Glibc
import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `A flow is remembered` {
  /// Every input goes to the table and to a dictionary with a plain list; after each they say the same.
  @Test(arguments: 0..<80) func `as a plain dictionary would, and the oldest idle one goes first`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let capacity = 1 + Int(random.below(60))
    let memory = ZeroMemory(FlowTable.bytes(for: capacity))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: capacity, random: seed)
    var model = PlainTable(capacity: capacity)
    let keys = (0..<(2 * capacity)).map { _ in Specimen.key(&random) }
    var now = Instant(nanoseconds: 1_000_000_000_000)
    for step in 0..<400 {
      let context = Comment("seed \(seed), step \(step)")
      now += .milliseconds(Int64(random.below(random.below(10) == 0 ? 100_000 : 50)))
      switch random.below(20) {
      case 0:
        table.expire(at: now)
        model.expire(at: now)
      case 1:
        if let key = keys.randomElement(using: &random), let slot = table.find(key), table[slot].waiting == 0 {
          table.remove(slot)
          model.flows[key] = nil
        }
      case 2:
        // Packets wait, or do not any more: less than all flows are held at a time.
        if let key = keys.randomElement(using: &random), let slot = table.find(key) {
          let isHeld = table[slot].waiting > 0
          if isHeld || model.flows.values.count(where: \.isHeld) + 1 < min(capacity, FlowTable.mostLooks) {
            table[slot].waiting = isHeld ? 0 : 1
            model.flows[key]?.isHeld = !isHeld
          }
        }
      default:
        guard let key = keys.randomElement(using: &random) else { continue }
        let rest: FlowTable.Rest? = random.below(10) == 0 ? [.closing, .long][Int(random.below(2))] : nil
        let slot = table.note(key, bytes: 100, changed: rest, at: now)
        model.note(key, changed: rest, at: now)
        #expect(slot.map { table[$0].lastSeen } == now, context)
      }
      table.audit()
      let wrong = keys.filter { !agree(table, model, on: $0) }
      #expect(wrong.isEmpty, context)
      #expect(table.count == model.flows.count, context)
    }
    #expect(
      table.counters.refused == 0 && table.counters.evicted == model.evicted && table.counters.expired == model.expired)
  }

  @Test func `among 100,000 others, and each has its own slot`() {
    let capacity = 100_000
    let memory = ZeroMemory(FlowTable.bytes(for: capacity))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: capacity, random: 7)
    var misplaced = 0
    for index in 0..<capacity {
      let slot = table.note(Specimen.key(index), bytes: 1, at: Instant(nanoseconds: UInt64(index)))
      if slot != UInt32(index) { misplaced += 1 }
    }
    for index in 0..<capacity where table.find(Specimen.key(index)) != UInt32(index) { misplaced += 1 }
    // Full: each new one takes the place of the oldest.
    for index in capacity..<(capacity + 1_000) {
      let slot = table.note(Specimen.key(index), bytes: 1, at: Instant(nanoseconds: UInt64(index)))
      if slot != UInt32(index - capacity) || table.find(Specimen.key(index - capacity)) != nil { misplaced += 1 }
    }
    #expect(misplaced == 0)
    #expect(table.counters.evicted == 1_000 && table.counters.created == 101_000 && table.count == capacity)
    table.audit()
  }

  @Test func `until it was silent for its time`() {
    let memory = ZeroMemory(FlowTable.bytes(for: 8))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: 8, random: 1)
    let start = Instant(nanoseconds: 5_000_000_000)
    #expect(table.deadline == nil)
    let tcp = Specimen.key(1, transport: 6)
    let closed = Specimen.key(2, transport: 6)
    let udp = Specimen.key(3, transport: 17)
    for key in [tcp, closed, udp] { _ = table.note(key, bytes: 1, at: start) }
    _ = table.note(closed, bytes: 1, changed: .closing, at: start)
    for (seconds, key, left) in [(30, closed, 2), (60, udp, 1), (300, tcp, 0)] as [(Int64, FiveTuple, Int)] {
      let due = start + .seconds(seconds)
      #expect(table.deadline == due)
      table.expire(at: due - .nanoseconds(1))
      #expect(table.find(key) != nil)
      table.expire(at: due + FlowTable.expiryGrain)
      #expect(table.find(key) == nil && table.count == left)
    }
    #expect(table.deadline == nil && table.counters.expired == 3)
  }

  @Test func `anew when a closed connection's ports are used again`() {
    let memory = ZeroMemory(FlowTable.bytes(for: 8))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: 8, random: 1)
    let key = Specimen.key(1, transport: 6)
    _ = table.note(key, bytes: 1, changed: .closing, at: .zero)
    #expect(table.deadline == .zero + .seconds(30))
    _ = table.note(key, bytes: 1, changed: .long, at: .zero)
    #expect(table.deadline == .zero + .seconds(300) && table.count == 1)
  }

  @Test func `as long as packets of it wait, however full the table is`() {
    let memory = ZeroMemory(FlowTable.bytes(for: 4))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: 4, random: 1)
    var slots: [UInt32] = []
    for index in 0..<4 {
      guard let slot = table.note(Specimen.key(index), bytes: 1, at: .zero) else { continue }
      table[slot].waiting = 1
      slots.append(slot)
    }
    #expect(slots == [0, 1, 2, 3])
    #expect(table.note(Specimen.key(4), bytes: 1, at: .zero) == nil && table.counters.refused == 1)
    table.expire(at: .zero + .seconds(1_000))
    #expect(table.count == 4)
    table[2].waiting = 0
    #expect(table.note(Specimen.key(4), bytes: 1, at: .zero + .seconds(1_001)) == 2)
    table.audit()
  }

  @Test func `with bounded work when all fall silent at once`() {
    let capacity = 5_000
    let memory = ZeroMemory(FlowTable.bytes(for: capacity))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: capacity, random: 1)
    for index in 0..<capacity { _ = table.note(Specimen.key(index), bytes: 1, at: .zero) }
    let later = Instant.zero + .seconds(400)
    var calls = 0
    while let due = table.deadline, due <= later {
      let before = table.count
      table.expire(at: later)
      #expect(before - table.count <= FlowTable.mostExpiries)
      calls += 1
    }
    #expect(table.count == 0 && calls == 5)
  }

  @Test func `in little memory while there are few`() {
    let length = FlowTable.bytes(for: FlowTable.usualCapacity)
    let memory = ZeroMemory(length)
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, random: 3)
    for index in 0..<10 { _ = table.note(Specimen.key(index), bytes: 1, at: .zero) }
    #expect(memory.residentPages <= 20)
    // Flows that came and went leave their places to those that follow.
    for round in 0..<100 {
      for index in 0..<10 {
        guard let slot = table.note(Specimen.key(round * 10 + index), bytes: 1, at: .zero) else { continue }
        #expect(slot < 20)
        if round > 0, let old = table.find(Specimen.key((round - 1) * 10 + index)) { table.remove(old) }
      }
    }
    #expect(table.count == 10)
  }

  @Test func `on a lane of its own while there are no more flows than lanes`() {
    let memory = ZeroMemory(FlowTable.bytes(for: 4_096))
    defer { withExtendedLifetime(memory) {} }
    var table = FlowTable(memory: memory.bytes, capacity: 4_096, random: 3)
    // After a peak of 4,096, 1,000 new flows are apart again.
    for index in 0..<4_096 { _ = table.note(Specimen.key(index), bytes: 1, at: .zero) }
    for index in 0..<4_096 { if let slot = table.find(Specimen.key(index)) { table.remove(slot) } }
    var lanes: Set<UInt16> = []
    for index in 5_000..<6_000 {
      guard let slot = table.note(Specimen.key(index), bytes: 1, at: .zero) else { continue }
      lanes.insert(FlowTable.lane(of: slot, lanes: 1_024))
    }
    #expect(lanes.count == 1_000)
  }
}

@Suite struct `Numbers for flows` {
  @Test(arguments: 0..<60) func `are given out lowest first, each once`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let capacity = seed < 3 ? 4_000 + Int(random.below(5_000)) : 1 + Int(random.below(200))
    let memory = ZeroMemory(SlotMap.bytes(for: capacity))
    defer { withExtendedLifetime(memory) {} }
    var map = SlotMap(memory: UnsafeMutableRawPointer(memory.bytes.baseAddress!), capacity: capacity)
    var taken = [Bool](repeating: false, count: capacity)
    var wrong = 0
    for slot in 0..<capacity {
      if map.take() != slot { wrong += 1 }
      taken[slot] = true
    }
    for _ in 0..<1_000 {
      let slot = Int(random.below(UInt64(capacity)))
      if taken[slot] {
        map.giveBack(slot)
        taken[slot] = false
      } else {
        let lowest = taken.firstIndex(of: false)
        if map.take() != lowest { wrong += 1 }
        if let lowest { taken[lowest] = true }
      }
    }
    #expect(wrong == 0, "seed \(seed)")
    #expect(taken.indices.allSatisfy { map.isTaken($0) == taken[$0] } && map.count == taken.count(where: { $0 }))
  }
}

/// Whether table and model know the same of a flow.
private func agree(_ table: borrowing FlowTable, _ model: PlainTable, on key: FiveTuple) -> Bool {
  guard let slot = table.find(key), let known = model.flows[key] else {
    return table.find(key) == nil && model.flows[key] == nil
  }
  return table[slot].key == key && table[slot].packets == known.packets && table[slot].lastSeen == known.lastSeen
    && table[slot].bytes == known.packets * 100
}

/// The same promises without a single pointer.
private struct PlainTable {
  struct Known {
    var lastSeen: Instant
    /// When it was put to the front: a number that grows.
    var order: Int
    var packets: UInt64
    var rest: FlowTable.Rest
    var isHeld = false
  }

  let capacity: Int
  var flows: [FiveTuple: Known] = [:]
  var evicted: UInt64 = 0
  var expired: UInt64 = 0
  private var order = 0
  private var nextExpiry = Instant.zero

  init(capacity: Int) { self.capacity = capacity }

  mutating func note(_ key: FiveTuple, changed: FlowTable.Rest?, at now: Instant) {
    order += 1
    if flows[key] == nil {
      while flows.count == capacity {
        guard let oldest = flows.min(by: { before($0.value, $1.value) }) else { return }
        if oldest.value.isHeld {
          renew(oldest.key, at: now)
        } else {
          flows[oldest.key] = nil
          evicted += 1
        }
      }
      let isShort = [1, 17, 58].contains(key.transport)
      flows[key] = Known(lastSeen: now, order: order, packets: 0, rest: isShort ? .short : .long)
    }
    order += 1
    flows[key]?.lastSeen = now
    flows[key]?.order = order
    flows[key]?.packets += 1
    if let changed { flows[key]?.rest = changed }
  }

  mutating func expire(at now: Instant) {
    if now < nextExpiry { return }
    let due = flows.filter { $0.value.lastSeen + $0.value.rest.patience <= now }
      .sorted { ($0.value.rest.rawValue, $0.value.order) < ($1.value.rest.rawValue, $1.value.order) }
    for (key, known) in due {
      if known.isHeld {
        renew(key, at: now)
      } else {
        flows[key] = nil
        expired += 1
      }
    }
    nextExpiry = now + FlowTable.expiryGrain
  }

  private mutating func renew(_ key: FiveTuple, at now: Instant) {
    order += 1
    flows[key]?.lastSeen = now
    flows[key]?.order = order
  }

  /// Lists are asked in their own order when two flows are equally old.
  private func before(_ a: Known, _ b: Known) -> Bool {
    a.lastSeen != b.lastSeen
      ? a.lastSeen < b.lastSeen : (a.rest.rawValue, a.order) < (b.rest.rawValue, b.order)
  }
}

/// Zeros that cost nothing until they are touched.
final class ZeroMemory {
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int) {
    let start = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let start, start != MAP_FAILED else { preconditionFailure("no memory for a test") }
    // A huge page would be touched as a whole.
    madvise(start, count, MADV_NOHUGEPAGE)
    bytes = UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  deinit { munmap(bytes.baseAddress, bytes.count) }

  var residentPages: Int {
    let pages = (bytes.count + 4_095) / 4_096
    var resident = [UInt8](repeating: 0, count: pages)
    mincore(bytes.baseAddress, bytes.count, &resident)
    return resident.count { $0 & 1 != 0 }
  }
}

extension Specimen {
  static func key(_ random: inout SeededRandom) -> FiveTuple {
    let isIPv4 = random.below(2) == 0
    func address() -> IPAddress {
      isIPv4
        ? IPAddress(ipv4: UInt32(truncatingIfNeeded: random.next()))
        : IPAddress(.ipv6, high: random.next(), low: random.next())
    }
    return FiveTuple(
      source: address(), destination: address(), sourcePort: UInt16(random.below(4)), destinationPort: 443,
      transport: [6, 17, 1, 50][Int(random.below(4))])
  }

  /// Neighbours, as a scan makes them.
  static func key(_ index: Int, transport: UInt8 = 17) -> FiveTuple {
    FiveTuple(
      source: IPAddress(ipv4: 0x0a00_0001), destination: IPAddress(ipv4: 0x0a01_0000 + UInt32(index / 1_000)),
      sourcePort: 1_024 + UInt16(index % 1_000), destinationPort: 53, transport: transport)
  }
}
