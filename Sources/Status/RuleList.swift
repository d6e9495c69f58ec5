//  RuleList.swift — the rules in their order, with what each has decided.

public import Primitives

public struct RuleList: Equatable, Sendable {
  public struct Rule: Equatable, Sendable {
    public var name: String
    /// What must hold, a phrase each; empty: it holds for everything.
    public var conditions: [String]
    public var stack: FlowList.Stack
    /// The path of `single`.
    public var path: String?
    public var className: String?
    /// Flows that it decided since the rules were read.
    public var flows: UInt64

    public init(
      name: String, conditions: [String], stack: FlowList.Stack, path: String?, className: String?, flows: UInt64
    ) {
      self.name = name
      self.conditions = conditions
      self.stack = stack
      self.path = path
      self.className = className
      self.flows = flows
    }
  }

  public var rules: [Rule] = []
  /// Flows for which none of them held.
  public var others: UInt64 = 0

  public init() {}

  /// `/v1/rules`
  public func json(_ layout: JSONText.Layout = .line) -> String {
    JSONText.object(layout) {
      $0.array("rules") {
        for (index, rule) in rules.enumerated() {
          $0.object {
            $0.member("place", index + 1)
            $0.member("name", rule.name)
            $0.array("conditions") { for condition in rule.conditions { $0.element(condition) } }
            $0.member("stack", rule.stack.word)
            $0.member("path", rule.path)
            $0.member("class", rule.className)
            $0.member("flows", rule.flows)
          }
        }
      }
      $0.member("default_flows", others)
    }
  }

  /// What `hawser rules` prints.
  public func text() -> String {
    let head = ["#", "RULE", "FLOWS", "CLASS", "STACK", "WHEN"]
    let rows = rules.enumerated().map { index, rule in
      [
        "\(index + 1)", rule.name, "\(rule.flows)", rule.className ?? "-",
        rule.stack.word + (rule.path.map { " \($0)" } ?? ""),
        rule.conditions.isEmpty ? "always" : rule.conditions.joined(separator: ", "),
      ]
    }
    return alignedColumns(
      [head] + rows + [["-", "(none of them)", "\(others)", "-", "striped", "no rule holds"]], right: [0, 2])
  }
}
