//  Plan.swift — how a flow is carried: what its first packet was given, and its later packets find in the flow.

/// Eight bytes, kept in each flow. All zero is a plan of no revision, which no rules ever made.
public struct Plan: Equatable, Sendable, BitwiseCopyable {
  public enum Stack: UInt8, Sendable, BitwiseCopyable {
    /// Over all paths, each carries its share.
    case striped
    /// Over one path.
    case single
    /// As it comes, without order.
    case raw
  }

  public var stack: Stack { Stack(rawValue: stackAndClass & 3) ?? .striped }
  /// The class that a rule gave it, see `Classes`; nil: none did, so its protocol and its rhythm decide.
  public var classNumber: Int? { stackAndClass >> 2 == 0 ? nil : Int(stackAndClass >> 2) - 1 }
  /// For `single`: the path's place in the configuration; nil: the best.
  public var path: UInt8? { chosenPath == .max ? nil : chosenPath }
  /// The rule's place; nil: no rule held, so it is the default.
  public var rule: Int? { ruleNumber == .max ? nil : Int(ruleNumber) }
  /// Of the rules that made it; see `Rules.revision`.
  public let revision: UInt32

  /// For a rule that names a path which has no place at the moment: no socket's number.
  public static let noPath: UInt8 = 0xfe

  private let stackAndClass: UInt8
  private let chosenPath: UInt8
  private let ruleNumber: UInt16

  init(_ stack: Stack, path: UInt8?, classNumber: UInt8? = nil, rule: Int?, revision: UInt32) {
    precondition(classNumber ?? 0 < Classes.most, "a class that no plan can name")
    stackAndClass = stack.rawValue | (classNumber.map { $0 + 1 } ?? 0) << 2
    chosenPath = path ?? .max
    ruleNumber = rule.map { UInt16($0) } ?? .max
    self.revision = revision
  }
}
