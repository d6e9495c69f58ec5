//  FuzzTarget.swift — what must hold for any bytes at all, one property for each thing that strangers can send.
//
//  Why here.  The fuzzer looks for new inputs, and `make test` replays those that it found; both must ask the same
//  question, so the properties are an ordinary module of the package, and Tests/Fuzz and Tests/FuzzReplayTests use it.
//
//  A property throws a sentence when it does not hold. A trap (a range, an overflow, a precondition) needs no code
//  here: it ends the process, which is what both users watch for. Properties stay cheap: the fuzzer asks thousands of
//  times a second.

/// A property that did not hold.
public struct Violation: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

public struct FuzzTarget: Sendable, CustomStringConvertible {
  /// Also the name of its folder in Tests/Fuzz/corpus.
  public let name: String
  public let check: @Sendable ([UInt8]) throws(Violation) -> Void

  public var description: String { name }

  public static let all = [
    FuzzTarget(name: "alto", check: checkALTO),
    FuzzTarget(name: "change", check: checkChange),
    FuzzTarget(name: "configuration", check: checkConfiguration),
    FuzzTarget(name: "consulting", check: checkConsulting),
    FuzzTarget(name: "crook", check: checkCrook),
    FuzzTarget(name: "packet", check: checkPacket),
    FuzzTarget(name: "gatekeeper", check: checkGatekeeper),
    FuzzTarget(name: "gateway", check: checkGateway),
    FuzzTarget(name: "intake", check: checkIntake),
    FuzzTarget(name: "json", check: checkJSON),
    FuzzTarget(name: "parity", check: checkParity),
    FuzzTarget(name: "relay", check: checkRelay),
    FuzzTarget(name: "settings", check: checkSettings),
    FuzzTarget(name: "topology", check: checkTopology),
    FuzzTarget(name: "trace", check: checkTrace),
    FuzzTarget(name: "wire", check: checkWire),
  ]
}

/// Throws when the condition does not hold.
func demand(_ holds: Bool, _ sentence: @autoclosure () -> String) throws(Violation) {
  if !holds { throw Violation(sentence()) }
}
