//  RelayTarget.swift — a relay with four clients who say what they like, and strangers around it.
//
//  The input is a list of acts, each a byte that says what and a byte for the rest:
//
//      0  text      the next bytes, as many as `rest` & 127, as the control text of a client
//      1  front     the same number of bytes as a read of the front port, from some address
//      2  back      the same from a bound destination, or nearly
//      3  bind      a wish that is granted as a rule
//      4  time      `rest` × 100 ms go by
//      5  client    one is dismissed, or comes back
//
//  Whatever comes: nothing traps, what goes to a destination can come back to who sent it, every datagram is counted
//  once, every binding is told of when it ends, and in the end a client gets a new one.

import Primitives
import Relay
import Wire

func checkRelay(_ bytes: [UInt8]) throws(Violation) {
  var limits = Relay.Limits(clients: 4)
  limits.bindings = 12
  limits.backSockets = 3
  var terms = RelayClientTerms()
  terms.bindings = 5
  var relay = Relay(limits, destinations: RelayDestinations(), secret: (1, 2))
  for client in 0..<4 { relay.setTerms(terms, of: client) }
  var now = Instant(nanoseconds: 1_000_000_000)
  var acts = bytes[...]
  var datagrams: UInt64 = 0
  var nonces: UInt64 = 0
  while let act = acts.popFirst(), let rest = acts.popFirst() {
    let client = Int(rest >> 5 & 3)
    let endpoint = Endpoint(IPAddress(ipv4: 0xc633_6401), port: 1_000 + UInt16(rest & 7))
    let hub = Endpoint(IPAddress(ipv4: 0xcb00_7101), port: 1 + UInt16(rest >> 3 & 3))
    switch act % 6 {
    case 0, 1, 2:
      let content = Array(acts.prefix(Int(rest & 127)))
      acts = acts.dropFirst(content.count)
      if act % 6 == 0 {
        hear(content, &relay, client, endpoint, &nonces, at: now)
      } else {
        let socket = act % 6 == 1 ? RelaySocket.front : .back(UInt16(rest & 3))
        try push(content, &relay, act % 6 == 1 ? endpoint : hub, socket, &datagrams, at: now)
      }
    case 3:
      nonces += 1
      let wish = RelayBind(number: UInt32(rest & 3), destination: hub, lease: UInt16(rest))
      _ = relay.bind(wish, client: client, from: endpoint, nonce: RelayNonce(low: nonces, high: 0), at: now)
    case 4:
      now += .milliseconds(Int64(rest) * 100)
      relay.expire(at: now)
    default: relay.setTerms(rest & 1 == 0 ? terms : nil, of: client)
    }
    if act & 0x80 != 0 { try drain(&relay) }
    relay.audit()
  }
  try drain(&relay)
  let seen = relay.counters
  let traffic = [seen.toDestinations, seen.toClients, seen.strangers, seen.unasked, seen.overRate, seen.overDay]
  let counted = traffic.reduce(0) { $0 + $1.datagrams } + seen.questionsAnswered + seen.strayQuestions + seen.relayed
  try demand(counted == datagrams, "\(datagrams) datagrams, and \(counted) counted")
  let ended = seen.lapsed + seen.unbound + seen.replaced + seen.relayed + seen.dismissed
  try demand(seen.granted == ended + UInt64(relay.count), "\(seen.granted) granted, \(ended) ended")

  now += .seconds(700)
  relay.expire(at: now)
  try drain(&relay)
  relay.setTerms(terms, of: 0)
  let last = RelayBind(number: 9, destination: Endpoint(IPAddress(ipv4: 0xcb00_7101), port: 1))
  let home = Endpoint(IPAddress(ipv4: 0xc633_6401), port: 1)
  let answer = relay.bind(last, client: 0, from: home, nonce: RelayNonce(low: 0, high: 1), at: now)
  try demand(relay.count == 1 && answer == .granted(Relay.lease), "nobody gets a binding any more: \(answer)")
}

private func hear(
  _ text: [UInt8], _ relay: inout Relay, _ client: Int, _ endpoint: Endpoint, _ nonces: inout UInt64, at now: Instant
) {
  var wishes: [RelayMessage] = []
  unsafe text.withUnsafeBytes { text in
    var reader = unsafe ControlReader(text)
    while let message = reader.next() {
      if case .relay(let message) = message { wishes.append(message) }
    }
  }
  for wish in wishes {
    nonces += 1
    switch wish {
    case .bind(let wish):
      _ = relay.bind(wish, client: client, from: endpoint, nonce: RelayNonce(low: nonces, high: 0), at: now)
    case .unbind(let wish): relay.unbind(wish, client: client)
    case .granted, .refused: break
    }
  }
}

/// Pieces of 44 bytes, or of 20 when there are no more.
private func push(
  _ read: [UInt8], _ relay: inout Relay, _ source: Endpoint, _ socket: RelaySocket, _ datagrams: inout UInt64,
  at now: Instant
) throws(Violation) {
  let pieceLength = read.count < DataHeader.overhead ? RelayQuestion.length : DataHeader.overhead
  let found = unsafe read.withUnsafeBytes { read in
    var runs = unsafe DatagramRuns(read, pieceLength: pieceLength, on: socket)
    var all: [DatagramRuns.Run] = []
    while let run = runs.next(isSession: { $0 == 1 }) { all.append(run) }
    return all
  }
  var end = 0
  for run in found {
    try demand(run.range.lowerBound == end && !run.range.isEmpty, "\(run) does not follow what ends at \(end)")
    end = run.range.upperBound
    datagrams += UInt64(run.datagrams)
    if case .question(let question) = run.kind {
      let decision = relay.receive(question, from: source, on: socket, at: now)
      if case .send(let way, let endpoint) = decision {
        try demand(way == socket && endpoint == source && socket != .front, "\(decision) is no answer")
      }
      continue
    }
    let bytes = run.range.count
    let decision = relay.forward(from: source, on: socket, datagrams: run.datagrams, bytes: bytes, at: now)
    guard case .send(let way, let endpoint) = decision else { continue }
    let back = relay.forward(from: endpoint, on: way, datagrams: 0, bytes: 0, at: now)
    try demand(back == .send(socket, source), "\(decision) and back is \(back)")
  }
  try demand(end == read.count, "\(read.count - end) bytes are in no run")
}

private func drain(_ relay: inout Relay) throws(Violation) {
  while let (_, question) = relay.nextQuestion() { try demand(!question.isAnswer, "an answer is asked") }
  while let removal = relay.nextRemoved() {
    try demand((0..<4).contains(removal.binding.client), "\(removal) is of nobody")
  }
}
