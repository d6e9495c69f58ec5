//  Exchange.swift — a request that somebody is to send, what came back, and where things are.
//
//  Addresses come from the command line and, in an ALTO server's directory, from the server. Only http and https are
//  addresses for us, and nothing in one may end a line of a request. A token goes to the origin that the user named
//  and to no other, whatever a directory says.

import JSON

public struct WebRequest: Equatable, Sendable {
  public var address: ResourceAddress
  public var accept: String
  /// The body's type and text; nil: GET.
  public var body: Body?

  public struct Body: Equatable, Sendable {
    public var type: String
    public var text: String
  }

  init(_ address: ResourceAddress, accept: String, body: Body? = nil) {
    self.address = address
    self.accept = accept
    self.body = body
  }
}

public struct WebReply: Sendable {
  public var status: Int
  /// Without parameters, in small letters.
  public var type: String?
  public var body: [UInt8]

  public init(status: Int, type: String?, body: [UInt8]) {
    self.status = status
    self.type = type
    self.body = body
  }
}

/// Why there is no answer, as one sentence that needs no subject before it.
public struct ConsultingFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension WebReply {
  /// The document of a good answer, or what the server says is wrong: the oracle's way, ALTO's, or neither.
  func document(from address: ResourceAddress) throws(ConsultingFailure) -> JSONValue {
    let value = try? JSONValue(reading: body, limits: Bounds.reading)
    if status == 200, let value { return value }
    if status == 200 { throw ConsultingFailure("\(address) answers with something that is no JSON") }
    if let error = value?["error"] {
      let sentence = error["message"]?.string ?? error["code"]?.string ?? "no reason"
      let field = error["field"]?.string.map { " (\(Figures.shown($0)))" } ?? ""
      let hint = status == 401 ? "; see --token-file" : ""
      throw ConsultingFailure("the oracle refuses: \(Figures.shown(sentence))\(field)\(hint)")
    }
    if let meta = value?["meta"], let code = meta["code"]?.string {
      let words = [meta["field"], meta["value"], meta["syntax-error"]].compactMap { $0?.string }
      let text = ([code] + words).map { Figures.shown($0) }.joined(separator: ", ")
      throw ConsultingFailure("\(address) refuses: \(text)")
    }
    throw ConsultingFailure("\(address) answers with status \(status)\(WebReply.meaning(status))")
  }

  private static func meaning(_ status: Int) -> String {
    switch status {
    case 401, 403: "; give a token with --token-file"
    case 404: ": nothing is there"
    case 429, 503: ": it is busy, try again later"
    default: ""
    }
  }
}

/// `https://oracle.example.com:8461/alto/`: where something is on the web.
public struct ResourceAddress: Equatable, Sendable, CustomStringConvertible {
  /// `https://oracle.example.com:8461`
  public let origin: String
  /// `/alto/`, with the query.
  public let path: String

  /// Browsers and servers take no more.
  static let mostLength = 2_048

  public init?(_ text: String) {
    guard text.utf8.count <= ResourceAddress.mostLength, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
      let schemeEnd = text.firstRange(of: "://")
    else { return nil }
    let scheme = text[..<schemeEnd.lowerBound].lowercased()
    let rest = text[schemeEnd.upperBound...].prefix { $0 != "#" }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    guard scheme == "http" || scheme == "https", !authority.isEmpty,
      authority.utf8.allSatisfy({ ResourceAddress.isHostByte($0) })
    else { return nil }
    origin = scheme + "://" + authority.lowercased()
    let behind = rest[authority.endIndex...]
    path = ResourceAddress.straight(behind.hasPrefix("/") ? String(behind) : "/" + behind)
  }

  private init(origin: String, path: String) {
    self.origin = origin
    self.path = path
  }

  /// Letters, digits, dots and dashes, a port, and the brackets of an IPv6 address; no `@`: a password is no address.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
      UInt8(ascii: "["), UInt8(ascii: "]"):
      true
    default: false
    }
  }

  public var description: String { origin + path }

  /// A reference as a document at this address has it (RFC 3986 §5.2); nil when it is none of the web.
  public func resolving(_ reference: String) -> ResourceAddress? {
    let reference = String(reference.prefix { $0 != "#" })
    if reference.utf8.count > ResourceAddress.mostLength { return nil }
    if reference.firstRange(of: "://") != nil, !reference.hasPrefix("/") { return ResourceAddress(reference) }
    guard reference.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    if reference.hasPrefix("//") { return ResourceAddress(String(origin.prefix { $0 != "/" }) + reference) }
    if reference.hasPrefix("/") { return ResourceAddress(origin: origin, path: ResourceAddress.straight(reference)) }
    let own = path.prefix { $0 != "?" }
    if reference.isEmpty { return self }
    if reference.hasPrefix("?") { return ResourceAddress(origin: origin, path: own + reference) }
    let folder = own[...(own.lastIndex(of: "/") ?? own.startIndex)]
    return ResourceAddress(origin: origin, path: ResourceAddress.straight(folder + reference))
  }

  /// The same path below this address, which may end with a slash or not.
  public func appending(_ suffix: String) -> ResourceAddress {
    var base = path.prefix { $0 != "?" }
    while base.hasSuffix("/") { base.removeLast() }
    return ResourceAddress(origin: origin, path: base + "/" + suffix)
  }

  public func isSameOrigin(as other: ResourceAddress) -> Bool { origin == other.origin }

  /// Without `.` and `..`.
  private static func straight(_ path: some StringProtocol) -> String {
    let query = path.firstIndex(of: "?").map { String(path[$0...]) } ?? ""
    var kept: [Substring] = []
    let parts = path.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
    for (place, part) in parts.enumerated().dropFirst() {
      let isLast = place == parts.count - 1
      if part == ".." && !kept.isEmpty { kept.removeLast() }
      if part != "." && part != ".." { kept.append(Substring(part)) } else if isLast { kept.append("") }
    }
    return "/" + kept.joined(separator: "/") + query
  }
}
