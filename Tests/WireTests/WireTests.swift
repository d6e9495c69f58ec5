import Primitives
import Testing
import Wire

@Suite struct `Bytes and values` {
  @Test(arguments: 0..<200) func `what is written is what is read, for any values`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<50 {
      let header = ClearHeader(
        path: UInt8(random.below(256)), receiver: UInt32(truncatingIfNeeded: random.next()),
        counter: random.next() & DataHeader.mostCounter)
      var datagram = bytes(44 + Int(random.below(100)), &random)
      datagram.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
      #expect(datagram.withUnsafeBytes { ClearHeader($0) } == header, "seed \(seed)")

      let location = Location(
        lane: UInt16(random.below(65_536)), flags: Location.Flags(rawValue: UInt8(random.below(256))),
        segment: UInt32(truncatingIfNeeded: random.next()), length: UInt32(random.below(1 << 24)),
        offset: UInt32(random.below(1 << 24)), segmentSize: UInt16(random.below(65_536)))
      datagram.withUnsafeMutableBytes { location.write(to: $0.baseAddress! + 12) }
      #expect(datagram.withUnsafeBytes { Location($0.baseAddress! + 12) } == location, "seed \(seed)")
      #expect(datagram.withUnsafeBytes { ClearHeader($0) } == header, "a location lies outside of the clear header")

      let before = datagram
      let mask = bytes(16, &random)
      for _ in 0..<2 {
        datagram.withUnsafeMutableBytes { datagram in
          mask.withUnsafeBytes { Location.toggle(datagram.baseAddress! + 12, mask: $0.baseAddress!) }
        }
      }
      #expect(datagram == before, "a mask put on twice is no mask; seed \(seed)")

      let record = ResumeRecord(
        packetOffset: UInt32(random.below(1 << 24)), headerLength: Int(random.below(161)))
      var text = bytes(record.length, &random)
      text.withUnsafeMutableBytes { record.write(to: $0.baseAddress!) }
      #expect(text.withUnsafeBytes { ResumeRecord($0) } == record, "seed \(seed)")

      let grouped = ParityHeader(
        group: UInt32(random.below(1 << 24)), piece: piece(&random))
      var piece = bytes(ParityHeader.length + Int(random.below(50)), &random)
      piece.withUnsafeMutableBytes { grouped.write(to: $0.baseAddress!) }
      #expect(piece.withUnsafeBytes { ParityHeader(extra: grouped.extra, $0) } == grouped, "seed \(seed)")
      let image = MemberImage(location: location, length: UInt16(random.below(65_536)))
      var prefix = bytes(MemberImage.prefix, &random)
      prefix.withUnsafeMutableBytes { image.write(to: $0.baseAddress!) }
      #expect(prefix.withUnsafeBytes { MemberImage($0.baseAddress!, lane: location.lane) } == image, "seed \(seed)")

      let payload = InitiationPayload(
        incarnation: random.next(),
        time: WallTime(seconds: random.next(), nanoseconds: UInt32(random.below(1_000_000_000))),
        suites: UInt8(random.below(256)), favourite: UInt8(random.below(256)))
      var sealed = bytes(InitiationPayload.length, &random)
      sealed.withUnsafeMutableBytes { payload.write(to: $0.baseAddress!) }
      #expect(sealed.withUnsafeBytes { InitiationPayload($0) } == payload, "seed \(seed)")

      let sender = UInt32(truncatingIfNeeded: random.next())
      let question = RelayQuestion(
        nonce: RelayNonce(low: random.next(), high: random.next()), isAnswer: random.below(2) == 0)
      var asked = bytes(RelayQuestion.length, &random)
      asked.withUnsafeMutableBytes { question.write(to: $0.baseAddress!) }
      #expect(asked.withUnsafeBytes { RelayQuestion($0) } == question, "seed \(seed)")

      for header in [
        HandshakeHeader.initiation(sender: sender), .response(sender: sender, receiver: ~sender),
        .cookieReply(receiver: sender),
      ] {
        var message = bytes(header.length, &random)
        message.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
        #expect(message.withUnsafeBytes { HandshakeHeader($0) } == header, "seed \(seed)")
      }
    }
  }

  @Test(arguments: 0..<100) func `any bytes at all are read or refused`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for length in 0..<200 {
      var noise = bytes(length, &random)
      // Half of them get a first byte that means something, or none would come far.
      if length > 0, random.below(2) == 0 { noise[0] = UInt8(0x10 + random.below(6)) }
      if length > 0, random.below(4) == 0 { noise[0] = UInt8(random.below(14)) }
      if length > 3, random.below(2) == 0 { noise.replaceSubrange(1..<4, with: [0, 0, 0]) }
      noise.withUnsafeBytes { bytes in
        if ClearHeader(bytes) != nil { #expect(length >= 44 && noise[0] == 0x14) }
        if let record = ResumeRecord(bytes) { #expect(record.length <= length && record.headerLength <= 160) }
        let extra = UInt8(random.below(256))
        if let header = ParityHeader(extra: extra, bytes) {
          #expect(length >= 4 && (1...20).contains(extra) && header.group < 1 << 24 && header.extra == extra)
        }
        if ControlMessage(bytes) != nil { #expect(length == 16 && (1...4).contains(noise[0])) }
        var reader = ControlReader(bytes)
        var read = 0
        while let message = reader.next() {
          read += 1
          if case .report(let report) = message { #expect(!report.isConsistent || report.oldest <= report.newest) }
        }
        #expect(read * 8 <= length)
        if let header = HandshakeHeader(bytes) { #expect(header.length == length && (0x11...0x13).contains(noise[0])) }
        if let question = RelayQuestion(bytes) {
          #expect(length == 20 && noise[0] == 0x15 && noise[1] == (question.isAnswer ? 1 : 0))
        }
        if let payload = InitiationPayload(bytes) {
          #expect(length == 32 && payload.time.nanoseconds < 1_000_000_000)
        }
        #expect((ResponsePayload(bytes) != nil) == (length == 16))
      }
    }
  }

  @Test func `a handshake message of any other length is none`() {
    for header in [
      HandshakeHeader.initiation(sender: 1), .response(sender: 1, receiver: 2), .cookieReply(receiver: 3),
    ] {
      for length in 12...200 {
        var message = [UInt8](repeating: 0, count: length)
        message.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
        #expect((message.withUnsafeBytes { HandshakeHeader($0) } == nil) == (length != header.length))
      }
    }
  }

  @Test func `bits where zeros belong make a handshake message of another version`() {
    for place in 1...3 {
      var message = [UInt8](repeating: 0, count: Initiation.length)
      message.withUnsafeMutableBytes { HandshakeHeader.initiation(sender: 7).write(to: $0.baseAddress!) }
      #expect(message.withUnsafeBytes { HandshakeHeader($0) } != nil)
      message[place] = 0x80
      #expect(message.withUnsafeBytes { HandshakeHeader($0) } == nil)
    }
  }

  @Test func `a data datagram shorter than header and tag is none`() {
    var datagram = [UInt8](repeating: 0, count: 44)
    datagram.withUnsafeMutableBytes { ClearHeader(path: 1, receiver: 2, counter: 3).write(to: $0.baseAddress!) }
    #expect(datagram.withUnsafeBytes { ClearHeader($0) } != nil)
    for length in 0..<44 {
      #expect(datagram.withUnsafeBytes { ClearHeader(UnsafeRawBufferPointer(rebasing: $0[..<length])) } == nil)
    }
  }

  @Test func `a wall clock's time grows, up to the end of time`() {
    let time = WallTime(seconds: 5, nanoseconds: 999_999_999)
    #expect(time.advanced(byNanoseconds: 0) == time)
    #expect(time.advanced(byNanoseconds: 1) == WallTime(seconds: 6, nanoseconds: 0))
    #expect(time.advanced(byNanoseconds: 3_000_000_002) == WallTime(seconds: 9, nanoseconds: 1))
    #expect(time < time.advanced(byNanoseconds: 1))
    #expect(WallTime(seconds: 6, nanoseconds: 0) > time)
    #expect(WallTime(seconds: .max, nanoseconds: 999_999_999).advanced(byNanoseconds: 1).seconds == .max)
  }

  @Test func `the parts of each handshake message lie one behind the other, to its end`() {
    #expect(Initiation.ephemeral + 32 == Initiation.sealedStatic)
    #expect(Initiation.sealedStatic + 48 == Initiation.sealedPayload)
    #expect(Initiation.sealedPayload + InitiationPayload.length + 16 == Initiation.mac1)
    #expect(Initiation.mac1 + 16 == Initiation.mac2 && Initiation.mac2 + 16 == Initiation.length)
    #expect(Response.ephemeral + 32 == Response.sealedPayload)
    #expect(Response.sealedPayload + ResponsePayload.length + 16 == Response.mac1)
    #expect(Response.mac1 + 16 == Response.mac2 && Response.mac2 + 16 == Response.length)
    #expect(CookieReply.nonce + CookieReply.nonceLength == CookieReply.sealedCookie)
    #expect(CookieReply.sealedCookie + CookieReply.cookieLength + 16 == CookieReply.length)
    #expect(Response.length <= Initiation.length && CookieReply.length <= Response.length)
  }

  @Test func `a relay's question has 20 bytes, and zeros where they belong`() {
    var datagram = [UInt8](repeating: 0, count: 20)
    datagram.withUnsafeMutableBytes {
      RelayQuestion(nonce: RelayNonce(low: 1, high: 2)).write(to: $0.baseAddress!)
    }
    func read(_ bytes: [UInt8]) -> RelayQuestion? { bytes.withUnsafeBytes { RelayQuestion($0) } }
    #expect(read(datagram)?.isAnswer == false)
    #expect(read(datagram + [0]) == nil && read(datagram.dropLast()) == nil && read([]) == nil)
    for (place, value) in [(0, 0x14), (0, 0x25), (1, 2), (1, 0x81), (2, 1), (3, 0x80)] as [(Int, UInt8)] {
      var changed = datagram
      changed[place] = value
      #expect(read(changed) == nil, "byte \(place) is \(value)")
    }
    datagram[1] = 1
    #expect(read(datagram)?.isAnswer == true)
  }

  @Test func `a piece of a group is refused when its place and its shape do not go together`() {
    func isRead(_ extra: UInt8, _ shape: UInt8) -> Bool {
      let text: [UInt8] = [1, 2, 3, shape]
      return text.withUnsafeBytes { ParityHeader(extra: extra, $0) } != nil
    }
    #expect(isRead(1, 0) && isRead(16, 0) && isRead(17, 0x0f) && isRead(20, 0x3f))
    #expect(!isRead(0, 0), "not protected")
    #expect(!isRead(1, 1), "a member does not know of its group's size")
    #expect(!isRead(18, 0x0f), "the second of one")
    #expect(!isRead(20, 0x2f), "the fourth of three")
    #expect(!isRead(17, 0x40), "more than four")
    #expect(!isRead(21, 0x3f))
    let short: [UInt8] = [1, 2, 3]
    #expect(short.withUnsafeBytes { ParityHeader(extra: 1, $0) } == nil)
  }

  @Test func `an image with something where zero belongs is none`() {
    var bytes = [UInt8](repeating: 0, count: 16)
    #expect(bytes.withUnsafeBytes { MemberImage($0.baseAddress!, lane: 9) }?.location.lane == 9)
    bytes[3] = 1
    #expect(bytes.withUnsafeBytes { MemberImage($0.baseAddress!, lane: 9) } == nil)
  }

  private func piece(_ random: inout SeededRandom) -> ParityHeader.Piece {
    if random.below(2) == 0 { return .member(Int(random.below(16))) }
    let rows = 1 + Int(random.below(4))
    return .parity(Int(random.below(UInt64(rows))), members: 1 + Int(random.below(16)), of: rows)
  }

  private func bytes(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }
}
