//  OracleNode.swift — a gateway or a relay as an oracle knows it: its facts, how to reach it, and what it shows.

public import PathOracle
import Primitives
public import Sealing

public struct OracleNode: Equatable, Sendable {
  public var facts: NodeFacts
  /// As gateways are told of it: an address or a name, and a port.
  public var endpoints: [String]
  /// Of a relay, in base64.
  public var publicKey: String?
  /// nil: it is on the map and reports nothing.
  public var token: TokenHash?

  public init(facts: NodeFacts, endpoints: [String] = [], publicKey: String? = nil, token: TokenHash? = nil) {
    self.facts = facts
    self.endpoints = endpoints
    self.publicKey = publicKey
    self.token = token
  }

  func writeContact(to page: inout JSONText.Object) {
    page.member("endpoint", endpoints.first)
    if endpoints.count > 1 {
      page.array("endpoints") { list in
        for endpoint in endpoints { list.element(endpoint) }
      }
    }
    if let publicKey { page.member("public_key", publicKey) }
  }
}

public enum NodeVerdict: Equatable, Sendable {
  case set
  case unchanged
  /// What the map says against it.
  case refused(NodeFacts.Verdict)
  /// Somebody else has this token; the node is there without one.
  case tokenOfAnother
}
