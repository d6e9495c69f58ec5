//  Flood.swift — a stranger who sends handshakes as fast as he is told to, from many addresses.
//
//  He has made them before, so that a thread of his costs nearly nothing but the sending: 54 messages a call
//  (UDP_SEGMENT), a thousand calls a second and more.

import Crypto
import Glibc
import Handshake
import Primitives
import Sealing
import Synchronization
import Wire

final class Flood: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    /// Of the right length, otherwise anything.
    case random
    /// As an initiation begins, with codes that he had to guess.
    case wrong
    /// From a gateway that knows the public key and that nobody configured: right as far as can be seen before X25519.
    case stranger
  }

  static let addresses = 64
  private static let perCall = 54

  private let sockets: [HostSocket]
  private let bundles: [[UInt8]]
  private let isOver = Flag()
  private let hasEnded = Flag()
  private let count = Atomic(0)

  /// From the left gateway's place on the first line, to the right one's, or to another port of it.
  init(_ kind: Kind, _ sites: TwoSites, perSecond rate: Int, port: UInt16 = UInt16(TwoSites.port)) throws {
    let messages = try Flood.messages(kind, to: sites.publicKey(of: .right))
    bundles = stride(from: 0, to: messages.count, by: Flood.perCall).map { start in
      Array(messages[start..<min(start + Flood.perCall, messages.count)].joined())
    }
    let own = (0..<Flood.addresses).map { "172.16.0.\(100 + $0)" }
    try sites.shell(.left, own.map { "ip address replace \($0)/24 dev line0" }.joined(separator: "\n"))
    sockets = try own.map { address in
      let socket = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .left))
      try socket.set(Int32(IPPROTO_UDP), 103, to: Int32(Initiation.length))  // UDP_SEGMENT
      try socket.bind(address, port: 4000)
      try socket.connect(TwoSites.lineAddress(0, of: .right, .ipv4), port: port)
      return socket
    }
    detached {
      self.run(rate)
      self.hasEnded.set()
    }
  }

  /// Messages sent so far.
  var sent: Int { count.load(ordering: .relaxed) }

  func end() {
    isOver.set()
    while !hasEnded.isSet { pause(.milliseconds(1)) }
  }

  private func run(_ rate: Int) {
    let began = MonotonicClock.now
    var number = 0
    while !isOver.isSet {
      let due = Int((MonotonicClock.now - began).nanoseconds / 1_000) * rate / 1_000_000
      while sent < due, !isOver.isSet {
        _ = sockets[number % sockets.count].send(bundles[number % bundles.count])
        number += 1
        count.add(Flood.perCall, ordering: .relaxed)
      }
      pause(.milliseconds(1))
    }
  }

  private static func messages(_ kind: Kind, to key: PublicKey) throws -> [[UInt8]] {
    let cryptography = try LibraryCryptography.make()
    return (0..<20 * perCall).map { index in
      var bytes = [UInt8](repeating: 0, count: Initiation.length)
      bytes.withUnsafeMutableBytes { cryptography.random($0) }
      if kind == .random { return bytes }
      var secret = Secret()
      secret.withMutableBytes { cryptography.random($0) }
      let identity = Identity(privateKey: secret, cryptography)
      var handshake = Handshake(
        identity, remote: key, presharedKey: nil, incarnation: 1,
        wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
      while handshake?.wantsIndex == true { handshake?.lend(UInt32(index * 2 + 1)) }
      handshake?.begin(at: .zero)
      guard let message = handshake?.nextMessage() else { return bytes }
      var right = message.withBytes { Array($0) }
      if kind == .wrong { right.replaceSubrange(16..., with: bytes[16...]) }
      return right
    }
  }
}
