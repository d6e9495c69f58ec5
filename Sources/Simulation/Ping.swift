//  Ping.swift — a packet there and back, at a steady pace, and how long it took.

public import Primitives

/// Sends 56 bytes every so often, as `ping` does, and keeps the time that each took.
public final class Pinger: Machine {
  public struct Sample: Equatable, Sendable {
    public var sent: Instant
    public var roundTrip: Interval
  }

  private static let length = 56
  /// A day of pings, twenty a second.
  private static let mostSamples = 1_728_000

  public private(set) var sent = 0
  /// In the order in which the answers came.
  public private(set) var samples: [Sample] = []

  private let interval: Interval
  private var due: Instant
  private var isDue = false
  private var clock = Instant.zero
  /// Which of the last 64 were answered, and the number of the newest that was.
  private var answered: UInt64 = 0
  private var newest: UInt64 = 0

  public init(startingAt start: Instant, every interval: Interval) {
    precondition(interval > .zero, "pings need a moment between them")
    due = start
    self.interval = interval
  }

  public func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    clock = now
    guard let answer = TrafficDatagram(datagram), answer.kind == .pong, answer.first < UInt64(sent) else { return }
    if isRepeated(answer.first) || samples.count == Pinger.mostSamples { return }
    let began = Instant(nanoseconds: answer.second)
    if began <= now { samples.append(Sample(sent: began, roundTrip: now - began)) }
  }

  public func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if !isDue { return nil }
    isDue = false
    TrafficDatagram(.ping, UInt64(sent), clock.nanoseconds).write(into: &datagram, length: Pinger.length)
    sent += 1
    return 0
  }

  public var deadline: Instant? { due }

  public func expire(at now: Instant) {
    clock = now
    if now < due { return }
    isDue = true
    due += interval
  }

  /// A duplicate counts once; what is more than 64 late is taken for one.
  private func isRepeated(_ number: UInt64) -> Bool {
    if number > newest {
      answered = number - newest >= 64 ? 0 : answered << (number - newest)
      newest = number
    }
    if newest - number >= 64 { return true }
    let bit: UInt64 = 1 << (newest - number)
    if answered & bit != 0 { return true }
    answered |= bit
    return false
  }
}

/// Sends every ping back.
public final class Ponger: Machine {
  private var answer: TrafficDatagram?
  private var length = 0

  public init() {}

  public func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    guard var ping = TrafficDatagram(datagram), ping.kind == .ping else { return }
    ping.kind = .pong
    answer = ping
    length = datagram.count
  }

  public func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    guard let pong = answer else { return nil }
    answer = nil
    pong.write(into: &datagram, length: length)
    return 0
  }

  public var deadline: Instant? { nil }
  public func expire(at now: Instant) {}
}
