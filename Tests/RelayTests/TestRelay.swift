import Primitives
import Relay
import Wire

/// A relay, a clock, and chance.
struct TestRelay: ~Copyable {
  var relay: Relay
  var now = Instant(nanoseconds: 1_000_000_000)
  private var random: SeededRandom

  init(
    clients: Int = 4, bindings: Int = 16, backSockets: Int = 4, seed: UInt64 = 1,
    destinations: RelayDestinations = RelayDestinations(), terms: RelayClientTerms = RelayClientTerms()
  ) {
    var limits = Relay.Limits(clients: clients)
    limits.bindings = bindings
    limits.backSockets = backSockets
    var chance = SeededRandom(seed: seed)
    var made = Relay(limits, destinations: destinations, secret: (chance.next(), chance.next()))
    for client in 0..<clients { made.setTerms(terms, of: client) }
    relay = made
    random = chance
  }

  mutating func nonce() -> RelayNonce { RelayNonce(low: random.next(), high: random.next()) }

  /// For the shortest lease that there is, unless it says so.
  @discardableResult
  mutating func bind(
    _ number: UInt32 = 0, of client: Int = 0, from endpoint: Endpoint = .gateway(0), to destination: Endpoint = .hub(0),
    lease: UInt16 = 10
  ) -> Relay.Answer {
    let wish = RelayBind(number: number, destination: destination, lease: lease)
    return relay.bind(wish, client: client, from: endpoint, nonce: nonce(), at: now)
  }

  mutating func forward(
    from source: Endpoint, on socket: RelaySocket = .front, datagrams: Int = 1, bytes: Int = 1_400
  ) -> Relay.Decision {
    relay.forward(from: source, on: socket, datagrams: datagrams, bytes: bytes, at: now)
  }

  mutating func removed() -> [RelayRemoval] {
    var all: [RelayRemoval] = []
    while let removal = relay.nextRemoved() { all.append(removal) }
    return all
  }

  mutating func questions() -> [(endpoint: Endpoint, question: RelayQuestion)] {
    var all: [(endpoint: Endpoint, question: RelayQuestion)] = []
    while let question = relay.nextQuestion() { all.append(question) }
    return all
  }

  mutating func pass(_ time: Interval) {
    now += time
    relay.expire(at: now)
  }
}

extension Endpoint {
  /// Some client, by a number.
  static func gateway(_ number: Int) -> Endpoint {
    Endpoint(IPAddress(ipv4: 0xc633_6400 + UInt32(number / 16)), port: UInt16(40_000 + number % 16))
  }

  static func hub(_ number: Int) -> Endpoint {
    number % 2 == 0
      ? Endpoint(IPAddress(ipv4: 0xcb00_7100 + UInt32(number)), port: 51_820)
      : Endpoint(IPAddress(.ipv6, high: 0x2001_0db8 << 32, low: UInt64(number)), port: 443)
  }
}
