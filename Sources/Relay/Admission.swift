//  Admission.swift — what each client may: how many bindings, how many questions, how many bytes.
//
//  How.  Bytes of both directions count together, per client and not per binding: who is given 100 Mbit/s may use them
//  on one path. The rate is a token bucket in the form of one instant (the generic cell rate algorithm): `onTime` is
//  when the client's next byte would be on time, and it may be ahead of now by the burst. A read is charged whole, so
//  who has anything left sends all of it. A day begins with the first byte after the last one's end, and bytes of a day
//  are forgotten when the relay starts again.
//
//  What is refused is not charged: who floods does not lock himself out for longer than he floods.
//
//  Cost: 128 bytes a client.

public import Primitives

/// Of one client, as its owner wrote it down.
public struct RelayClientTerms: Equatable, Sendable {
  /// Four uplinks to sixteen gateways. More, and a lost key could fill the relay sooner.
  public var bindings = 64
  /// Of UDP payload, both directions together; nil: as much as it is.
  public var rate: BitRate?
  /// What may come at once after a pause: less than a few reads of 64 KiB, and a GSO batch alone would be too much.
  public var burst = ByteCount(1 << 20)
  public var perDay: ByteCount?

  public init() {}
}

struct Admission: ~Copyable {
  enum Verdict: Equatable {
    case fine
    case overRate
    case overDay
  }

  struct Client {
    var terms: RelayClientTerms
    /// Of `burst` at `rate`.
    var ahead: Interval
    var onTime = Instant.zero
    var dayEnds = Instant.zero
    var today = 0
    var requestOnTime = Instant.zero
    var bannedUntil = Instant.zero
  }

  /// Questions of a client: after a restart of the relay it asks for all of its bindings at once, and later for each
  /// every minute. More cost us a walk over the back sockets each.
  static let requestsPerSecond = 50
  static let requestsAtOnce = 256
  /// Longer than that is no burst, whatever was written.
  static let mostAhead = Interval.seconds(60)
  static let day = Interval.seconds(86_400)

  private var clients: FixedArray<Client?>

  init(clients number: Int) { clients = FixedArray(count: number) { _ in nil } }

  var capacity: Int { clients.count }

  /// A known client keeps what it has used up.
  mutating func setTerms(_ terms: RelayClientTerms?, of client: Int) {
    guard let terms else {
      clients[client] = nil
      return
    }
    var ahead = Interval.zero
    if let rate = terms.rate {
      let most = rate.bytes(in: Admission.mostAhead)
      ahead = rate.time(toSend: min(max(terms.burst, .zero), most))
    }
    if clients[client] == nil {
      clients[client] = Client(terms: terms, ahead: ahead)
    } else {
      clients[client]?.terms = terms
      clients[client]?.ahead = ahead
    }
  }

  func isKnown(_ client: Int) -> Bool { clients[client] != nil }

  func mostBindings(of client: Int) -> Int { clients[client]?.terms.bindings ?? 0 }

  /// Charges the bytes when it is fine.
  @inline(__always)
  mutating func take(_ bytes: Int, of client: Int, at now: Instant) -> Verdict {
    guard clients[client]?.terms.rate != nil || clients[client]?.terms.perDay != nil else { return .fine }
    return charge(bytes, of: client, at: now)
  }

  private mutating func charge(_ bytes: Int, of client: Int, at now: Instant) -> Verdict {
    guard var known = clients[client] else { return .fine }
    if let perDay = known.terms.perDay {
      if now >= known.dayEnds {
        known.dayEnds = now + Admission.day
        known.today = 0
      }
      if known.today >= perDay.value { return .overDay }
      known.today += bytes
    }
    if let rate = known.terms.rate {
      let start = max(known.onTime, now)
      if start - now > known.ahead { return .overRate }
      known.onTime = start + rate.time(toSend: ByteCount(bytes))
    }
    clients[client] = known
    return .fine
  }

  mutating func takeRequest(of client: Int, at now: Instant) -> Bool {
    let spacing = Interval.seconds(1) / Int64(Admission.requestsPerSecond)
    let start = max(clients[client]?.requestOnTime ?? .zero, now)
    if start - now > spacing * Int64(Admission.requestsAtOnce - 1) { return false }
    clients[client]?.requestOnTime = start + spacing
    return true
  }

  mutating func ban(_ client: Int, until end: Instant) { clients[client]?.bannedUntil = end }

  func isBanned(_ client: Int, at now: Instant) -> Bool { now < clients[client]?.bannedUntil ?? .zero }
}
