//  EveryUplink.swift — `Interface = *` as the paths that it means at the moment.
//
//  An uplink is an interface that somebody can be reached through: no loopback, no part of a bridge, not our own, and
//  not one that another path names. What became a path once stays one, as long as there is room: a modem that is away
//  for a minute keeps its name and what its path has used.

public import Configuration
import Engine
public import Uplinks

extension GatewayConfiguration {
  var hasEvery: Bool { paths.contains { $0.isEvery } }

  /// `before`: the paths that there are.
  public func expanded(over interfaces: [Uplinks.Interface], before: [Path] = []) -> GatewayConfiguration {
    if !hasEvery { return self }
    var expanded = self
    expanded.paths = paths.filter { !$0.isEvery }
    let named = expanded.paths.map(\.interface)
    for rule in paths where rule.isEvery {
      let present = interfaces.filter { $0.isUplink && $0.isOn && !$0.addresses.isEmpty && $0.reaches != false }
        .map(\.name).filter { rule.means($0) && !named.contains($0) }
      let known = before.filter { $0.name == "\(rule.name)-\($0.interface)" && rule.means($0.interface) }
        .map(\.interface).filter { !named.contains($0) }
      // Those that are away make room for those that are there.
      let away = known.filter { !present.contains($0) }
      let kept = known.filter { present.contains($0) }
      let names = kept + present.filter { !known.contains($0) } + away
      for name in names.prefix(LocalPlaces.mostPaths - expanded.paths.count) {
        var path = rule
        path.name = "\(rule.name)-\(name)"
        path.interface = name
        (path.include, path.exclude) = ([], [])
        if !expanded.paths.contains(where: { $0.interface == name }) { expanded.paths.append(path) }
      }
    }
    return expanded
  }
}

extension GatewayConfiguration.Path {
  fileprivate func means(_ name: String) -> Bool {
    (include.isEmpty || include.contains { NamePattern($0).matches(name) })
      && !exclude.contains { NamePattern($0).matches(name) }
  }
}
