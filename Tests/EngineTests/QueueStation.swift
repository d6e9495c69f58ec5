import Primitives

@testable import Engine

/// Some flows with a queue each.
struct Station: ~Copyable {
  private let memory: ZeroMemory
  /// What packets have in them whose bytes nobody reads: they are no IP.
  private let nothing = ZeroMemory(65_536)
  private let queueMemory: ZeroMemory
  var table: FlowTable
  var queues: FlowQueues
  let slots: [UInt32]
  var now = Instant.zero + .seconds(1)

  init(flows: Int, mostWaiting: Int, mostBytes: Int = FlowQueues.usualBytes, seed: UInt64) {
    memory = ZeroMemory(FlowTable.bytes(for: flows))
    queueMemory = ZeroMemory(FlowQueues.bytes(flows: flows))
    table = FlowTable(memory: memory.bytes, capacity: flows, random: seed)
    queues = FlowQueues(memory: queueMemory.bytes, mostWaiting: mostWaiting, mostBytes: mostBytes)
    var slots: [UInt32] = []
    for index in 0..<flows {
      if let slot = table.note(Specimen.key(index), bytes: 0, at: .zero) { slots.append(slot) }
    }
    self.slots = slots
  }

  mutating func append(
    _ length: UInt32, to flow: Int, buffer: UInt16 = 0, payload: UInt16 = 0, segmentSize: UInt16 = 0,
    needsChecksum: Bool = true,
    isUrgent: Bool = false
  ) -> FlowQueues.Verdict {
    let packet = WaitingPacket(
      bytes: nothing.bytes.baseAddress!, arrived: now, length: length, payloadLength: payload, segmentSize: segmentSize,
      buffer: buffer,
      needsChecksum: needsChecksum)
    return append(packet, to: flow, isUrgent: isUrgent)
  }

  mutating func append(_ packet: WaitingPacket, to flow: Int, isUrgent: Bool) -> FlowQueues.Verdict {
    queues.append(packet, to: slots[flow], isUrgent: isUrgent, in: &table)
  }

  /// The next run, and whose it is.
  mutating func take(mostBytes: Int, rate: BitRate? = nil) -> (flow: Int, packets: [WaitingPacket])? {
    guard let slot = queues.nextFlow(), let flow = slots.firstIndex(of: slot) else { return nil }
    return (flow, Array(queues.takeRun(of: slot, mostBytes: mostBytes, rate: rate, in: &table, at: now).packets))
  }
}
