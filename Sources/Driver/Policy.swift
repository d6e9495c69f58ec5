//  Policy.swift — what the operator wrote about paths, classes and rules, in the engine's words: names have become
//  places.
//
//  Two types for one thing, because the configuration's can be printed and have names, and the engine's are numbers.

import Configuration
import Engine
import Primitives

extension LocalPath {
  mutating func setPolicy(_ path: GatewayConfiguration.Path) {
    switch path.tier {
    case .primary: tier = .primary
    case .secondary: tier = .secondary
    case .backup: tier = .backup
    case .never: tier = .never
    }
    budget = path.budget.map { Budget($0) }
    price = path.cost.thousandths
    limit = path.limit.map { ($0.up, $0.down) }
  }
}

extension Budget {
  init(_ budget: GatewayConfiguration.Budget) {
    let period: Period =
      switch budget.period {
      case .day: .day
      case .week(let first): .week(from: UInt8(GatewayConfiguration.Weekday.allCases.firstIndex(of: first) ?? 0))
      case .month(let first): .month(from: first)
      }
    self.init(bytes: UInt64(budget.bytes.value), per: period)
  }
}

extension TrafficClass {
  init(_ known: GatewayConfiguration.Class) {
    let treatment: Treatment =
      switch known.treatment {
      case .bulk: .bulk
      case .interactive: .interactive
      case .realtime: .realtime
      }
    let protection: Protection =
      switch known.protection {
      case .none: .none
      case .copies: .copies
      case .parity(let data, let parity): .parity(data: data, parity: parity)
      case .adaptive: .adaptive
      }
    self.init(known.name, treatment, protection)
  }
}

extension Rule {
  /// The configuration's rule with paths and classes as their places.
  init(_ rule: GatewayConfiguration.Rule, paths: [GatewayConfiguration.Path], classes: Classes) {
    let action: Action =
      switch rule.stack {
      case .striped: .striped
      case .single(let name):
        .single(path: name.flatMap { name in paths.firstIndex { $0.name == name } }.map { UInt8($0) })
      case .raw: .raw
      }
    let number = rule.className.flatMap { classes.number(named: $0) }
    self.init(name: rule.name, action, classNumber: number.map { UInt8($0) })
    from = rule.from
    to = rule.to
    protocols = rule.protocols
    ports = rule.ports
    dscp = rule.dscp
    lengths = rule.maxSize.map { 0...Int($0.value) }
  }
}
