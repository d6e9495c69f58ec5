//  BondHosts.swift — hosts and their gateways: frames that leave a card, and frames that arrive.

import Engine
import Packets
import Primitives
import Simulation

extension BondWorld {
  /// The frame on the card has reached its gateway, and the next one follows.
  func send(behind gateway: Int) {
    let card = cards[gateway]
    if let frame = card.frame {
      card.clear()
      switch course {
      case .path(let path): sendPlain(UnsafeRawBufferPointer(frame), over: path, from: gateway)
      case .bond:
        if let buffer = devices[gateway].isEmpty ? gateways[gateway].takeBuffer() : nil {
          buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(frame))
          hand(buffer.bytes, buffer.number, frame.count, to: gateway)
        } else if !devices[gateway].append(UnsafeRawBufferPointer(frame)) {
          droppedAtDevice[gateway] += 1
        }
        deadlines.set(firstGateway + gateway, now)
      }
    }
    guard let next = card.load(flows, behind: gateway, at: now) else { return deadlines.set(firstCard + gateway, nil) }
    deadlines.set(firstCard + gateway, now + next.time)
    deadlines.set(firstFlow + next.flow, flows[next.flow].deadline)
  }

  func hand(_ bytes: UnsafeMutableRawBufferPointer, _ number: UInt16, _ length: Int, to gateway: Int) {
    gateways[gateway].engine.packet(
      UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]), buffer: number, at: now)
  }

  /// An adapter cuts a super-packet, and each piece goes its way.
  func sendPlain(_ frame: UnsafeRawBufferPointer, over way: Int, from gateway: Int) {
    let line = lines.firstLine(of: way, from: gateway)
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    guard let offload = OffloadHeader(frame), let view = try? PacketView(packet) else {
      return fail("a host sent no packet")
    }
    let size = Int(offload.segmentSize)
    for piece in 0..<SuperPacket.pieces(of: view, segmentSize: size) {
      let slot = lines.frames.take()
      let room = lines.frames.room(slot)
      OffloadHeader().write(to: room)
      let written = SuperPacket.piece(
        piece, of: packet, view, segmentSize: size,
        needsChecksum: offload.flags & OffloadHeader.needsChecksum != 0,
        into: UnsafeMutableRawBufferPointer(rebasing: room[OffloadHeader.length...]))
      guard let written else { return fail("a packet that cannot be cut") }
      lines.frames.setLength(OffloadHeader.length + written, of: slot)
      lines.frames.setWay(way, of: slot)
      lines.send(slot, headers: headers, on: line, at: now)
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
  }

  /// A frame has reached the host behind this gateway.
  func deliver(_ frame: UnsafeRawBufferPointer, at gateway: Int) {
    guard let offload = OffloadHeader(frame) else { return fail("no offload header") }
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    guard let view = try? PacketView(packet), view.totalLength == packet.count, let start = packet.baseAddress else {
      return refuse("no packet")
    }
    if let sentence = TrafficCheck.complaint(about: packet, view, offload) { return refuse(sentence) }
    let number: Int
    switch view.transport {
    case PacketView.Transport.icmp: number = Int((start + view.transportOffset).number(at: 4) as UInt16)
    // An acknowledgement comes from the other port.
    case PacketView.Transport.tcp: number = Int(max(view.tuple.sourcePort, view.tuple.destinationPort)) - 1024
    default: number = Int(view.tuple.sourcePort) - 1024
    }
    guard flows.indices.contains(number) else { return fail("a packet of no flow") }
    let expected = innerAddress(.ipv4, behind: gateway)
    if view.tuple.destination != expected { return fail("a packet for \(view.tuple.destination) at \(expected)") }
    let arrived = HostPacket(bytes: packet, view: view, gateway: gateway)
    if let sentence = flows[number].receive(arrived, at: now) { fail("flow \(number): \(sentence)") }
    deadlines.set(firstFlow + number, now)
  }

  /// What a host drops: on a plain line a bit may be wrong, but a gateway gives out nothing that is.
  private func refuse(_ sentence: String) {
    if case .bond = course { fail(sentence) }
  }
}
