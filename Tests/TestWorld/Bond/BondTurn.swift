//  BondTurn.swift — a gateway's turn, as the driver has it: what arrived, what is due, what leaves.

import Engine
import Packets
import Primitives
import Resequencer
import Simulation

extension BondWorld {
  func turn(_ number: Int) {
    let gateway = gateways[number]
    gateway.turns += 1
    receive(gateway)
    if let due = gateway.engine.deadline, due <= now { gateway.engine.expire(at: now) }
    gateway.engine.flush(at: now)
    var wasSent: Bool
    repeat {
      wasSent = false
      while let batch = gateway.engine.nextBatch() {
        take(batch, of: gateway)
        wasSent = true
      }
      while let free = gateway.engine.nextFreeBuffer() {
        if !gateway.giveBack(free) { fail("buffer \(free) came back twice") }
      }
      while let frame = devices[number].first, let buffer = gateway.takeBuffer() {
        buffer.bytes.copyMemory(from: frame)
        devices[number].removeFirst()
        hand(buffer.bytes, buffer.number, frame.count, to: number)
        wasSent = true
      }
      // The kernel has taken what there was: the engine may have more.
      if wasSent { gateway.engine.flush(at: now) }
    } while wasSent
    while let delivery = gateway.engine.nextDelivery() { take(delivery, of: gateway) }
    while let event = gateway.engine.nextEvent() { gateway.events.append(event.kind) }
    deadlines.set(firstGateway + number, gateway.engine.deadline.map { max($0, now) })
  }

  /// Datagrams of one way and one length arrive as one; the last may be shorter.
  func receive(_ gateway: TestGateway) {
    let box = arrivals[gateway.number]
    while let first = box.ring.popFirst() {
      let bytes = lines.frames.bytes(first.slot)
      var length = bytes.count
      var isJoined = false
      while let next = box.ring.first, next.way == first.way {
        let more = lines.frames.bytes(next.slot)
        if more.count > bytes.count || length % bytes.count != 0 || length + more.count > 65_487 { break }
        if !isJoined {
          scratch.bytes.copyMemory(from: UnsafeRawBufferPointer(bytes))
          isJoined = true
        }
        UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[length...]).copyMemory(
          from: UnsafeRawBufferPointer(more))
        length += more.count
        lines.frames.giveBack(next.slot)
        box.ring.removeFirst()
      }
      let socket = Int(first.way)
      let route = Route(
        socket: UInt8(socket), remote: BondSettings.address(of: 1 - gateway.number, socket: socket),
        local: BondSettings.address(of: gateway.number, socket: socket).address)
      let arrived = isJoined ? UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[..<length]) : bytes
      gateway.engine.receive(Arrival(bytes: arrived, pieceLength: bytes.count, route: route), at: now)
      lines.frames.giveBack(first.slot)
    }
  }

  func take(_ number: UInt16, of gateway: TestGateway) {
    let batch = gateway.engine.batch(number)
    let socket = Int(batch.route.socket)
    // One link alone leads to the address at its other end.
    if batch.route.remote != BondSettings.address(of: 1 - gateway.number, socket: socket) {
      unreachable += batch.pieces
      return gateway.engine.sent(number, wasTaken: true)
    }
    let line = lines.firstLine(of: socket, from: gateway.number)
    let bytes = UnsafeRawBufferPointer(start: batch.bytes, count: batch.length)
    var offset = 0
    while offset < batch.length {
      let end = min(offset + batch.pieceLength, batch.length)
      let slot = lines.frames.take()
      lines.frames.room(slot).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
      lines.frames.setLength(end - offset, of: slot)
      lines.frames.setWay(socket, of: slot)
      lines.send(slot, headers: BondWorld.datagramHeaders, on: line, at: now)
      offset = end
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
    gateway.engine.sent(number, wasTaken: true)
  }

  func take(_ delivery: Delivery, of gateway: TestGateway) {
    gateway.deliveries += 1
    guard let start = scratch.bytes.baseAddress, delivery.length <= scratch.bytes.count else {
      return fail("a delivery of \(delivery.length) bytes")
    }
    var length = 0
    for index in 0..<delivery.sliceCount {
      let slice = delivery.slices[index]
      (start + length).copyMemory(from: slice.start, byteCount: slice.count)
      length += slice.count
    }
    if length != delivery.length { fail("a delivery of \(length) bytes that says it has \(delivery.length)") }
    deliver(UnsafeRawBufferPointer(start: start, count: length), at: gateway.number)
    gateway.engine.written(delivery.handle, wasTaken: true)
  }
}
