import Primitives
import Testing
import Wire

@Suite struct `A control text` {
  @Test(arguments: 0..<200) func `has all its messages, in order, as they were written`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var room = TextRoom(2_000)
    var written: [ControlReader.Message] = []
    let bytes = room.write { writer in
      for _ in 0..<random.below(12) { written.append(writer.appendAny(&random)) }
    }
    #expect(messages(bytes) == written, "seed \(seed)")
  }

  @Test(arguments: 0..<100) func `that ends too early has all messages before its end, and is broken`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var room = TextRoom(1_000)
    var written: [ControlReader.Message] = []
    var ends = [0]
    let bytes = room.write { writer in
      for _ in 0..<5 {
        written.append(writer.appendAny(&random))
        ends.append(writer.written)
      }
    }
    for length in 0...bytes.count {
      let whole = ends.count { $0 > 0 && $0 <= length }
      bytes[..<length].withUnsafeBytes { bytes in
        var reader = ControlReader(bytes)
        var read: [ControlReader.Message] = []
        while let message = reader.next() { read.append(message) }
        #expect(read == Array(written[..<whole]), "seed \(seed), \(length) bytes")
        #expect(reader.isBroken == !ends.contains(length), "seed \(seed), \(length) bytes")
      }
    }
  }

  @Test func `ends at a kind that nobody knows`() {
    var random = SeededRandom(seed: 1)
    var room = TextRoom(200)
    let known = room.write { _ = $0.appendAny(&random) }
    for kind in [0, 14, 0x80, 0xff] as [UInt8] {
      let bytes = known + [kind] + [UInt8](repeating: 0, count: 40)
      #expect(messages(bytes).count == 1)
      bytes.withUnsafeBytes { bytes in
        var reader = ControlReader(bytes)
        while reader.next() != nil {}
        #expect(reader.isBroken)
      }
    }
  }

  @Test func `ends at a report of 17 runs, though its bytes are there`() throws {
    var room = TextRoom(PathReport.mostLength)
    var bytes = room.write { writer in
      var report = PathReport(
        path: 1, newest: 1_000, span: 1_000, arrival: 0, hold: 0, bytes: 0, marked: 0, reordered: 0)
      for run: UInt16 in 0..<16 { #expect(report.append(.init(back: 2 + run * 2, count: 1)) == true) }
      #expect(report.append(.init(back: 50, count: 1)) == false, "there is no room for one more")
      #expect(report.isConsistent && report.length == 96)
      #expect(writer.append(report) == true)
    }
    #expect(messages(bytes).count == 1)
    bytes += [0, 0, 0, 0]
    bytes[2] = 17
    #expect(messages(bytes) == [])
  }

  @Test(arguments: [60, 61, 548, 1_472, 65_507] as [UInt16])
  func `that asks for a size is as long as that, and any other length of it is no question`(size: UInt16) {
    let question = SizeMessage.question(size, mark: 7)
    var room = TextRoom(70_000)
    let bytes = room.write { #expect($0.append(question) == true) }
    #expect(bytes.count == Int(size) - DataHeader.overhead)
    #expect(messages(bytes) == [.size(question)])
    #expect(bytes[16...].allSatisfy { $0 == 0 })
    #expect(messages(bytes + [0]) == [] && messages(bytes.dropLast()) == [])
    // What is in the padding is nobody's business.
    if bytes.count > 16 { #expect(messages(bytes.dropLast() + [0xff]) == [.size(question)]) }
  }

  @Test func `may ask for a size behind other messages, and for none that is too short for them`() {
    var room = TextRoom(200)
    let question = SizeMessage.question(100, mark: 7)
    let bytes = room.write { writer in
      #expect(writer.append(ControlMessage(.pong, mark: 1)) == true)
      #expect(writer.append(SizeMessage.question(75, mark: 8)) == false, "15 bytes are left for it")
      #expect(writer.append(question) == true)
      #expect(writer.append(SizeMessage.question(100, mark: 8)) == false)
    }
    #expect(bytes.count == 56)
    #expect(messages(bytes) == [.probe(ControlMessage(.pong, mark: 1)), .size(question)])
  }

  @Test func `takes no message that there is no room for, and no half of one`() {
    var random = SeededRandom(seed: 3)
    for size in 0..<150 {
      var room = TextRoom(size)
      var fitted = 0
      let bytes = room.write { writer in
        while true {
          let before = writer.written
          if random.below(2) == 0 {
            guard writer.append(GivingUp(lane: 1, segment: 2)) else { break }
          } else {
            guard writer.append(SendingPlan(patience: 1, paths: 2, repairs: true)) else { break }
          }
          fitted += 1
          #expect(writer.written > before)
        }
      }
      #expect(messages(bytes).count == fitted && bytes.count <= size && size - bytes.count < 16)
    }
  }

  @Test func `has 32 bytes for a path without loss, 16 for a ping`() {
    #expect(PathReport.fixedLength == 32 && ControlMessage.length == 16)
    var room = TextRoom(100)
    let ping = room.write { $0.append(ControlMessage(.ping, mark: 1)) }
    #expect(ping.count == 16)
  }
}

@Suite struct `A report's numbers` {
  static let plain = PathReport(
    path: 0, newest: 100, span: 50, arrival: 0, hold: 0, bytes: 0, marked: 0, reordered: 0)

  private func report(span: UInt16 = 50, newest: UInt64 = 100, _ runs: [(UInt16, UInt16)]) -> PathReport {
    var report = Self.plain
    report.span = span
    report.newest = newest
    for run in runs { #expect(report.append(.init(back: run.0, count: run.1)) == true) }
    return report
  }

  @Test func `can be true together`() {
    for runs in [[], [(1, 1)], [(1, 49)], [(1, 1), (3, 1)], [(10, 40)]] as [[(UInt16, UInt16)]] {
      #expect(report(runs).isConsistent, "\(runs)")
    }
    #expect(report(span: 101, []).isConsistent && report(span: .max, newest: 1 << 40, []).isConsistent)
  }

  @Test func `or not: a missing newest, an empty run, one beyond the span, two that touch, a span before zero`() {
    for runs in [
      [(0, 1)], [(5, 0)], [(1, 50)], [(50, 1)], [(1, 2), (3, 1)], [(9, 1), (3, 1)], [(9, 1), (9, 1)],
      [(65_535, 65_535)],
    ] as [[(UInt16, UInt16)]] {
      #expect(!report(runs).isConsistent, "\(runs)")
    }
    #expect(!report(span: 0, []).isConsistent && !report(span: 102, []).isConsistent)
  }
}

@Suite struct `A relay's message` {
  @Test(arguments: [0, 1, 2, 5, 10, 0xff] as [UInt8])
  func `with a family that nobody knows is none, and ends the text`(family: UInt8) {
    let destination = Endpoint(IPAddress(ipv4: 0xc000_0201), port: 51_820)
    var room = TextRoom(100)
    var bytes = room.write { writer in
      #expect(writer.append(.bind(RelayBind(number: 1, destination: destination))) == true)
      #expect(writer.append(.unbind(RelayUnbind(number: 2))) == true)
    }
    #expect(messages(bytes).count == 2)
    bytes[1] = family
    #expect(messages(bytes) == [])
  }

  @Test func `with a reason that nobody knows is a refusal without one`() {
    var room = TextRoom(100)
    var bytes = room.write { $0.append(.refused(RelayRefused(number: 9, reason: .full))) }
    for unknown in [6, 0x80, 0xff] as [UInt8] {
      bytes[1] = unknown
      #expect(messages(bytes) == [.relay(.refused(RelayRefused(number: 9, reason: .unspecified)))])
    }
  }

  @Test func `says nothing in the bytes behind an IPv4 address`() {
    let bind = RelayBind(number: 1, destination: Endpoint(IPAddress(ipv4: 0xc000_0201), port: 1), lease: 30)
    var room = TextRoom(100)
    var bytes = room.write { $0.append(.bind(bind)) }
    #expect(bytes[12..<24].allSatisfy { $0 == 0 })
    for place in 12..<24 { bytes[place] = 0xff }
    #expect(messages(bytes) == [.relay(.bind(bind))])
  }
}

@Suite struct `A sighting` {
  private func bytes(_ address: IPAddress, port: UInt16 = 51_820) -> [UInt8] {
    var room = TextRoom(Sighting.length)
    return room.write { #expect($0.append(Sighting(Endpoint(address, port: port, scope: 7))) == true) }
  }

  @Test(arguments: ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fe80::1", "::1"])
  func `comes across, but for the scope of its address`(text: String) throws {
    let address = try #require(IPAddress(text))
    #expect(messages(bytes(address)) == [.sighting(Sighting(Endpoint(address, port: 51_820)))])
  }

  @Test(arguments: ["0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1"])
  func `of an address that nobody sends from is none, and ends the text`(text: String) throws {
    #expect(messages(bytes(try #require(IPAddress(text)))) == [])
  }

  @Test func `with the port zero or a family that nobody knows is none, and says nothing behind an IPv4 address`() {
    let address = IPAddress(ipv4: 0xc000_0201)
    #expect(messages(bytes(address, port: 0)) == [])
    var text = bytes(address)
    for place in 12..<24 { text[place] = 0xff }
    #expect(messages(text) == [.sighting(Sighting(Endpoint(address, port: 51_820)))])
    for family in [0, 1, 5, 7, 0xff] as [UInt8] {
      text[1] = family
      #expect(messages(text) == [])
    }
  }
}

/// Memory for a text, with a byte behind it that must stay.
struct TextRoom {
  private var bytes: [UInt8]

  init(_ count: Int) { bytes = Array(repeating: 0xa5, count: count + 1) }

  mutating func write<Result>(_ body: (inout ControlWriter) -> Result) -> [UInt8] {
    let written = bytes.withUnsafeMutableBytes { bytes in
      var writer = ControlWriter(UnsafeMutableRawBufferPointer(rebasing: bytes.dropLast()))
      _ = body(&writer)
      return writer.written
    }
    #expect(bytes.last == 0xa5, "a byte too much was written")
    return Array(bytes[..<written])
  }
}

func messages(_ bytes: [UInt8]) -> [ControlReader.Message] {
  bytes.withUnsafeBytes { bytes in
    var reader = ControlReader(bytes)
    var all: [ControlReader.Message] = []
    while let message = reader.next() { all.append(message) }
    return all
  }
}

extension ControlWriter {
  /// Some message with random values.
  mutating func appendAny(_ random: inout SeededRandom) -> ControlReader.Message {
    func bits<Number: FixedWidthInteger & UnsignedInteger>(_ random: inout SeededRandom) -> Number {
      Number(truncatingIfNeeded: random.next())
    }
    switch random.below(10) {
    case 0, 1:
      let message = ControlMessage(random.below(2) == 0 ? .ping : .pong, mark: random.next())
      #expect(append(message) == true)
      return .probe(message)
    case 2:
      let plan = SendingPlan(patience: bits(&random), paths: random.next(), repairs: random.below(2) == 0)
      #expect(append(plan) == true)
      return .plan(plan)
    case 3:
      let giving = GivingUp(lane: bits(&random), segment: bits(&random))
      #expect(append(giving) == true)
      return .giveUp(giving)
    case 4:
      let terms = PathTerms(path: bits(&random), tier: bits(&random), price: bits(&random), limit: random.next())
      #expect(append(terms) == true)
      return .terms(terms)
    case 5:
      let message = SizeMessage(isAnswer: true, size: bits(&random), mark: random.next())
      #expect(append(message) == true)
      return .size(message)
    case 8:
      let sighting = Sighting.any(&random)
      #expect(append(sighting) == true)
      return .sighting(sighting)
    case 6, 7:
      let message = RelayMessage.any(&random)
      #expect(append(message) == true)
      return .relay(message)
    default:
      var report = PathReport(
        path: bits(&random), newest: random.next(), span: bits(&random), arrival: bits(&random), hold: bits(&random),
        bytes: random.next(), marked: bits(&random), reordered: bits(&random))
      for _ in 0..<random.below(17) {
        #expect(report.append(.init(back: bits(&random), count: bits(&random))) == true)
      }
      #expect(append(report) == true)
      return .report(report)
    }
  }
}

extension IPAddress {
  static func any(_ random: inout SeededRandom) -> IPAddress {
    random.below(2) == 0
      ? IPAddress(ipv4: UInt32(truncatingIfNeeded: random.next()))
      : IPAddress(.ipv6, high: random.next(), low: random.next())
  }
}

extension Sighting {
  /// From where somebody could send: below 128.0.0.0 and 8000::.
  static func any(_ random: inout SeededRandom) -> Sighting {
    let any = IPAddress.any(&random)
    let address = IPAddress(any.family, high: any.high & (.max >> 1) | 1 << 32, low: any.low)
    return Sighting(Endpoint(address, port: 1 + UInt16(random.below(65_535))))
  }
}

extension RelayMessage {
  static func any(_ random: inout SeededRandom) -> RelayMessage {
    let number = UInt32(truncatingIfNeeded: random.next())
    let lease = UInt16(truncatingIfNeeded: random.next())
    switch random.below(4) {
    case 0:
      let destination = Endpoint(IPAddress.any(&random), port: UInt16(truncatingIfNeeded: random.next()))
      return .bind(RelayBind(number: number, destination: destination, lease: lease))
    case 1: return .unbind(RelayUnbind(number: number))
    case 2: return .granted(RelayGranted(number: number, lease: lease))
    default:
      let reasons = RelayRefused.Reason.allCases
      let reason = reasons[Int(random.below(UInt64(reasons.count)))]
      return .refused(RelayRefused(number: number, reason: reason))
    }
  }
}
