//  Pulse.swift — a datagram every few milliseconds from alice to bob and back, and when each came back.

import Glibc
import Primitives
import Synchronization

final class Pulse: Sendable {
  struct Beat {
    var sent: Instant
    var returned: Instant?
  }

  private let echo: Echo
  private let socket: HostSocket
  private let beats = Mutex<[Beat]>([])
  private let isOver = Atomic(false)
  private let threads = Atomic(0)

  init(_ sites: TwoSites, every interval: Interval, length: Int = 200) throws {
    echo = try Echo(.ipv4, sites, port: 7007)
    socket = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .alice), patience: .milliseconds(50))
    try socket.set(SOL_SOCKET, SO_RCVBUF, to: 4 << 20)
    try socket.connect(TwoSites.bob, port: 7007)
    threads.store(2, ordering: .relaxed)
    detached {
      self.send(every: interval, length)
      self.threads.subtract(1, ordering: .releasing)
    }
    detached {
      self.receive()
      self.threads.subtract(1, ordering: .releasing)
    }
  }

  private func send(every interval: Interval, _ length: Int) {
    var next = MonotonicClock.now
    var bytes = [UInt8](repeating: 0x5a, count: length)
    while !isOver.load(ordering: .relaxed) {
      let number = beats.withLock { beats in
        beats.append(Beat(sent: MonotonicClock.now))
        return UInt32(beats.count - 1)
      }
      bytes.withUnsafeMutableBytes { $0.storeBytes(of: number, as: UInt32.self) }
      _ = socket.send(bytes)
      next += interval
      let now = MonotonicClock.now
      if next > now { pause(next - now) } else { next = now }
    }
  }

  private func receive() {
    var lastBeat = MonotonicClock.now
    // What is on its way when the sender ends may still arrive.
    while !isOver.load(ordering: .relaxed) || MonotonicClock.now - lastBeat < .milliseconds(500) {
      if !isOver.load(ordering: .relaxed) { lastBeat = MonotonicClock.now }
      guard let bytes = socket.receive(), bytes.count >= 4 else { continue }
      let now = MonotonicClock.now
      let number = Int(bytes.withUnsafeBytes { $0.load(as: UInt32.self) })
      beats.withLock { if $0.indices.contains(number), $0[number].returned == nil { $0[number].returned = now } }
    }
  }

  /// The first beat that was sent after this moment and came back; nil while there is none.
  func firstReturn(ofThoseSentAfter moment: Instant) -> Instant? {
    beats.withLock { beats in beats.reversed().prefix { $0.sent >= moment }.compactMap(\.returned).min() }
  }

  /// Ends it, and tells everything.
  func end() -> [Beat] {
    isOver.store(true, ordering: .relaxed)
    while threads.load(ordering: .acquiring) > 0 { pause(.milliseconds(1)) }
    echo.end()
    return beats.withLock { $0 }
  }
}
