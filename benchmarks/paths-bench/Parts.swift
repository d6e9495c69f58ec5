//  Parts.swift — numbered parts over several lines in turn, and who puts them in order again.
//
//      paths-bench stripe ADDRESS,ADDRESS…     part n goes to the address in its turn, at n ÷ pace seconds
//      paths-bench resequence                  puts them in order; prints  ready, and at its end what it saw
//
//  A part carries its number, its line and when it left; all namespaces share one clock. Both sides keep histograms
//  only, so that a measurement may last as long as it likes.

import Commands
import Glibc
import Primitives
import Resequencer
import Synchronization
import Wire

enum Parts {
  /// Number, line, time.
  static let header = 24

  static func stripe(_ invocation: Invocation) -> Int32 {
    var sockets: [Int32] = []
    for address in invocation[Words.targets].split(separator: ",") {
      guard var name = ipv4(String(address), port: invocation[Words.port]) else {
        put("paths-bench stripe: \"\(address)\" is no IPv4 address\n", to: STDERR_FILENO)
        return 64
      }
      let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      let isConnected = with(&name) { connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1) }
      if isConnected != 0 { return fail("connect") }
      sockets.append(descriptor)
    }
    if sockets.isEmpty { return 64 }
    var part = [UInt8](repeating: 0x5a, count: max(header, invocation[Words.size]))
    let start = monotonicNanoseconds()
    for number in 0..<invocation[Words.minute] * invocation[Words.pace] {
      let due = start + number * 1_000_000_000 / invocation[Words.pace]
      var until = timespec(tv_sec: due / 1_000_000_000, tv_nsec: due % 1_000_000_000)
      while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nil) == EINTR {}
      let line = number % sockets.count
      part.withUnsafeMutableBytes {
        $0.storeBytes(of: number, as: Int.self)
        $0.storeBytes(of: line, toByteOffset: 8, as: Int.self)
        $0.storeBytes(of: monotonicNanoseconds(), toByteOffset: 16, as: Int.self)
      }
      // A part that the host did not send would be waited for.
      if send(sockets[line], part, part.count, 0) != part.count { return fail("send") }
    }
    return 0
  }

  static func resequence(_ invocation: Invocation) -> Int32 {
    endOnSignal()
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard var name = ipv4("0.0.0.0", port: invocation[Words.port]) else { return 64 }
    if with(&name, { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)), $1) }) != 0 {
      return fail("use port \(invocation[Words.port])")
    }
    guard var buffer = WaitingRoom() else { return fail("make a buffer") }
    put("ready\n", to: STDOUT_FILENO)
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while !isOver.load(ordering: .relaxed) {
      if !isReady(descriptor, POLLIN) { continue }
      let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      if count < header { continue }
      let (number, line, sent) = bytes.withUnsafeBytes {
        (
          $0.load(as: Int.self), $0.load(fromByteOffset: 8, as: Int.self), $0.load(fromByteOffset: 16, as: Int.self)
        )
      }
      buffer.take(number, line: line, sent: sent, at: monotonicNanoseconds())
    }
    put(buffer.words, to: STDOUT_FILENO)
    return 0
  }
}

/// The product's resequencer, and what is written down about it.
private struct WaitingRoom: ~Copyable {
  /// The first second is not counted: the lines are still empty.
  private static let uncounted = 1_000_000_000
  private static let lines = 16
  /// Of what the resequencer is given for a part; it does not care.
  private static let packet = WaitingRoom.datagram(64)
  /// In microseconds.
  private static let bin = 50

  private var core: Resequencer
  private let set: Resequencer.LaneSet
  private let memory: UnsafeMutableRawBufferPointer
  private var delays: [[Int]] = Array(repeating: [], count: lines)
  /// Nanoseconds in which so many waited.
  private var waiting: [Int] = []
  private var begin: Int?
  private var last = 0
  private var parts = 0

  init?() {
    memory = .allocate(byteCount: 64 << 20, alignment: 4_096)
    var core = Resequencer(Resequencer.Limits(laneSets: 1, mostSegmentLength: 2_048, memory: memory))
    guard let set = core.open() else { return nil }
    // Nothing is lost on these lines, and what is late is late by less.
    core.setPatience(.seconds(5), for: set)
    self.core = core
    self.set = set
  }

  deinit { memory.deallocate() }

  mutating func take(_ number: Int, line: Int, sent: Int, at now: Int) {
    let start = begin ?? now
    begin = start
    if now - start > WaitingRoom.uncounted {
      WaitingRoom.note(now - max(last, start + WaitingRoom.uncounted), in: &waiting, at: core.heldSegments)
      parts += 1
      if line < WaitingRoom.lines {
        WaitingRoom.note(1, in: &delays[line], at: max(0, now - sent) / 1_000 / WaitingRoom.bin)
      }
    }
    last = now
    let length = WaitingRoom.packet.count
    let location = Location(
      lane: 0, flags: [], segment: UInt32(truncatingIfNeeded: number), length: UInt32(length), offset: 0, segmentSize: 0
    )
    let time = Instant(nanoseconds: UInt64(now))
    switch core.place(location, textLength: length, from: set, at: time) {
    case .into(let place, let claim):
      WaitingRoom.packet.withUnsafeBytes { packet in
        if let start = packet.baseAddress { place.copyMemory(from: start, byteCount: length) }
      }
      core.accept(claim, path: UInt8(truncatingIfNeeded: line), congestion: false, at: time)
    case .aside(let claim): core.reject(claim)
    case .refused: break
    }
    core.expire(at: time)
    while let delivery = core.nextDelivery() { core.finish(delivery.handle) }
  }

  private static func note(_ count: Int, in list: inout [Int], at place: Int) {
    while list.count <= place { list.append(0) }
    list[place] += count
  }

  var words: String {
    var text = "parts \(parts) \(core.counters.holes)\n"
    for (line, counts) in delays.enumerated() {
      // In the middle of its bin.
      for (bin, count) in counts.enumerated() where count > 0 {
        text += "delay \(line) \(bin * WaitingRoom.bin + WaitingRoom.bin / 2) \(count)\n"
      }
    }
    for (count, time) in waiting.enumerated() where time > 0 { text += "waiting \(count) \(time)\n" }
    return text
  }

  /// A UDP packet of IPv4 without a checksum of its own.
  private static func datagram(_ payload: Int) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
    return [0x45, 0] + number(28 + payload) + [0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 0, 90]
      + number(8 + payload) + [0, 0] + [UInt8](repeating: 7, count: payload)
  }
}
