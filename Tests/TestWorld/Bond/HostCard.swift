//  HostCard.swift — the network card of the hosts behind a gateway: one frame after the other, at ten gigabits.
//
//  A gateway that is handed all that a window allows at one moment would make one segment of it, and TCP would breathe
//  in and out: no machine does that, since packets follow each other. So a frame reaches its gateway when its last bit
//  would, and flows are asked in turns for the next one, when there is room for it.

import Primitives

final class HostCard {
  static let rate = BitRate(bitsPerSecond: 10_000_000_000)

  private let memory = Memory(TestGateway.bufferLength)
  private var length = 0
  private var nextFlow = 0

  /// What is on its way to the gateway.
  var frame: UnsafeMutableRawBufferPointer? {
    length == 0 ? nil : UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<length])
  }

  func clear() { length = 0 }

  /// Takes a frame from the next flow that has one: that flow, and how long the frame takes.
  func load(_ flows: [any HostFlow], behind gateway: Int, at now: Instant) -> (flow: Int, time: Interval)? {
    let room = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<TestGateway.bufferLength])
    for step in 0..<flows.count {
      let flow = (nextFlow + step) % flows.count
      guard let written = flows[flow].nextFrame(behind: gateway, into: room, at: now) else { continue }
      length = written
      nextFlow = flow + 1
      return (flow, HostCard.rate.time(toSend: ByteCount(written)))
    }
    return nil
  }
}
