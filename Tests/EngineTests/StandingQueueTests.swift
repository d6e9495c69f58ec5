import Glibc
import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `A line behind the queues` {
  @Test(arguments: [5, 20, 100, 500] as [UInt64], [10, 40] as [Int64])
  func `stays full with one download, whose packets hardly wait`(megabits: UInt64, roundTrip: Int64) {
    for isCapable in [false, true] {
      var line = SharedLine(
        BitRate(bitsPerSecond: megabits * 1_000_000),
        [.download(roundTrip: .milliseconds(roundTrip), understandsMarks: isCapable)])
      line.run(for: .seconds(20))
      let context = Comment("\(megabits) Mbit/s, \(roundTrip) ms, marks \(isCapable): \(line.summary)")
      #expect(line.usage >= 0.95, context)
      // Two pieces are the least that a sender sends at once; at 5 Mbit/s they take 5 ms.
      let target = CoDel.target(length: 2 * SharedLine.piece, rate: line.rate)
      #expect(line.users[0].wait(atMost: 50) <= target * 2, context)
      #expect(line.users[0].wait(atMost: 95) <= target * 3, context)
      let counters = line.counters
      #expect(isCapable ? counters.marked > 0 : counters.trimmed > 0, context)
      // One drop is one piece, and marks replace them all.
      #expect(UInt64(line.users[0].lost) <= counters.trimmed + counters.dropped, context)
      #expect(!isCapable || counters.trimmed + counters.dropped == 0, context)
    }
  }

  @Test func `is a call's within a quantum, whatever else wants it`() {
    var line = SharedLine(
      BitRate(bitsPerSecond: 50_000_000),
      [
        .download(roundTrip: .milliseconds(20), understandsMarks: false),
        .download(roundTrip: .milliseconds(40), understandsMarks: true),
        .call(every: .milliseconds(20), length: 200, isUrgent: true),
        .call(every: .milliseconds(20), length: 1_200, isUrgent: false),
      ])
    line.run(for: .seconds(20))
    let quantum = line.rate.time(toSend: ByteCount(FlowQueues.quantum))
    #expect(line.users[2].wait(atMost: 100) <= quantum, "\(line.summary)")
    #expect(line.users[3].wait(atMost: 100) <= quantum * 4, "\(line.summary)")
    #expect(line.users[2].lost + line.users[3].lost == 0, "\(line.summary)")
  }

  @Test(arguments: [200, 1_400, 60_000]) func `is shared evenly with who does not listen`(length: Int) {
    var line = SharedLine(
      BitRate(bitsPerSecond: 50_000_000),
      [
        .flood(BitRate(bitsPerSecond: 100_000_000), length: length),
        .download(roundTrip: .milliseconds(20), understandsMarks: false),
        .call(every: .milliseconds(20), length: 200, isUrgent: true),
      ])
    line.run(for: .seconds(15))
    #expect(abs(line.share(of: 0) - 0.5) < 0.05, "\(line.summary)")
    #expect(line.users[1].evicted + line.users[2].lost == 0 && line.users[0].lost > 0, "\(line.summary)")
    #expect((line.users[0].evicted > 0) == (length == 60_000), "\(line.summary)")
    #expect(line.users[1].wait(atMost: 50) <= .milliseconds(25), "\(line.summary)")
    // The packet that is on the line is not interrupted.
    let turn = line.rate.time(toSend: ByteCount(max(FlowQueues.quantum, length)))
    #expect(line.users[2].wait(atMost: 100) <= turn, "\(line.summary)")
  }
}

/// Senders, the queues, and a line of one rate behind them, in invented time.
private struct SharedLine: ~Copyable {
  enum Kind {
    /// As CUBIC does: it grows with time, keeps 0.7 after a loss or a mark, and sends what takes it a millisecond.
    case download(roundTrip: Interval, understandsMarks: Bool)
    case flood(BitRate, length: Int)
    case call(every: Interval, length: Int, isUrgent: Bool)
  }

  struct User {
    var kind: Kind
    var control = Cubic()
    var nextSending = SharedLine.start
    /// When the sender hears of what, in order.
    var answers: [(at: Instant, pieces: Int, isBad: Bool)] = []
    var firstAnswer = 0
    /// Since the warm-up.
    var carried = 0
    var lost = 0
    var evicted = 0
    var waits: [Interval] = []

    func wait(atMost percent: Int) -> Interval {
      let sorted = waits.sorted()
      return sorted.isEmpty ? .zero : sorted[(sorted.count - 1) * percent / 100]
    }
  }

  /// Senders begin far too fast or far too slow; that is not what is looked at.
  static let warmUp = Interval.seconds(5)
  static let start = Instant.zero + .seconds(1)
  static let piece = 1_448
  private static let headers = 40
  private static let room = 65_536
  private static let buffers = 4_096

  var users: [User]
  let rate: BitRate
  private var now = SharedLine.start
  private var lineFree = SharedLine.start
  private var station: Station
  private let memory = ZeroMemory(SharedLine.buffers * SharedLine.room)
  /// Whose packet a buffer has, and how many pieces it had when it came.
  private var owners: [(user: Int, pieces: Int)] = Array(repeating: (0, 0), count: SharedLine.buffers)
  private var free = (0..<SharedLine.buffers).map { UInt16($0) }
  private var templates: [Int: [UInt8]] = [:]

  init(_ rate: BitRate, _ kinds: [Kind]) {
    self.rate = rate
    users = kinds.map { User(kind: $0) }
    station = Station(flows: kinds.count, mostWaiting: SharedLine.buffers, seed: 1)
  }

  // MARK: What came of it

  private var measured: Interval { now - SharedLine.start - SharedLine.warmUp }
  private var capacity: Double { Double(rate.bytes(in: measured).value) }
  var usage: Double { Double(users.reduce(0) { $0 + $1.carried }) / capacity }
  var counters: FlowQueues.Counters { station.queues.counters }
  func share(of user: Int) -> Double { Double(users[user].carried) / capacity }

  var summary: String {
    users.indices.map { index in
      let user = users[index]
      let waits = [10, 50, 95, 100].map { "\(Double(user.wait(atMost: $0).nanoseconds / 10_000) / 100)" }
      return "\(Int(share(of: index) * 1_000)) ‰, \(waits.joined(separator: "/")) ms, \(user.lost) lost"
        + ", \(user.evicted) evicted"
    }.joined(separator: "; ") + " \(station.queues.counters)"
  }

  // MARK: Time

  mutating func run(for time: Interval) {
    let end = SharedLine.start + time
    while true {
      for user in users.indices { hear(user) }
      for user in users.indices { send(user) }
      var next = end
      if station.queues.waiting > 0 {
        if lineFree <= now { serve() }
        next = min(next, lineFree)
      }
      for user in users {
        next = min(next, user.nextSending)
        if user.firstAnswer < user.answers.count { next = min(next, user.answers[user.firstAnswer].at) }
      }
      if next >= end { break }
      now = max(now, next)
    }
    now = end
  }

  private var isMeasured: Bool { now - SharedLine.start >= SharedLine.warmUp }

  private mutating func hear(_ user: Int) {
    guard case .download(let roundTrip, _) = users[user].kind else { return }
    while users[user].firstAnswer < users[user].answers.count {
      let answer = users[user].answers[users[user].firstAnswer]
      if answer.at > now { break }
      users[user].firstAnswer += 1
      users[user].control.hear(answer.pieces, isBad: answer.isBad, roundTrip: roundTrip, at: now)
    }
  }

  private mutating func send(_ user: Int) {
    switch users[user].kind {
    case .download(let roundTrip, let understandsMarks):
      users[user].nextSending = Instant(nanoseconds: .max)
      let pieces = users[user].control.piecesAtOnce(roundTrip)
      while users[user].control.room >= pieces {
        users[user].control.inFlight += pieces
        put(user, pieces: pieces, length: pieces * SharedLine.piece, understandsMarks, isUrgent: false)
      }
    case .flood(let rate, let length):
      while users[user].nextSending <= now {
        users[user].nextSending += rate.time(toSend: ByteCount(length))
        put(user, pieces: 1, length: length - SharedLine.headers, false, isUrgent: length < 256)
      }
    case .call(let pause, let length, let isUrgent):
      while users[user].nextSending <= now {
        users[user].nextSending += pause
        put(user, pieces: 1, length: length - SharedLine.headers, false, isUrgent: isUrgent)
      }
    }
  }

  private mutating func put(_ user: Int, pieces: Int, length: Int, _ understandsMarks: Bool, isUrgent: Bool) {
    guard let buffer = free.popLast() else { return lose(user, pieces) }
    owners[Int(buffer)] = (user, pieces)
    let key = length * 2 + (understandsMarks ? 1 : 0)
    let template =
      templates[key]
      ?? Array(
        UserPacket(
          .ipv4, transport: 6, payload: length, segmentSize: UInt16(SharedLine.piece),
          congestion: understandsMarks ? 2 : 0
        ).bytes.prefix(SharedLine.headers))
    templates[key] = template
    let place = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[(Int(buffer) * SharedLine.room)...])
    place.copyBytes(from: template)
    guard let start = place.baseAddress else { return }
    let packet = WaitingPacket(
      bytes: start, arrived: now, length: UInt32(length + SharedLine.headers), payloadLength: UInt16(length),
      segmentSize: pieces > 1 ? UInt16(SharedLine.piece) : 0, buffer: buffer, needsChecksum: true)
    station.now = now
    if station.append(packet, to: user, isUrgent: isUrgent) != .queued {
      lose(user, pieces)
      free.append(buffer)
    }
    collect(areEvicted: true)
  }

  private mutating func collect(areEvicted: Bool) {
    while let buffer = station.queues.nextGivenUp() {
      let owner = owners[Int(buffer)]
      lose(owner.user, owner.pieces)
      if areEvicted { users[owner.user].evicted += 1 }
      free.append(buffer)
    }
  }

  private mutating func lose(_ user: Int, _ pieces: Int) {
    if isMeasured { users[user].lost += pieces }
    answer(user, pieces, isBad: true)
  }

  private mutating func answer(_ user: Int, _ pieces: Int, isBad: Bool) {
    guard case .download(let roundTrip, _) = users[user].kind else { return }
    let at = max(now, lineFree) + roundTrip
    users[user].answers.append((max(at, users[user].answers.last?.at ?? at), pieces, isBad))
  }

  /// The next run onto the line: what takes it two milliseconds, or one packet.
  private mutating func serve() {
    station.now = now
    let most = max(1, min(188_496, rate.bytes(in: .milliseconds(2)).value))
    guard let (user, run) = station.take(mostBytes: most, rate: rate) else { return }
    collect(areEvicted: false)
    for packet in run {
      let pieces = owners[Int(packet.buffer)].pieces
      let left = (Int(packet.length) - SharedLine.headers + SharedLine.piece - 1) / SharedLine.piece
      let isMarked = packet.bytes.load(fromByteOffset: 1, as: UInt8.self) & 3 == 3
      lineFree = max(lineFree, now) + rate.time(toSend: ByteCount(Int(packet.length)))
      if isMeasured {
        users[user].carried += Int(packet.length)
        users[user].waits.append(now - packet.arrived)
        if pieces > 1 { users[user].lost += pieces - left }
      }
      answer(user, pieces, isBad: isMarked || (pieces > 1 && left < pieces))
      free.append(packet.buffer)
    }
  }
}

/// A sender's window (RFC 9438), in pieces; what was lost is sent again as if it were new.
private struct Cubic {
  var window = 10.0
  var inFlight = 0
  private var peak = 0.0
  private var threshold = Double.infinity
  private var epoch = Instant.zero
  private var deafUntil = Instant.zero

  var room: Int { Int(window) - inFlight }

  /// What is sent at once: a millisecond's worth, as Linux does it.
  func piecesAtOnce(_ roundTrip: Interval) -> Int {
    min(44, max(min(2, Int(window)), Int(window * 1e6 / Double(roundTrip.nanoseconds))))
  }

  mutating func hear(_ pieces: Int, isBad: Bool, roundTrip: Interval, at now: Instant) {
    inFlight -= pieces
    if isBad {
      if now < deafUntil { return }
      peak = window
      window = max(2, window * 0.7)
      threshold = window
      epoch = now
      deafUntil = now + roundTrip + .milliseconds(10)
      return
    }
    if window < threshold {
      window += Double(pieces)
      return
    }
    let time = (now - epoch).inSeconds + roundTrip.inSeconds
    let plateau = cbrt(peak * 0.3 / 0.4)
    let cubic = 0.4 * pow(time - plateau, 3) + peak
    let friendly = peak * 0.7 + 0.529 * time / roundTrip.inSeconds
    window += max(0, min(0.5, (max(cubic, friendly) - window) / window)) * Double(pieces)
  }
}
