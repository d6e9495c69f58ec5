//  EndpointText.swift — where a peer is, as somebody wrote it: an address or a name, and a port.
//
//      192.0.2.1:51820      [2001:db8::1]:51820      gateway.example.net:51820
//
//  A name is only recognised here; what it stands for is the resolver's business. An IPv6 address with a scope that is
//  a name (`[fe80::1%eth0]:51820`) is one for the resolver too: only the kernel knows the number of eth0.

public enum EndpointText: Hashable, Sendable, CustomStringConvertible {
  case address(Endpoint)
  case name(host: String, port: UInt16)

  /// What is wrong, as one sentence.
  public enum Defect: Error, Hashable, Sendable, CustomStringConvertible {
    case portMissing(String)
    case portInvalid(String)
    case bracketsMissing(String)
    case bracketOpen(String)
    case addressInvalid(String)
    case nameInvalid(String)

    public var description: String {
      switch self {
      case .portMissing(let text):
        "\"\(text)\" has no port: write ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT"
      case .portInvalid(let text): "\"\(text)\" is no port: write a number from 1 to 65535"
      case .bracketsMissing(let text): "\"\(text)\" is an IPv6 address without brackets: write [ADDRESS]:PORT"
      case .bracketOpen(let text): "\"\(text)\" has an opening bracket and no closing one: write [ADDRESS]:PORT"
      case .addressInvalid(let text): "\"\(text)\" is no IPv6 address: inside brackets there is one, as [2001:db8::1]"
      case .nameInvalid(let text):
        "\"\(text)\" is neither an IPv4 address nor a name: names are letters, digits and dashes between dots"
      }
    }
  }

  public init(_ text: some StringProtocol) throws(Defect) {
    let whole = String(text)
    if whole.hasPrefix("[") {
      guard let close = whole.firstIndex(of: "]") else { throw .bracketOpen(whole) }
      let inside = whole[whole.index(after: whole.startIndex)..<close]
      let port = try EndpointText.port(whole[whole.index(after: close)...], of: whole)
      self = try EndpointText.bracketed(String(inside), port: port)
      return
    }
    guard let colon = whole.lastIndex(of: ":") else { throw .portMissing(whole) }
    let host = whole[..<colon]
    if host.contains(":") { throw .bracketsMissing(whole) }
    let port = try EndpointText.port(whole[colon...], of: whole)
    if let address = IPAddress(host) {
      self = .address(Endpoint(address, port: port))
    } else {
      guard EndpointText.isName(host) else { throw .nameInvalid(String(host)) }
      self = .name(host: String(host), port: port)
    }
  }

  /// `text` begins with the colon.
  private static func port(_ text: Substring, of whole: String) throws(Defect) -> UInt16 {
    guard text.hasPrefix(":") else { throw .portMissing(whole) }
    let digits = text.dropFirst()
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits), port > 0
    else {
      throw digits.isEmpty ? .portMissing(whole) : .portInvalid(String(digits))
    }
    return port
  }

  private static func bracketed(_ text: String, port: UInt16) throws(Defect) -> EndpointText {
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(parts[0]), address.family == .ipv6 else { throw .addressInvalid(text) }
    if parts.count == 1 { return .address(Endpoint(address, port: port)) }
    if let scope = UInt32(parts[1]) { return .address(Endpoint(address, port: port, scope: scope)) }
    guard (1...15).contains(parts[1].utf8.count) else { throw .addressInvalid(text) }
    return .name(host: text, port: port)
  }

  /// RFC 1123's host names, and the underscores that people use. What is digits in its last part is a mistyped address.
  private static func isName(_ text: Substring) -> Bool {
    guard (1...253).contains(text.utf8.count) else { return false }
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    for label in labels {
      guard (1...63).contains(label.utf8.count), label.first != "-", label.last != "-" else { return false }
      let isPlain = label.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95
      }
      guard isPlain else { return false }
    }
    return !(labels.last ?? "").utf8.allSatisfy { (48...57).contains($0) }
  }

  public var description: String {
    switch self {
    case .address(let endpoint): endpoint.description
    case .name(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }
}

extension Endpoint {
  /// From `192.0.2.1:51820` or `[2001:db8::1]:51820`; nil for anything else, also for a name.
  public init?(_ text: some StringProtocol) {
    guard case .address(let endpoint)? = try? EndpointText(text) else { return nil }
    self = endpoint
  }
}
