import Foundation
import Primitives
import Testing
import Wire

/// The examples of the document are written by the code, and read by it, as they stand there.
@Suite struct `The wire format's document` {
  @Test func `has an example of everything, and of nothing that the code does not know`() throws {
    #expect(
      try WireExample.all().map(\.name) == [
        "clear-header", "location", "mask", "resume-record", "protected-member", "parity", "member-image",
        "parity-coefficients", "control-message", "report", "plan", "give-up", "terms", "size-question",
        "size-answer", "sighting", "sighting-ipv6", "relay-bind", "relay-bind-ipv6", "relay-unbind", "relay-granted",
        "relay-refused",
        "relay-question", "relay-answer", "initiation", "response", "cookie-reply", "initiation-payload",
        "response-payload",
      ])
  }

  @Test func `shows a data datagram's clear header`() throws {
    let example = try WireExample.named("clear-header")
    let header = try ClearHeader(
      path: example.number("path"), receiver: example.number("receiver"), counter: example.number("counter"))
    #expect(try written(12) { header.write(to: $0) } == example.bytes())
    let datagram = try example.bytes() + Array(repeating: 0, count: 32)
    #expect(datagram.withUnsafeBytes { ClearHeader($0) } == header)
  }

  @Test func `shows a location, in the clear and masked`() throws {
    let example = try WireExample.named("location")
    let location = try Location(
      lane: example.number("lane"), flags: Location.Flags(rawValue: example.number("flags")),
      segment: example.number("segment"), length: example.number("length"), offset: example.number("offset"),
      segmentSize: example.number("segmentSize"))
    #expect(location.flags == [.needsChecksum, .begins])
    #expect(try written(16) { location.write(to: $0) } == example.bytes())
    #expect(try read(example.bytes()) { Location($0) } == location)

    let masked = try WireExample.named("mask")
    #expect(try masked.bytes("location") == example.bytes())
    var bytes = try masked.bytes("location")
    let mask = try masked.bytes("mask")
    bytes.withUnsafeMutableBytes { bytes in
      mask.withUnsafeBytes { Location.toggle(bytes.baseAddress!, mask: $0.baseAddress!) }
    }
    #expect(try bytes == masked.bytes())
  }

  @Test func `shows a resume record`() throws {
    let example = try WireExample.named("resume-record")
    let record = try ResumeRecord(
      packetOffset: example.number("packetOffset"), headerLength: example.number("headerLength"))
    #expect(try written(4) { record.write(to: $0) } == example.bytes())
    let text = try example.bytes() + Array(repeating: 0x45, count: record.headerLength)
    #expect(text.withUnsafeBytes { ResumeRecord($0) } == record)
  }

  @Test func `shows a protected member, a piece of parity, and what it is the sum of`() throws {
    let member = try WireExample.named("protected-member")
    let protected = try ParityHeader(group: member.number("group"), piece: .member(member.number("member")))
    let parity = try WireExample.named("parity")
    let sum = try ParityHeader(
      group: parity.number("group"),
      piece: .parity(parity.number("row"), members: parity.number("members"), of: parity.number("rows")))
    for (example, header) in [(member, protected), (parity, sum)] {
      #expect(try header.extra == example.number("extra"))
      #expect(try written(4) { header.write(to: $0) } == example.bytes())
      #expect(try example.bytes().withUnsafeBytes { ParityHeader(extra: header.extra, $0) } == header)
    }

    let example = try WireExample.named("member-image")
    let image = try MemberImage(
      location: Location(
        lane: example.number("lane"), flags: Location.Flags(rawValue: example.number("flags")),
        segment: example.number("segment"), length: example.number("length"), offset: example.number("offset"),
        segmentSize: example.number("segmentSize")), length: example.number("textLength"))
    #expect(try written(16) { image.write(to: $0) } == example.bytes())
    #expect(try read(example.bytes()) { MemberImage($0, lane: image.location.lane) } == image)
  }

  /// By the formula beside it: (16 ⊕ j) ÷ ((16 + i) ⊕ j).
  @Test func `shows the coefficients of parity`() throws {
    let example = try WireExample.named("parity-coefficients")
    for row in 0..<4 {
      let coefficients = try example.bytes("row\(row)")
      #expect(coefficients.count == ParityHeader.mostMembers)
      for (member, coefficient) in coefficients.enumerated() {
        #expect(product(coefficient, UInt8((16 + row) ^ member)) == UInt8(16 ^ member), "row \(row), member \(member)")
      }
    }
    /// Multiplication of polynomials modulo x⁸ + x⁴ + x³ + x² + 1.
    func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
      var sum: UInt8 = 0
      for bit in (0..<8).reversed() {
        sum = sum << 1 ^ (sum >> 7) &* 0x1d
        if b >> UInt8(bit) & 1 != 0 { sum ^= a }
      }
      return sum
    }
  }

  @Test func `shows a control message`() throws {
    let example = try WireExample.named("control-message")
    let kind = try #require(try ControlMessage.Kind(rawValue: example.number("kind")))
    let message = try ControlMessage(kind, mark: example.number("mark"))
    #expect(try written(16) { message.write(to: $0) } == example.bytes())
    #expect(try example.bytes().withUnsafeBytes { ControlMessage($0) } == message)
  }

  @Test func `shows a report with two missing runs`() throws {
    let example = try WireExample.named("report")
    var report = try PathReport(
      path: example.number("path"), newest: example.number("newest"), span: example.number("span"),
      arrival: example.number("arrival"), hold: example.number("hold"), bytes: example.number("bytes"),
      marked: example.number("marked"), reordered: example.number("reordered"))
    for run in try example.pairs("runs") { #expect(report.append(.init(back: run.0, count: run.1)) == true) }
    #expect(report.isConsistent && report.missingRuns == 2)
    var writer = TextRoom(report.length)
    #expect(writer.write { $0.append(report) } == (try example.bytes("text")))
    #expect(try messages(example.bytes("text")) == [.report(report)])
  }

  @Test func `shows terms`() throws {
    let told = try WireExample.named("terms")
    let terms = try PathTerms(
      path: told.number("path"), tier: told.number("tier"), price: told.number("price"), limit: told.number("limit"))
    var writer = TextRoom(PathTerms.length)
    #expect(writer.write { $0.append(terms) } == (try told.bytes()))
    #expect(try messages(told.bytes()) == [.terms(terms)])
  }

  @Test func `shows a plan and a giving up`() throws {
    let planned = try WireExample.named("plan")
    let plan = try SendingPlan(
      patience: planned.number("patience"), paths: planned.number("paths"), repairs: planned.number("repairs") == 1)
    var writer = TextRoom(SendingPlan.length)
    #expect(writer.write { $0.append(plan) } == (try planned.bytes()))
    #expect(try messages(planned.bytes()) == [.plan(plan)])

    let given = try WireExample.named("give-up")
    let giving = try GivingUp(lane: given.number("lane"), segment: given.number("segment"))
    writer = TextRoom(GivingUp.length)
    #expect(writer.write { $0.append(giving) } == (try given.bytes()))
    #expect(try messages(given.bytes()) == [.giveUp(giving)])
  }

  @Test func `shows a question for a size, and its answer`() throws {
    let asked = try WireExample.named("size-question")
    let question = try SizeMessage.question(asked.number("size"), mark: asked.number("mark"))
    var writer = TextRoom(Int(question.size))
    #expect(writer.write { $0.append(question) } == (try asked.bytes()))
    #expect(try messages(asked.bytes()) == [.size(question)])

    let answered = try WireExample.named("size-answer")
    let answer = try SizeMessage(isAnswer: true, size: answered.number("size"), mark: answered.number("mark"))
    #expect(answer == question.answer)
    writer = TextRoom(SizeMessage.length)
    #expect(writer.write { $0.append(answer) } == (try answered.bytes()))
    #expect(try messages(answered.bytes()) == [.size(answer)])
  }

  @Test(arguments: ["sighting", "sighting-ipv6"]) func `shows where somebody is heard`(name: String) throws {
    let example = try WireExample.named(name)
    let sighting = try Sighting(#require(Endpoint(example.text("endpoint"))))
    var writer = TextRoom(Sighting.length)
    #expect(writer.write { $0.append(sighting) } == (try example.bytes()))
    #expect(try messages(example.bytes()) == [.sighting(sighting)])
  }

  @Test func `shows what a gateway asks of a relay, and what it hears`() throws {
    func expect(_ name: String, _ read: (WireExample) throws -> RelayMessage) throws {
      let example = try WireExample.named(name)
      let message = try read(example)
      var writer = TextRoom(message.length)
      #expect(writer.write { $0.append(message) } == (try example.bytes()))
      #expect(try messages(example.bytes()) == [.relay(message)])
    }
    for name in ["relay-bind", "relay-bind-ipv6"] {
      try expect(name) { example in
        let destination = try #require(Endpoint(example.text("destination")))
        return try .bind(
          RelayBind(number: example.number("number"), destination: destination, lease: example.number("lease")))
      }
    }
    try expect("relay-unbind") { try .unbind(RelayUnbind(number: $0.number("number"))) }
    try expect("relay-granted") { try .granted(RelayGranted(number: $0.number("number"), lease: $0.number("lease"))) }
    try expect("relay-refused") { example in
      let reason = try #require(RelayRefused.Reason(rawValue: example.number("reason")))
      return try .refused(RelayRefused(number: example.number("number"), reason: reason))
    }
  }

  @Test func `shows a relay's question and its answer`() throws {
    for name in ["relay-question", "relay-answer"] {
      let example = try WireExample.named(name)
      let question = try #require(try example.bytes().withUnsafeBytes { RelayQuestion($0) })
      #expect(try question.isAnswer == (example.number("answer") == 1))
      let nonce = try example.bytes("nonce")
      #expect(try example.bytes()[4...].elementsEqual(nonce))
      #expect(try written(RelayQuestion.length) { question.write(to: $0) } == example.bytes())
      #expect(question.answer.isAnswer && question.answer.nonce == question.nonce)
    }
  }

  @Test func `shows the heads of the three handshake messages`() throws {
    let question = try WireExample.named("initiation")
    let answer = try WireExample.named("response")
    let cookie = try WireExample.named("cookie-reply")
    for (example, header) in try [
      (question, HandshakeHeader.initiation(sender: question.number("sender"))),
      (answer, .response(sender: answer.number("sender"), receiver: answer.number("receiver"))),
      (cookie, .cookieReply(receiver: cookie.number("receiver"))),
    ] {
      let bytes = try example.bytes()
      #expect(written(bytes.count) { header.write(to: $0) } == bytes)
      let message = bytes + Array(repeating: 0xee, count: header.length - bytes.count)
      #expect(message.withUnsafeBytes { HandshakeHeader($0) } == header)
    }
  }

  @Test func `shows both payloads`() throws {
    let question = try WireExample.named("initiation-payload")
    let asked = try InitiationPayload(
      incarnation: question.number("incarnation"),
      time: WallTime(seconds: question.number("seconds"), nanoseconds: question.number("nanoseconds")),
      suites: question.number("suites"), favourite: question.number("favourite"))
    #expect(try written(32) { asked.write(to: $0) } == question.bytes())
    #expect(try question.bytes().withUnsafeBytes { InitiationPayload($0) } == asked)

    let answer = try WireExample.named("response-payload")
    let answered = try ResponsePayload(incarnation: answer.number("incarnation"), suite: answer.number("suite"))
    #expect(try written(16) { answered.write(to: $0) } == answer.bytes())
    #expect(try answer.bytes().withUnsafeBytes { ResponsePayload($0) } == answered)
  }

  @Test func `tells the sizes that the code has`() throws {
    let text = try String(contentsOf: WireExample.document, encoding: .utf8)
    for (kind, length) in [("1 | ping", ControlMessage.length), ("4 | plan", SendingPlan.length)] {
      #expect(text.contains("| \(kind) | \(length) |"))
    }
    #expect(text.contains("| 5 | give up | \(GivingUp.length) |"))
    #expect(text.contains("| 8 | size answer | \(SizeMessage.length) |"))
    #expect(
      text.contains("| 3 | report | \(PathReport.fixedLength), and \(PathReport.runLength) for each missing run |"))
    for (byte, length) in [("11", Initiation.length), ("12", Response.length), ("13", CookieReply.length)] {
      #expect(text.contains("| `\(byte)` |") && text.contains("| \(length) |"), "\(byte) has \(length) bytes")
    }
    for (kind, length) in [
      ("9 | bind", RelayBind.length), ("10 | unbind", RelayUnbind.length), ("11 | granted", RelayGranted.length),
      ("12 | refused", RelayRefused.length), ("13 | sighting", Sighting.length),
    ] {
      #expect(text.contains("| \(kind) | \(length) |"))
    }
    #expect(text.contains("between us?\" | \(RelayQuestion.length) |"))
    #expect(DataHeader.overhead == 44)
    #expect(ParityHeader.length == 4 && MemberImage.overhead == 20)
    #expect(text.contains("**4 bytes** more in each member") && text.contains("20 bytes less text"))
    #expect(text.contains("**44 bytes**"))
    #expect(MessageKind.version == 1 && text.hasPrefix("# The wire format, version 1\n"))
  }

  private func written(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
    // One byte more, to see that it stays.
    var bytes = [UInt8](repeating: 0xa5, count: count + 1)
    bytes.withUnsafeMutableBytes { write($0.baseAddress!) }
    #expect(bytes[count] == 0xa5, "a byte too much was written")
    return Array(bytes.dropLast())
  }

  private func read<Value>(_ bytes: [UInt8], _ read: (UnsafeRawPointer) -> Value) -> Value {
    bytes.withUnsafeBytes { read($0.baseAddress!) }
  }
}
