//  PacketTarget.swift — the packets of a segment, whatever they say of themselves.
//
//  The first four bytes choose what is done (partial checksums, the segment size, where to cut), the rest is packets in
//  a row. A view may be wrong about nothing that others use without a check; what is cut or joined is again a packet,
//  of the same flow and with the same payload.

import Packets
import Primitives

func checkPacket(_ bytes: [UInt8]) throws(Violation) {
  guard bytes.count >= 4 else { return }
  let needsChecksum = bytes[0] & 1 != 0
  let segmentSize = Int(bytes[1]) << UInt8(bytes[0] >> 5)
  var row: [Entry] = []
  var left = Array(bytes[4...])
  while row.count < 100 {
    let view: PacketView
    do throws(PacketView.Defect) {
      view = try read(left)
    } catch { break }
    let packet = Array(left[..<view.totalLength])
    left.removeFirst(view.totalLength)
    row.append(Entry(packet: packet, view: view))
    try checkView(view, packet, isLast: left.isEmpty)
    try checkCut(view, packet, bytes[2], bytes[3], segmentSize, needsChecksum)
    try checkPieces(view, packet, segmentSize, needsChecksum)
    try checkMark(view, packet)
    for error in [.packetTooBig(mtu: 1_280), .timeExceeded, .prohibited] as [ICMPError] {
      try checkError(error, view, packet)
    }
  }
  try checkBundle(row, segmentSize, needsChecksum)
}

private struct Entry {
  let packet: [UInt8]
  let view: PacketView
}

private func read(_ bytes: [UInt8], headersOnly: Bool = false) throws(PacketView.Defect) -> PacketView {
  let result = unsafe bytes.withUnsafeBytes { raw -> Result<PacketView, PacketView.Defect> in
    do throws(PacketView.Defect) {
      return .success(unsafe headersOnly ? try PacketView(headers: raw) : try PacketView(raw))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

/// What comes out of us must be a packet.
private func reread(_ bytes: [UInt8], headersOnly: Bool = false) throws(Violation) -> PacketView {
  do throws(PacketView.Defect) {
    return try read(bytes, headersOnly: headersOnly)
  } catch {
    throw Violation("what was written is no packet: \(error) in \(bytes)")
  }
}

private func checkView(_ view: PacketView, _ packet: [UInt8], isLast: Bool) throws(Violation) {
  let plain = view.family == .ipv4 ? 20 : 40
  try demand(
    plain <= view.networkHeaderLength && view.networkHeaderLength <= view.headerLength
      && view.headerLength <= view.totalLength, "the lengths are out of order: \(view)")
  try demand(view.isWhole == isLast, "isWhole is \(view.isWhole)")
  try demand(view.checksumOffset.map { view.transportOffset + $0 + 2 <= view.headerLength } ?? true, "\(view)")
  let again = try reread(Array(packet[..<view.headerLength]), headersOnly: true)
  try demand(
    again.tuple == view.tuple && again.totalLength == view.totalLength && again.headerLength == view.headerLength,
    "the headers alone say something else: \(again), not \(view)")
}

private func checkCut(
  _ view: PacketView, _ packet: [UInt8], _ from: UInt8, _ to: UInt8, _ segmentSize: Int, _ needsChecksum: Bool
) throws(Violation) {
  var range = (view.payloadLength * Int(min(from, to)) / 255)..<(view.payloadLength * Int(max(from, to)) / 255)
  if view.transport == PacketView.Transport.udp && segmentSize > 0 && from & 1 == 0 {
    let start = range.lowerBound / segmentSize * segmentSize
    range = start..<max(start, min(view.payloadLength, range.upperBound / segmentSize * segmentSize))
  }
  var headers = [UInt8](repeating: 0xaa, count: view.headerLength)
  let verdict = unsafe packet.withUnsafeBytes { packet in
    unsafe headers.withUnsafeMutableBytes {
      unsafe SuperPacket.cut(
        headers: packet, of: view, payload: range, segmentSize: segmentSize, needsChecksum: needsChecksum, into: $0)
    }
  }
  guard verdict == .done else {
    return try demand(headers.allSatisfy { $0 == 0xaa }, "\(verdict), and yet something was written")
  }
  let cut = try reread(
    headers + packet[view.headerLength...][(view.headerLength + range.lowerBound)...].prefix(range.count))
  try demand(cut.isWhole && cut.payloadLength == range.count, "\(range) of \(view) became \(cut)")
  try demand(cut.tuple == view.tuple && cut.headerLength == view.headerLength, "\(view) became \(cut)")
  try checkDescription(cut, segmentSize, needsChecksum)
}

/// The far side says what we say.
private func checkDescription(_ view: PacketView, _ segmentSize: Int, _ needsChecksum: Bool) throws(Violation) {
  let offload = SuperPacket.offload(for: view, segmentSize: segmentSize, needsChecksum: needsChecksum)
  guard segmentSize <= 65_535, let again = SuperPacket.describe(offload, view) else {
    throw Violation("\(offload) is not described again")
  }
  let isSuper = needsChecksum && view.isSuperPacket(segmentSize: segmentSize)
  try demand(
    again.segmentSize == (isSuper ? segmentSize : 0)
      && again.needsChecksum == (needsChecksum && view.checksumOffset != nil), "\(offload) is described as \(again)")
}

private func checkPieces(
  _ view: PacketView, _ packet: [UInt8], _ segmentSize: Int, _ needsChecksum: Bool
) throws(Violation) {
  let count = SuperPacket.pieces(of: view, segmentSize: segmentSize)
  try demand(count == 1 || segmentSize > 0 && count == (view.payloadLength + segmentSize - 1) / segmentSize, "\(count)")
  var payload: [UInt8] = []
  for number in 0..<min(count, 300) {
    guard let piece = finished(number, packet, view, segmentSize, needsChecksum) else {
      let mayRefuse = !needsChecksum || !view.tcpFlags.isDisjoint(with: [.syn, .rst])
      return try demand(count > 1 && mayRefuse, "no piece \(number) of \(view)")
    }
    let again = try reread(piece)
    try demand(again.isWhole && again.tuple == view.tuple, "piece \(number) of \(view) is \(again)")
    payload += piece[again.headerLength...]
  }
  try demand(payload.elementsEqual(packet[view.headerLength...].prefix(payload.count)), "the pieces are not the packet")
}

private func finished(
  _ number: Int, _ packet: [UInt8], _ view: PacketView, _ segmentSize: Int, _ needsChecksum: Bool
) -> [UInt8]? {
  var piece = [UInt8](repeating: 0, count: view.totalLength)
  let length = unsafe packet.withUnsafeBytes { packet in
    unsafe piece.withUnsafeMutableBytes {
      unsafe SuperPacket.piece(
        number, of: packet, view, segmentSize: segmentSize, needsChecksum: needsChecksum, into: $0)
    }
  }
  return length.map { Array(piece[..<$0]) }
}

private func checkMark(_ view: PacketView, _ packet: [UInt8]) throws(Violation) {
  var marked = packet
  let verdict = unsafe marked.withUnsafeMutableBytes { unsafe markCongestion($0) }
  let expected: CongestionMark = view.ecn == 0 ? .notCapable : view.ecn == 3 ? .alreadyMarked : .marked
  try demand(verdict == expected, "\(verdict) for ECN \(view.ecn)")
  if verdict != .marked { return try demand(marked == packet, "not marked, but changed") }
  let again = try reread(marked)
  try demand(again.ecn == 3 && again.dscp == view.dscp && again.tuple == view.tuple, "\(view) became \(again)")
}

private func checkError(_ error: ICMPError, _ view: PacketView, _ packet: [UInt8]) throws(Violation) {
  let us = view.family == .ipv4 ? IPAddress(ipv4: 0x0a00_0001) : IPAddress(.ipv6, high: 0xfd00 << 48, low: 1)
  guard let answer = written(error, packet, view, us) else { return }
  let again = try reread(answer)
  try demand(again.isWhole && again.tuple.destination == view.tuple.source, "\(error) about \(view) is \(again)")
  try demand(written(error, answer, again, us) == nil, "an error about an error: \(answer)")
}

private func written(_ error: ICMPError, _ packet: [UInt8], _ view: PacketView, _ us: IPAddress) -> [UInt8]? {
  var out = [UInt8](repeating: 0, count: ICMPError.mostLength)
  let length = unsafe packet.withUnsafeBytes { packet in
    unsafe out.withUnsafeMutableBytes { unsafe error.write(about: packet, view, from: us, into: $0) }
  }
  return length.map { Array(out[..<$0]) }
}

/// Joins from each packet on that did not join the one before; what was joined and is cut again, is what it was.
private func checkBundle(_ row: [Entry], _ segmentSize: Int, _ needsChecksum: Bool) throws(Violation) {
  var memory = row.flatMap(\.packet)
  var index = 0
  var offset = 0
  while index < row.count {
    let (count, written) = unsafe memory.withUnsafeMutableBytes { memory -> (Int, [UInt8]) in
      guard var place = memory.baseAddress else { return (0, []) }
      unsafe place += offset
      guard var bundle = unsafe Bundle(place, row[index].view, segmentSize: segmentSize, needsChecksum: needsChecksum)
      else { return (1, []) }
      var payloads: [UInt8] = []
      for (previous, next) in zip(row[index...], row[(index + 1)...]) {
        unsafe place += previous.packet.count
        guard unsafe bundle.append(place, next.view) else { break }
        payloads += next.packet[bundle.headerLength...]
      }
      let offload = bundle.finish()
      let first = unsafe Array(memory[offset..<(offset + row[index].packet.count)])
      return (bundle.count, bundle.count > 1 && offload.segmentKind == OffloadHeader.udp ? first + payloads : [])
    }
    if count > 1 { try checkJoined(row[index..<(index + count)], written, needsChecksum) }
    offset += row[index..<(index + count)].reduce(0) { $0 + $1.packet.count }
    index += count
  }
}

private func checkJoined(_ packets: ArraySlice<Entry>, _ written: [UInt8], _ wasPartial: Bool) throws(Violation) {
  guard let first = packets.first else { return }
  let view = try reread(written)
  let size = first.view.payloadLength
  try demand(view.isWhole && view.isSuperPacket(segmentSize: size) && packets.count <= 64, "\(view)")
  try demand(SuperPacket.pieces(of: view, segmentSize: size) == packets.count, "\(packets.count) became another number")
  for (number, packet) in packets.enumerated() {
    guard let piece = finished(number, written, view, size, true) else { throw Violation("no piece \(number)") }
    // The kernel finishes what was partial, so there the checksum is another.
    let start = wasPartial ? view.headerLength : view.transportOffset
    try demand(
      piece[start...].elementsEqual(packet.packet[start...]), "piece \(number) is \(piece), not \(packet.packet)")
  }
}
