//  ParityTarget.swift — the pieces of protected groups, from a sender who is honest and from one who is not.
//
//  The first byte chooses. Even: pieces one after the other, as they would be behind the seal,
//
//      │ extra │ wait, ms │ length (2) │ group │ shape │ text …          what is missing of the text is zeros
//
//  and the decoder gives each a verdict, keeps to its bounds and is empty in the end. Odd: one group of an honest
//  sender,
//
//      │ members │ parity │ which pieces arrive (3) │ turn │ lengths, a byte for each member …
//
//  and k pieces give everything exactly as it was, fewer nothing.

import Parity
import Primitives
import Redundancy
import Wire

func checkParity(_ bytes: [UInt8]) throws(Violation) {
  guard let first = bytes.first else { return }
  if first & 1 == 0 {
    try checkHostilePieces(bytes[1...], groups: 1 << Int(first >> 1 & 7))
  } else if bytes.count >= 7 {
    try checkHonestGroup(bytes[1...])
  }
}

private let mostText = 400

private func checkHostilePieces(_ bytes: ArraySlice<UInt8>, groups: Int) throws(Violation) {
  var limits = ParityDecoder.Limits(mostText: mostText)
  limits.groups = groups
  limits.bytes = 12_000
  var decoder = unsafe ParityDecoder(code: ReedSolomon.code, limits: limits)
  var now = Instant.zero
  var rest = bytes
  var pieces: UInt64 = 0
  var rebuilt: UInt64 = 0
  while rest.count >= 8, pieces < 300 {
    let head = Array(rest.prefix(8))
    let length = (Int(head[2]) | Int(head[3]) << 8) & 511
    let content = rest.dropFirst(8).prefix(length)
    rest = rest.dropFirst(8 + content.count)
    let text = Array(head[4...]) + content + Array(repeating: 0, count: length - content.count)
    now += .milliseconds(Int64(head[1]))
    if let deadline = decoder.deadline, deadline <= now { decoder.expire(at: now) }
    guard let header = unsafe text.withUnsafeBytes({ unsafe ParityHeader(extra: head[0], $0) }) else { continue }
    let location = Location(
      lane: 5, flags: .begins, segment: UInt32(head[1]), length: UInt32(length), offset: 0, segmentSize: 0)
    let verdict = unsafe text.withUnsafeBytes {
      unsafe decoder.receive(
        header, location, UnsafeRawBufferPointer(rebasing: $0[ParityHeader.length...]), at: now)
    }
    pieces += 1
    while let one = unsafe decoder.nextRebuilt() {
      rebuilt += 1
      unsafe try demand(one.text.count <= mostText && one.location.lane == 5, "rebuilt beyond the bounds")
      try demand(verdict == .kept, "a piece that was \(verdict) gave a datagram")
    }
  }
  let counters = decoder.counters
  let judged =
    counters.kept + counters.duplicate + counters.needless + counters.late + counters.contradiction
    + counters.wrongLength + counters.crowded
  try demand(judged == pieces, "\(pieces) pieces, \(judged) verdicts")
  try demand(counters.rebuilt == rebuilt, "\(counters.rebuilt) were rebuilt, \(rebuilt) came out")
  decoder.expire(at: now + limits.lifetime)
  try demand(decoder.deadline == nil, "something is open for ever")
}

private struct Piece {
  var header: ParityHeader
  var location: Location
  var text: [UInt8]
}

private func checkHonestGroup(_ bytes: ArraySlice<UInt8>) throws(Violation) {
  let head = Array(bytes.prefix(6))
  let members = Int(head[0] & 15) + 1
  let parity = Int(head[1] & 3) + 1
  let arriving = Int(head[2]) | Int(head[3]) << 8 | Int(head[4]) << 16
  let lengths = bytes.dropFirst(6)
  let pieces = honestGroup(members, parity, Array(lengths))
  try demand(pieces.count == members + parity, "\(members) + \(parity) gave \(pieces.count) pieces")

  var decoder = unsafe ParityDecoder(code: ReedSolomon.code, limits: .init(mostText: mostText))
  var delivered = [Int](repeating: 0, count: members)
  var arrived = 0
  for step in pieces.indices {
    let index = (step + Int(head[5])) % pieces.count
    if arriving >> index & 1 == 0 { continue }
    arrived += 1
    let piece = pieces[index]
    let verdict = unsafe piece.text.withUnsafeBytes {
      unsafe decoder.receive(piece.header, piece.location, $0, at: .zero)
    }
    if index < members && verdict == .kept { delivered[index] += 1 }
    while let one = unsafe decoder.nextRebuilt() {
      let location = unsafe one.location
      let text = unsafe Array(one.text)
      let number = Int(location.segment)
      guard number < members, pieces[number].location == location, pieces[number].text == text else {
        throw Violation("\(location) with \(text) was never sent")
      }
      delivered[number] += 1
    }
  }
  if arrived >= members {
    try demand(delivered.allSatisfy { $0 == 1 }, "\(arrived) of \(members) + \(parity) gave \(delivered)")
  } else {
    try demand(decoder.counters.rebuilt == 0, "\(arrived) of \(members) + \(parity) gave something")
  }
}

private func honestGroup(_ members: Int, _ parity: Int, _ lengths: [UInt8]) -> [Piece] {
  var encoder = unsafe ParityEncoder(code: ReedSolomon.code, mostText: mostText, openFor: .seconds(1))
  encoder.setShape(members: members, parity: parity)
  var pieces: [Piece] = []
  for number in 0..<members {
    let length = number < lengths.count ? Int(lengths[number]) * 3 / 2 : number
    let text = (0..<length).map { UInt8(truncatingIfNeeded: ($0 &+ 1) &* (number &* 2 &+ 7)) }
    let location = Location(
      lane: 5, flags: .begins, segment: UInt32(number), length: UInt32(length), offset: 0, segmentSize: 0)
    let header = unsafe text.withUnsafeBytes { unsafe encoder.protect(location, $0, at: .zero) }
    if let header { pieces.append(Piece(header: header, location: location, text: text)) }
  }
  while let piece = unsafe encoder.nextParity() {
    let header = unsafe piece.header
    let text = unsafe Array(piece.text.dropFirst(ParityHeader.length))
    let location = Location(lane: 5, segment: 0, length: 0, offset: 0, segmentSize: 0)
    pieces.append(Piece(header: header, location: location, text: text))
  }
  return pieces
}
