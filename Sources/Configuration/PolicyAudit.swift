//  PolicyAudit.swift — tiers, classes and rules that are each right and together wrong.

import Primitives

extension GatewayConfiguration {
  func tiersWithoutData(_ places: Places, _ findings: inout [Finding]) {
    guard !paths.isEmpty, paths.allSatisfy({ $0.tier == .never }) else { return }
    findings.append(
      Finding(
        place: places.place(.path(0), "Tier", 0),
        message: "Tier = never at every path: expected one that may carry data"))
  }

  func classOfRule(_ index: Int, _ places: Places, isComplete: Bool, _ findings: inout [Finding]) {
    guard isComplete, let name = rules[index].className else { return }
    let known = GatewayConfiguration.ownClasses + classes.map(\.name).filter { !Self.ownClasses.contains($0) }
    if !known.contains(name) {
      findings.append(
        Finding(
          place: places.place(.rule(index), "Class", 0),
          message: "Class = \(name): unknown class; \(hint(name, known))"))
    }
  }

  func hint(_ name: String, _ known: [String]) -> String {
    if let near = nearestWord(to: name, in: known) { return "did you mean '\(near)'?" }
    let rest = known.count > Self.mostNamed ? " …" : ""
    return "known are " + known.prefix(Self.mostNamed).joined(separator: ", ") + rest
  }

  /// Names in one sentence; each may have 64 letters.
  private static let mostNamed = 8
}
