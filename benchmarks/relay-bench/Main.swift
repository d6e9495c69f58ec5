//  relay-bench — what does a relay's decision cost, and does it depend on how many bindings there are?
//
//  Prediction.  A hash of three words is 10 ns; the index's cell and the record are a line of the cache each. Ten
//  bindings lie in the first cache (20 ns in all); ten thousand are 1.2 MB of records and 128 KB of each index, which
//  is the second or third one (40 ns). A read of 44 datagrams costs as much once, and 1 ns for each of them to be
//  sorted: 100 ns, where the kernel takes some 20 µs for the same read and the send behind it.
//
//  Method.  As many bindings as clients' addresses, five to a destination; then reads from all of them in random order,
//  7 rounds of 200,000 decisions. Printed are the median and the spread of this process's CPU time for each decision:
//  `front` a read of a client, `back` one of a destination, `limited` one of a client with a rate, `stranger` one of
//  nobody, `sorted` the sorting of a read of 44 full datagrams.

import Glibc
import Primitives
import Relay
import Wire

@main struct RelayBench {
  static let rounds = 200_000

  static func main() {
    print("bindings   ns front   ns back   ns limited   ns stranger   ns sorted   spread of 7   bytes each")
    for count in [10, 1_000, 10_000] { run(count) }
  }

  static func run(_ count: Int) {
    var random = SeededRandom(seed: 1)
    var terms = RelayClientTerms()
    terms.bindings = 200
    var plain = filled(count, terms, &random)
    terms.rate = .maximum
    var limited = filled(count, terms, &random)
    let order = (0..<rounds).map { _ in Int(random.below(UInt64(count))) }
    let clients = (0..<count).map { client($0) }
    let hubs = (0..<count).map { hub($0) }
    let strangers = (0..<count).map { client($0 + 100_000) }
    let read = fullRead()
    var costs = [[Double]](repeating: [], count: 5)
    for _ in 0..<7 {
      costs[0].append(nanoseconds { front(&plain, clients, order) })
      costs[1].append(nanoseconds { back(&plain, hubs, order) })
      costs[2].append(nanoseconds { front(&limited, clients, order) })
      costs[3].append(nanoseconds { front(&plain, strangers, order) })
      costs[4].append(nanoseconds { sort(read) })
    }
    let forwarded = plain.counters.toDestinations.reads + plain.counters.toClients.reads
    precondition(forwarded == UInt64(14 * rounds), "every read of a bound address is forwarded")
    let widest = costs.map { (($0.max() ?? 0) - ($0.min() ?? 0)) / median($0) * 100 }.max() ?? 0
    print(
      padded("\(count)", 8), padded(tenths(median(costs[0])), 10), padded(tenths(median(costs[1])), 9),
      padded(tenths(median(costs[2])), 12), padded(tenths(median(costs[3])), 13), padded(tenths(median(costs[4])), 11),
      padded("\(Int(widest)) %", 13), padded("\(plain.footprint.value / count)", 12))
  }

  static func client(_ index: Int) -> Endpoint {
    Endpoint(IPAddress(ipv4: 0xc612_0000 + UInt32(index)), port: UInt16(20_000 + index % 40_000))
  }

  static func hub(_ index: Int) -> Endpoint { Endpoint(IPAddress(ipv4: 0xcb00_7100 + UInt32(index / 5)), port: 51_820) }

  static func filled(_ count: Int, _ terms: RelayClientTerms, _ random: inout SeededRandom) -> Relay {
    var limits = Relay.Limits(clients: 100)
    limits.bindings = count
    var relay = Relay(limits, destinations: RelayDestinations(), secret: (random.next(), random.next()))
    for client in 0..<100 { relay.setTerms(terms, of: client) }
    var now = Instant(nanoseconds: 1_000_000_000)
    for index in 0..<count {
      now += .milliseconds(1)
      let wish = RelayBind(number: UInt32(index), destination: hub(index), lease: 600)
      let nonce = RelayNonce(low: random.next(), high: random.next())
      let answer = relay.bind(wish, client: index % 100, from: client(index), nonce: nonce, at: now)
      precondition(answer == .granted(600), "there is room for all of them")
    }
    return relay
  }

  @inline(never) static func front(_ relay: inout Relay, _ sources: [Endpoint], _ order: [Int]) {
    var now = Instant(nanoseconds: 20_000_000_000)
    for index in order {
      now += .microseconds(20)
      _ = relay.forward(from: sources[index], on: .front, datagrams: 44, bytes: 61_600, at: now)
    }
  }

  /// The five of a destination have the sockets 0 to 4, in the order in which they came.
  @inline(never) static func back(_ relay: inout Relay, _ sources: [Endpoint], _ order: [Int]) {
    var now = Instant(nanoseconds: 20_000_000_000)
    for index in order {
      now += .microseconds(20)
      _ = relay.forward(from: sources[index], on: .back(UInt16(index % 5)), datagrams: 44, bytes: 61_600, at: now)
    }
  }

  /// A gateway's data for another gateway.
  static func fullRead() -> [UInt8] {
    var read = [UInt8](repeating: 0, count: 44 * 1_400)
    read.withUnsafeMutableBytes { bytes in
      for piece in 0..<44 {
        guard let start = bytes.baseAddress else { return }
        ClearHeader(path: 1, receiver: 77, counter: UInt64(piece)).write(to: start + piece * 1_400)
      }
    }
    return read
  }

  @inline(never) static func sort(_ read: [UInt8]) {
    var found = 0
    read.withUnsafeBytes { bytes in
      for _ in 0..<rounds {
        var runs = DatagramRuns(bytes, pieceLength: 1_400, on: .front)
        while let run = runs.next(isSession: { $0 < 64 }) { found += run.datagrams }
      }
    }
    precondition(found == 44 * rounds, "every datagram is in a run")
  }

  static func nanoseconds(_ work: () -> Void) -> Double {
    let start = processorTime()
    work()
    return Double(processorTime() - start) / Double(rounds)
  }

  static func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  static func tenths(_ value: Double) -> String { "\(Int(value * 10) / 10).\(Int(value * 10) % 10)" }

  static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
