import Primitives
import Relay
import Testing
import Wire

@Suite struct `A relay with many clients` {
  /// Few of everything, so that most questions meet something that is there.
  @Test(arguments: [UInt64](0..<150)) func `does what a list of bindings would do`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var terms = RelayClientTerms()
    terms.bindings = 1 + Int(random.below(5))
    let capacity = 1 + Int(random.below(12))
    let sockets = 1 + Int(random.below(4))
    var test = TestRelay(bindings: capacity, backSockets: sockets, seed: seed, terms: terms)
    var model = NaiveRelay(capacity: capacity, sockets: sockets, most: terms.bindings)
    for step in 0..<300 {
      // More than a question's share of its client's allowance.
      test.now += .milliseconds(20 + Int64(random.below(1_500)))
      test.relay.expire(at: test.now)
      model.expire(at: test.now)
      var removed = test.removed()
      let client = Int(random.below(4))
      let endpoint = Endpoint.gateway(Int(random.below(10)))
      let hub = Endpoint.hub(Int(random.below(5)))
      let socket = UInt16(random.below(5))
      let number = UInt32(random.below(6))
      let place: Comment = "seed \(seed), step \(step)"
      switch random.below(10) {
      case 0...3:
        let wish = RelayBind(number: number, destination: hub, lease: UInt16(random.below(40)))
        let nonce = test.nonce()
        let answer = test.relay.bind(wish, client: client, from: endpoint, nonce: nonce, at: test.now)
        #expect(answer == model.bind(wish, client, endpoint, nonce, at: test.now), place)
      case 4:
        let answer = test.relay.unbind(RelayUnbind(number: number), client: client)
        #expect(answer == model.unbind(number, client), place)
      case 5, 6:
        #expect(test.forward(from: endpoint) == model.forward(from: endpoint), place)
      case 7:
        #expect(test.forward(from: hub, on: .back(socket)) == model.forward(from: hub, socket), place)
      case 8:
        // An answer, one time in two with the nonce of who has the address.
        var nonce = test.nonce()
        if random.below(2) == 0, let known = model.nonce(at: endpoint) { nonce = known }
        let answer = RelayQuestion(nonce: nonce, isAnswer: true)
        let decision = test.relay.receive(answer, from: endpoint, on: .front, at: test.now)
        #expect(decision == model.answer(nonce, from: endpoint, at: test.now), place)
      default:
        if random.below(8) > 0 { break }
        test.relay.setTerms(nil, of: client)
        test.relay.setTerms(terms, of: client)
        model.dismiss(client)
      }
      removed += test.removed()
      #expect(removed.map(\.binding.number).sorted() == model.takeRemoved(), place)
      for (endpoint, question) in test.questions() {
        #expect(!question.isAnswer && model.nonce(at: endpoint) == question.nonce, place)
      }
      test.relay.audit()
      #expect(test.relay.count == model.bindings.count, place)
      #expect(test.relay.deadline == model.bindings.map(\.end).min(), place)
    }
  }

  /// The bucket, against what a bucket promises: in no span of time more than the rate and the burst.
  @Test(arguments: [UInt64](0..<100)) func `never gets more than its rate and one burst`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var terms = RelayClientTerms()
    terms.rate = BitRate(bitsPerSecond: 1_000_000 + random.below(1_000_000_000))
    terms.burst = ByteCount(Int(random.below(300_000)))
    var test = TestRelay(seed: seed, terms: terms)
    test.bind(lease: 600)
    var passed: [(at: Instant, bytes: Int)] = []
    for _ in 0..<400 {
      test.now += .microseconds(Int64(random.below(2_000)))
      let bytes = 1 + Int(random.below(65_536))
      if case .send = test.forward(from: .gateway(0), bytes: bytes) { passed.append((test.now, bytes)) }
    }
    #expect(!passed.isEmpty)
    let rate = terms.rate ?? .maximum
    var most = 0
    for first in passed.indices {
      var sum = 0
      // The last one may cross the end: it is charged to what comes later.
      for last in first..<passed.count {
        most = max(most, sum - rate.bytes(in: passed[last].at - passed[first].at).value)
        sum += passed[last].bytes
      }
    }
    // Half a nanosecond for each read is rounded.
    #expect(most <= terms.burst.value + 1_000, "seed \(seed): \(most) bytes at once")
  }
}

/// A list, and every rule in as few words as possible.
private struct NaiveRelay {
  struct Binding {
    var client: Int
    var number: UInt32
    var endpoint: Endpoint
    var destination: Endpoint
    var socket: UInt16
    var end: Instant
    var nonce: RelayNonce
  }

  let capacity: Int
  let sockets: Int
  let most: Int
  var bindings: [Binding] = []
  private var removed: [UInt32] = []
  private var bannedUntil: [Int: Instant] = [:]

  init(capacity: Int, sockets: Int, most: Int) {
    self.capacity = capacity
    self.sockets = sockets
    self.most = most
  }

  mutating func bind(
    _ wish: RelayBind, _ client: Int, _ endpoint: Endpoint, _ nonce: RelayNonce, at now: Instant
  ) -> Relay.Answer {
    let lease = wish.lease == 0 ? 120 : min(max(wish.lease, 10), 600)
    let isBanned = bannedUntil[client].map { now < $0 } ?? false
    let free = (0..<UInt16(sockets)).first { socket in
      !bindings.contains { $0.socket == socket && $0.destination == wish.destination }
    }
    let other = bindings.firstIndex { $0.endpoint == endpoint }
    if let mine = bindings.firstIndex(where: { $0.client == client && $0.number == wish.number }) {
      let isPlain = mine == other && bindings[mine].destination == wish.destination
      if !isPlain && isBanned { return .refused(.relayed) }
      if bindings[mine].destination != wish.destination {
        guard let free else { return .refused(.full) }
        bindings[mine].destination = wish.destination
        bindings[mine].socket = free
      }
      bindings[mine].endpoint = endpoint
      bindings[mine].end = now + .seconds(Int64(lease))
      bindings[mine].nonce = nonce
      if let other, other != mine { remove(other) }
      return .granted(lease)
    }
    if isBanned { return .refused(.relayed) }
    let isOwn = other.map { bindings[$0].client == client } ?? false
    if bindings.count(where: { $0.client == client }) - (isOwn ? 1 : 0) >= most { return .refused(.tooMany) }
    guard bindings.count < capacity, let free else { return .refused(.full) }
    if let other { remove(other) }
    bindings.append(
      Binding(
        client: client, number: wish.number, endpoint: endpoint, destination: wish.destination, socket: free,
        end: now + .seconds(Int64(lease)), nonce: nonce))
    return .granted(lease)
  }

  private mutating func remove(_ index: Int) { removed.append(bindings.remove(at: index).number) }

  mutating func unbind(_ number: UInt32, _ client: Int) -> Bool {
    guard let index = bindings.firstIndex(where: { $0.client == client && $0.number == number }) else { return false }
    remove(index)
    return true
  }

  mutating func dismiss(_ client: Int) {
    while let index = bindings.firstIndex(where: { $0.client == client }) { remove(index) }
    bannedUntil[client] = nil
  }

  func forward(from endpoint: Endpoint) -> Relay.Decision {
    guard let found = bindings.first(where: { $0.endpoint == endpoint }) else { return .drop(.stranger) }
    return .send(.back(found.socket), found.destination)
  }

  func forward(from destination: Endpoint, _ socket: UInt16) -> Relay.Decision {
    let found = bindings.first { $0.destination == destination && $0.socket == socket }
    return found.map { .send(.front, $0.endpoint) } ?? .drop(.unasked)
  }

  func nonce(at endpoint: Endpoint) -> RelayNonce? { bindings.first { $0.endpoint == endpoint }?.nonce }

  mutating func answer(_ nonce: RelayNonce, from endpoint: Endpoint, at now: Instant) -> Relay.Decision {
    guard let index = bindings.firstIndex(where: { $0.endpoint == endpoint && $0.nonce == nonce }) else {
      return .drop(.strayQuestion)
    }
    bannedUntil[bindings[index].client] = now + .seconds(60)
    remove(index)
    return .drop(.relayed)
  }

  mutating func expire(at now: Instant) {
    while let index = bindings.firstIndex(where: { $0.end <= now }) { remove(index) }
  }

  /// Their order is nobody's promise.
  mutating func takeRemoved() -> [UInt32] {
    defer { removed = [] }
    return removed.sorted()
  }
}
