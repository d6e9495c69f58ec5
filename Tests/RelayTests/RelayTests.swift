import AllocationCount
import Primitives
import Relay
import Testing
import Wire

@Suite struct `A bound gateway` {
  @Test func `reaches its destination through the relay, and is reached from there`() {
    var test = TestRelay()
    #expect(test.bind() == .granted(10))
    #expect(test.forward(from: .gateway(0)) == .send(.back(0), .hub(0)))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .send(.front, .gateway(0)))
  }

  @Test func `is reached by nobody else, on no other port`() {
    var test = TestRelay()
    test.bind()
    #expect(test.forward(from: .hub(1), on: .back(0)) == .drop(.unasked))
    #expect(test.forward(from: .hub(0), on: .back(1)) == .drop(.unasked))
    #expect(test.forward(from: .hub(0), on: .front) == .drop(.stranger))
    #expect(test.forward(from: .gateway(0), on: .back(0)) == .drop(.unasked))
    var other = Endpoint.gateway(0)
    other.port += 1
    #expect(test.forward(from: other) == .drop(.stranger))
    #expect(test.relay.counters.unasked.datagrams == 3 && test.relay.counters.strangers.datagrams == 2)
  }

  @Test func `sees what it sent counted, a read at once`() {
    var test = TestRelay()
    test.bind()
    _ = test.forward(from: .gateway(0), datagrams: 44, bytes: 61_600)
    _ = test.forward(from: .hub(0), on: .back(0), datagrams: 2, bytes: 1_500)
    let out = test.relay.counters.toDestinations
    let back = test.relay.counters.toClients
    #expect([out.reads, out.datagrams, out.bytes] == [1, 44, 61_600])
    #expect([back.reads, back.datagrams, back.bytes] == [1, 2, 1_500])
    var seen: [RelayBinding] = []
    test.relay.forEach { seen.append($0) }
    #expect(seen.map(\.toDestination) == [61_600] && seen.map(\.toClient) == [1_500])
  }

  @Test func `keeps its path for as long as it asks, and loses it with the lease`() {
    var test = TestRelay()
    test.bind()
    #expect(test.relay.deadline == test.now + .seconds(10))
    for _ in 0..<5 {
      test.pass(.seconds(9))
      #expect(test.bind() == .granted(10))
    }
    #expect(test.relay.counters.granted == 1 && test.relay.counters.renewed == 5)
    test.pass(.seconds(10))
    #expect(test.removed().map(\.reason) == [.lapsed])
    #expect(test.forward(from: .gateway(0)) == .drop(.stranger))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .drop(.unasked))
    #expect(test.relay.deadline == nil && test.relay.count == 0)
  }

  @Test(arguments: [(0, 120), (1, 10), (10, 10), (300, 300), (600, 600), (65_535, 600)] as [(UInt16, UInt16)])
  func `is told for how long, within ten seconds and ten minutes`(wanted: UInt16, granted: UInt16) {
    var test = TestRelay()
    #expect(test.bind(lease: wanted) == .granted(granted))
    #expect(test.relay.deadline == test.now + .seconds(Int64(granted)))
  }

  @Test func `goes on from another address when it asks from there`() {
    var test = TestRelay()
    test.bind()
    #expect(test.bind(from: .gateway(5)) == .granted(10))
    #expect(test.forward(from: .gateway(5)) == .send(.back(0), .hub(0)))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .send(.front, .gateway(5)))
    #expect(test.forward(from: .gateway(0)) == .drop(.stranger))
    #expect(test.relay.counters.moved == 1 && test.removed().isEmpty)
  }

  @Test func `goes on to another address of its destination when it asks for it`() {
    var test = TestRelay()
    test.bind()
    #expect(test.bind(to: .hub(1)) == .granted(10))
    #expect(test.forward(from: .gateway(0)) == .send(.back(0), .hub(1)))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .drop(.unasked))
  }

  @Test func `can end its path, and once only`() {
    var test = TestRelay()
    test.bind()
    #expect(test.relay.unbind(RelayUnbind(number: 0), client: 1) == false, "it is another client's")
    #expect(test.relay.unbind(RelayUnbind(number: 0), client: 0) == true)
    #expect(test.relay.unbind(RelayUnbind(number: 0), client: 0) == false)
    #expect(test.removed().map(\.reason) == [.unbound] && test.relay.counters.unboundUnknown == 2)
  }

  @Test func `has the address that it asks from, whoever had it before`() {
    var test = TestRelay()
    test.bind(of: 0)
    #expect(test.bind(7, of: 1, to: .hub(2)) == .granted(10))
    let removed = test.removed()
    #expect(removed.map(\.reason) == [.replaced] && removed.map(\.binding.client) == [0])
    #expect(test.forward(from: .gateway(0)) == .send(.back(0), .hub(2)))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .drop(.unasked))
  }

  @Test func `has nothing after the relay has started again, and all of it when it asks`() {
    var before = TestRelay()
    before.bind()
    var after = TestRelay(seed: 2)
    #expect(after.forward(from: .gateway(0)) == .drop(.stranger))
    #expect(after.bind() == .granted(10))
    #expect(after.forward(from: .gateway(0)) == before.forward(from: .gateway(0)))
  }
}

@Suite struct `Back ports` {
  @Test func `are as many as the most popular destination has clients`() {
    var test = TestRelay(bindings: 16, backSockets: 3)
    for index in 0..<3 { #expect(test.bind(UInt32(index), from: .gateway(index), to: .hub(0)) == .granted(10)) }
    for index in 3..<6 { #expect(test.bind(UInt32(index), from: .gateway(index), to: .hub(index)) == .granted(10)) }
    #expect(test.relay.backSockets == 3)
    for index in 0..<3 {
      #expect(test.forward(from: .gateway(index)) == .send(.back(UInt16(index)), .hub(0)))
      #expect(test.forward(from: .hub(0), on: .back(UInt16(index))) == .send(.front, .gateway(index)))
      #expect(test.forward(from: .gateway(3 + index)) == .send(.back(0), .hub(3 + index)))
    }
    #expect(test.bind(9, from: .gateway(9), to: .hub(0)) == .refused(.full))
    #expect(test.relay.counters.refusedFull == 1)
  }

  @Test func `are used again, the lowest first`() {
    var test = TestRelay()
    for index in 0..<3 { test.bind(UInt32(index), from: .gateway(index)) }
    test.relay.unbind(RelayUnbind(number: 1), client: 0)
    test.bind(3, from: .gateway(3))
    #expect(test.forward(from: .gateway(3)) == .send(.back(1), .hub(0)))
  }
}

@Suite struct `What a client may` {
  @Test func `is so many bindings, and one more for each that it ends`() {
    var terms = RelayClientTerms()
    terms.bindings = 2
    var test = TestRelay(terms: terms)
    test.bind(0, from: .gateway(0))
    test.bind(1, from: .gateway(1))
    #expect(test.bind(2, from: .gateway(2)) == .refused(.tooMany))
    #expect(test.bind(0, of: 1, from: .gateway(3)) == .granted(10), "another client has its own")
    #expect(test.bind(1, from: .gateway(1)) == .granted(10), "what it has can be renewed")
    #expect(test.bind(2, from: .gateway(1)) == .granted(10), "its own address frees a place")
    test.relay.unbind(RelayUnbind(number: 0), client: 0)
    #expect(test.bind(3, from: .gateway(2)) == .granted(10))
  }

  @Test func `is nothing that there is no room for`() {
    var test = TestRelay(bindings: 3)
    for index in 0..<3 { test.bind(0, of: index, from: .gateway(index), to: .hub(index)) }
    #expect(test.bind(0, of: 3, from: .gateway(3), to: .hub(3)) == .refused(.full))
    #expect(test.bind(0, of: 0, from: .gateway(0), to: .hub(0)) == .granted(10))
    test.pass(.seconds(10))
    #expect(test.removed().count == 3)
    #expect(test.bind(0, of: 3, from: .gateway(3), to: .hub(3)) == .granted(10))
  }

  @Test func `is nothing any longer when it is none, and all of it when it is one again`() {
    var test = TestRelay()
    for index in 0..<3 { test.bind(UInt32(index), of: index % 2, from: .gateway(index), to: .hub(index)) }
    test.relay.setTerms(nil, of: 0)
    #expect(test.removed().map(\.reason) == [.dismissed, .dismissed])
    #expect(test.bind() == .refused(.unspecified))
    #expect(test.forward(from: .gateway(1)) == .send(.back(0), .hub(1)))
    test.relay.setTerms(RelayClientTerms(), of: 0)
    #expect(test.bind() == .granted(10))
  }

  @Test func `is a rate over both directions, and what it saved up to the burst`() {
    var terms = RelayClientTerms()
    terms.rate = BitRate(bitsPerSecond: 8_000_000)
    terms.burst = ByteCount(100_000)
    var test = TestRelay(terms: terms)
    test.bind()
    var passed = 0
    func push(_ test: inout TestRelay) {
      for turn in 0..<1_000 {
        let decision =
          turn % 2 == 0
          ? test.forward(from: .gateway(0), bytes: 1_000) : test.forward(from: .hub(0), on: .back(0), bytes: 1_000)
        if case .send = decision { passed += 1_000 }
      }
    }
    push(&test)
    #expect(passed == 101_000, "the burst, and the read that crossed its end")
    #expect(test.relay.counters.overRate.datagrams == 1_000 - 101)
    test.now += .milliseconds(50)
    push(&test)
    #expect(passed == 151_000)
    // However long the pause was.
    test.now += .seconds(5)
    push(&test)
    #expect(passed == 252_000)
    #expect(test.bind(0, of: 1, from: .gateway(1)) == .granted(10))
    #expect(test.forward(from: .gateway(1)) == .send(.back(1), .hub(0)), "another client has its own")
  }

  @Test func `is so much a day, from the first byte on`() {
    var terms = RelayClientTerms()
    terms.perDay = ByteCount(10_000)
    var test = TestRelay(terms: terms)
    test.bind(lease: 600)
    for _ in 0..<8 { #expect(test.forward(from: .gateway(0)) == .send(.back(0), .hub(0))) }
    #expect(test.forward(from: .gateway(0)) == .drop(.overDay))
    #expect(test.forward(from: .hub(0), on: .back(0)) == .drop(.overDay))
    test.now += .seconds(86_400 - 1)
    #expect(test.forward(from: .gateway(0)) == .drop(.overDay))
    test.now += .seconds(1)
    #expect(test.forward(from: .gateway(0)) == .send(.back(0), .hub(0)))
    #expect(test.relay.counters.overDay.datagrams == 3)
  }

  @Test func `is fifty questions a second, after all that a restart takes`() {
    var test = TestRelay()
    for _ in 0..<256 { #expect(test.bind() == .granted(10)) }
    #expect(test.bind() == .refused(.tooOften))
    #expect(test.bind(of: 1, from: .gateway(1)) == .granted(10), "another client has its own")
    test.now += .milliseconds(20)
    #expect(test.bind() == .granted(10))
    #expect(test.bind() == .refused(.tooOften))
    #expect(test.relay.counters.refusedTooOften == 2)
  }
}

@Suite struct `Two relays in a row` {
  @Test func `are noticed by the answer, which ends the path and refuses new ones for a minute`() throws {
    var test = TestRelay()
    test.bind(0, from: .gateway(0), lease: 600)
    let kept = try #require(test.questions().first)
    #expect(kept.endpoint == .gateway(0) && !kept.question.isAnswer)
    test.bind(1, from: .gateway(1), lease: 600)
    let asked = try #require(test.questions().first)
    let decision = test.relay.receive(asked.question.answer, from: .gateway(1), on: .front, at: test.now)
    #expect(decision == .drop(.relayed))
    #expect(test.removed().map(\.binding.number) == [1])
    #expect(test.forward(from: .gateway(1)) == .drop(.stranger))
    #expect(test.bind(1, from: .gateway(1)) == .refused(.relayed))
    #expect(test.bind(0, from: .gateway(2)) == .refused(.relayed))
    #expect(test.bind(0, to: .hub(2)) == .refused(.relayed))
    #expect(test.bind(0, from: .gateway(0), lease: 600) == .granted(600), "what it has stays")
    #expect(test.bind(0, of: 1, from: .gateway(3)) == .granted(10), "nobody else is concerned")
    test.now += .seconds(60)
    #expect(test.bind(1, from: .gateway(1)) == .granted(10))
  }

  @Test func `are told of by the one in front, to the destination of a binding and nobody else`() {
    var test = TestRelay()
    test.bind()
    let question = RelayQuestion(nonce: test.nonce())
    func ask(
      _ test: inout TestRelay, _ question: RelayQuestion, from source: Endpoint, on socket: RelaySocket
    ) -> Relay.Decision {
      test.relay.receive(question, from: source, on: socket, at: test.now)
    }
    #expect(ask(&test, question, from: .hub(0), on: .back(0)) == .send(.back(0), .hub(0)))
    #expect(ask(&test, question, from: .hub(1), on: .back(0)) == .drop(.strayQuestion))
    #expect(ask(&test, question, from: .hub(0), on: .back(1)) == .drop(.strayQuestion))
    #expect(ask(&test, question, from: .gateway(0), on: .front) == .drop(.strayQuestion))
    #expect(ask(&test, question.answer, from: .hub(0), on: .back(0)) == .drop(.strayQuestion))
    let answer = ask(&test, question.answer, from: .gateway(0), on: .front)
    #expect(answer == .drop(.strayQuestion), "the nonce is another one")
    #expect(test.relay.counters.questionsAnswered == 1 && test.relay.counters.strayQuestions == 5)
    #expect(test.relay.count == 1)
  }

  /// Gateway, relay, relay: the second one sees the first one's back port.
  @Test func `know of each other after one round trip`() throws {
    var first = TestRelay(seed: 1)
    var second = TestRelay(seed: 2)
    let front = Endpoint.hub(8)
    let back = Endpoint.gateway(77)
    first.bind(to: front)
    second.bind(from: back, to: .hub(0))
    let asked = try #require(second.questions().first)
    #expect(asked.endpoint == back)
    #expect(first.relay.receive(asked.question, from: front, on: .back(0), at: first.now) == .send(.back(0), front))
    #expect(
      second.relay.receive(asked.question.answer, from: back, on: .front, at: second.now) == .drop(.relayed))
    #expect(second.relay.count == 0 && first.relay.count == 1)
  }

  @Test func `are looked for with each grant, once for each binding`() {
    var test = TestRelay()
    for _ in 0..<5 { test.bind() }
    test.bind(1, from: .gateway(1))
    #expect(test.questions().map(\.endpoint) == [.gateway(0), .gateway(1)])
    test.bind()
    test.bind(2, from: .gateway(2))
    test.relay.unbind(RelayUnbind(number: 2), client: 0)
    #expect(test.questions().map(\.endpoint) == [.gateway(0)], "nobody is asked for what has ended")
    #expect(test.relay.counters.questionsAsked == 3)
  }
}

@Suite struct `Ten thousand bindings` {
  @Test func `take at most 200 bytes each, and are all found`() {
    var terms = RelayClientTerms()
    terms.bindings = 100
    var test = TestRelay(clients: 100, bindings: 10_000, terms: terms)
    #expect(test.relay.footprint.value <= 200 * 10_000, "\(test.relay.footprint.value / 10_000) bytes each")
    for index in 0..<10_000 {
      #expect(
        test.bind(UInt32(index / 100), of: index % 100, from: .gateway(index), to: .hub(index % 5_000)) == .granted(10))
    }
    #expect(test.bind(100, from: .gateway(10_000)) == .refused(.tooMany))
    test.relay.audit()
    for index in 0..<10_000 {
      let socket = UInt16(index / 5_000)
      #expect(test.forward(from: .gateway(index)) == .send(.back(socket), .hub(index % 5_000)))
      #expect(test.forward(from: .hub(index % 5_000), on: .back(socket)) == .send(.front, .gateway(index)))
    }
    test.pass(.seconds(10))
    #expect(test.removed().count == 10_000)
    test.relay.audit()
  }

  @Test func `come and go without an allocation`() {
    var test = TestRelay(bindings: 1_000)
    var strangers = 0
    var ended = [0, 0, 0, 0, 0]
    func round(_ test: inout TestRelay) {
      for index in 0..<200 {
        test.now += .milliseconds(20)
        test.bind(UInt32(index % 50), of: index % 4, from: .gateway(index), to: .hub(index % 70))
        _ = test.forward(from: .gateway(index))
        if test.forward(from: .gateway(999)) == .drop(.stranger) { strangers += 1 }
        while test.relay.nextQuestion() != nil {}
      }
      test.now += .seconds(20)
      test.relay.expire(at: test.now)
      while let removal = test.relay.nextRemoved() { ended[Int(removal.reason.rawValue)] += 1 }
    }
    round(&test)
    hawser_allocations_begin()
    round(&test)
    let count = hawser_allocations_end()
    #expect(count <= 0, "\(count) allocations")
    #expect(strangers == 400 && ended == [200, 0, 0, 0, 0])
  }
}
