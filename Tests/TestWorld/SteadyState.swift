//  SteadyState.swift — two gateways at work, with nothing around them that allocates: to count what they do.

import Engine
import Packets
import Primitives
import Resequencer

/// Two connected gateways and packets that are handed from one to the other, with nothing around that allocates.
public final class SteadyState {
  private static let frameLength = OffloadHeader.length + 65_536

  private let world: GatewayWorld
  private let frames: UnsafeMutableRawBufferPointer
  private let lengths: [Int]
  private let wire = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 64)
  private let routes: [[Route]]
  private var now: Instant
  public private(set) var delivered = 0

  /// Without optimisation the compiler puts temporaries of its own on the heap.
  public static var isOptimised: Bool {
    var isOptimised = true
    assert(
      {
        isOptimised = false
        return true
      }())
    return isOptimised
  }

  /// Flows of these kinds in both directions.
  public init(paths: Int, _ kinds: [UserFlow.Kind]) throws {
    world = try GatewayWorld.pair(paths: paths)
    try world.start(0)
    try world.start(1)
    world.run(for: .seconds(1))
    frames = .allocate(byteCount: 2 * kinds.count * SteadyState.frameLength, alignment: 64)
    var lengths: [Int] = []
    for from in [0, 1] {
      for kind in kinds {
        let start = lengths.count * SteadyState.frameLength
        let frame = UnsafeMutableRawBufferPointer(rebasing: frames[start..<start + SteadyState.frameLength])
        let flow = world.add(kind, from: from, to: 1 - from, pause: .zero)
        lengths.append(world.flows[flow].write(to: frame, &world.random))
        world.flows[flow].next = nil
      }
    }
    self.lengths = lengths
    let world = world
    routes = [0, 1].map { gateway in
      (0..<paths).map { socket in
        Route(
          socket: UInt8(socket), remote: world.address(of: Place(1 - gateway, socket)),
          local: world.address(of: Place(gateway, socket)).address)
      }
    }
    now = world.now
  }

  deinit {
    frames.deallocate()
    wire.deallocate()
  }

  /// What so many turns of both took from the heap, after as many to warm up; -1 when nobody could count.
  public func allocations(in turns: Int, begin: () -> Void, end: () -> Int) -> Int {
    let gateways = [world.gateway(0), world.gateway(1)]
    for _ in 0..<turns { turn(gateways[0], gateways[1]) }
    begin()
    for _ in 0..<turns { turn(gateways[0], gateways[1]) }
    return end()
  }

  private func turn(_ one: TestGateway, _ other: TestGateway) {
    now += .microseconds(100)
    send(one, other, 0)
    send(other, one, lengths.count / 2)
  }

  private func send(_ from: TestGateway, _ to: TestGateway, _ first: Int) {
    for index in first..<first + lengths.count / 2 {
      let start = index * SteadyState.frameLength
      from.engine.packet(
        UnsafeMutableRawBufferPointer(rebasing: frames[start..<start + lengths[index]]), buffer: UInt16(index), at: now)
    }
    if let due = from.engine.deadline, due <= now { from.engine.expire(at: now) }
    from.engine.flush(at: now)
    while let number = from.engine.nextBatch() {
      let batch = from.engine.batch(number)
      let bytes = UnsafeMutableRawBufferPointer(rebasing: wire[..<batch.length])
      bytes.copyMemory(from: UnsafeRawBufferPointer(start: batch.bytes, count: batch.length))
      from.engine.sent(number, wasTaken: true)
      // There are lines only between sockets of one number.
      let socket = Int(batch.route.socket)
      if batch.route.remote != routes[from.number][socket].remote { continue }
      to.engine.receive(
        Arrival(bytes: bytes, pieceLength: batch.pieceLength, route: routes[to.number][socket]), at: now)
    }
    while let delivery = to.engine.nextDelivery() {
      delivered += 1
      to.engine.written(delivery.handle, wasTaken: true)
    }
    while from.engine.nextFreeBuffer() != nil {}
  }
}
