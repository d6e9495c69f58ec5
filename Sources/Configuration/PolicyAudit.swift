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

  func classesWithoutPaths(_ places: Places, isComplete: Bool, _ findings: inout [Finding]) {
    for (index, known) in classes.enumerated() {
      func add(_ item: Int, _ message: String) {
        findings.append(Finding(place: places.place(.trafficClass(index), "Paths", item), message: message))
      }
      for (item, name) in known.paths.enumerated() {
        if known.paths[..<item].contains(name) {
          add(item, "Paths = \(name): it is given already: expected it once")
        } else if let path = paths.first(where: { $0.name == name }) {
          if path.tier == .never {
            add(item, "Paths = \(name): its Tier is never: expected a path that may carry data")
          }
        } else if isComplete {
          add(item, "Paths = \(name): unknown path; \(hint(name, paths.map(\.name)))")
        }
      }
      if known.protection == .copies, known.paths.count == 1 {
        add(0, "Paths = \(known.paths[0]) with Redundancy = copies: expected two paths or more, or none for all")
      }
    }
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
    if case .single(let path?) = rules[index].stack, let found = classes.first(where: { $0.name == name }),
      !found.paths.isEmpty, !found.paths.contains(path), paths.contains(where: { $0.name == path })
    {
      findings.append(
        Finding(
          place: places.place(.rule(index), "Stack", 0),
          message: "Stack = single \(path): [Class \"\(name)\"] keeps to other paths: expected "
            + listed(Array(found.paths.prefix(Self.mostNamed)))))
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
