//  BondStatus.swift — what one may ask a BondWorld.

public import Engine
public import Primitives
public import Simulation
public import Status
public import Topology

extension BondWorld {
  /// Which way traffic of this gateway passes a link, in the file's words.
  public func direction(of link: Int, from gateway: Int) -> Topology.Direction {
    lines.direction(ofLine: 2 * link + gateway)
  }

  /// What a line did: of a link's place, from this gateway on.
  public func counters(of link: Int, from gateway: Int) -> Simulation.Link.Counters {
    lines.lines[2 * link + gateway].counters
  }

  /// A counter of the engine, by its group and name.
  public func count(_ group: String, _ name: String, at gateway: Int) -> UInt64 {
    gateways.isEmpty ? 0 : gateways[gateway].count(group, name, at: now)
  }

  /// Gaps that a gateway did not wait for any longer: counted, each by its reason.
  public func holes(at gateway: Int) -> UInt64 {
    ["holesByProof", "holesByPatience", "holesByOverrun", "holesByMemory"]
      .reduce(0) { $0 + count("resequencer", $1, at: gateway) }
  }

  /// What `hawser status` would show.
  public func status(of gateway: Int) -> StatusSnapshot {
    gateways[gateway].engine.snapshot(version: "", interface: "", uptime: .zero, at: now)
  }

  /// What a driver may tell an engine between two turns.
  public func tell(_ gateway: Int, _ words: (inout Engine, Instant) -> Void) {
    words(&gateways[gateway].engine, now)
    turn(gateway)
  }

  /// All counters of an engine that are not zero, and how many buffers it has not given back, of how many.
  public func tally(of gateway: Int) -> String {
    if gateways.isEmpty { return "" }
    return "\(gateways[gateway].tally(at: now)); buffers \(gateways[gateway].lentBuffers)/\(gateways[gateway].buffers)"
  }

  public func events(of gateway: Int) -> [Event.Kind] { gateways.isEmpty ? [] : gateways[gateway].events }

  /// How many paths are up at both gateways.
  public var pathsUp: Int {
    gateways.map { gateway in
      gateway.engine.snapshot(version: "", interface: "", uptime: .zero, at: now).peers
        .reduce(0) { $0 + $1.paths.count { $0.state == .up } }
    }.min() ?? 0
  }

  /// What a gateway holds stays within what it was given, at any moment.
  public func checkBounds() {
    for gateway in gateways {
      let held = gateway.heldBytes(at: now)
      if held > gateway.segmentBytes {
        fail("gateway \(gateway.number): \(held) bytes are held, and \(gateway.segmentBytes) are there")
      }
    }
  }

  /// Everything that was taken has come back, when nothing is sent any more.
  public func checkRest() {
    for gateway in gateways {
      let name = "gateway \(gateway.number)"
      if gateway.lentBuffers != 0 { fail("\(name): \(gateway.lentBuffers) buffers did not come back") }
      let held = gateway.heldBytes(at: now)
      if held != 0 { fail("\(name): \(held) bytes are still held") }
      if !gateway.engine.hasAllBatches { fail("\(name): a batch is missing") }
      if !devices[gateway.number].isEmpty { fail("\(name): packets wait at its device") }
    }
  }
}
