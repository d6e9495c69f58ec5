//  FetchRequest.swift — what is asked of a server, within which bounds, and what came back.

public import Primitives

public struct FetchRequest: Sendable {
  public enum Method: String, Sendable {
    case get = "GET"
    case post = "POST"
  }

  public struct Header: Equatable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
  }

  public var method: Method
  /// `http://…` or `https://…`; nothing else is followed.
  public var url: String
  /// Beyond those that every request has. One with a control character in it is refused, since it would be two.
  public var headers: [Header] = []
  public var body: [UInt8] = []
  public var limits = FetchLimits()

  public init(get url: String) { (method, self.url) = (.get, url) }

  public init(post body: String, as type: String, to url: String) {
    (method, self.url) = (.post, url)
    headers = [Header("Content-Type", type)]
    self.body = Array(body.utf8)
  }

  /// Shows who asks: `Authorization: Bearer …`.
  public mutating func authorize(_ token: String) { headers.append(Header("Authorization", "Bearer \(token)")) }
}

public struct FetchLimits: Equatable, Sendable {
  /// To find the name, reach the server and agree on keys. Two satellite round trips and a lost packet are five
  /// seconds.
  public var connecting = Interval.seconds(5)
  /// For everything, of `fetch`. A stream has no end; of that it is the time until its headers are there.
  public var total = Interval.seconds(10)
  /// A stream on which nothing comes for so long is dead: servers send a comment more often than this.
  public var silence = Interval.seconds(90)
  /// Of an answer's body, or of one event. A map of two hundred nodes with all costs is half of this.
  public var most = 1 << 20

  public init() {}
}

public struct FetchAnswer: Equatable, Sendable {
  public var status: Int
  /// `Content-Type` as the server says it, without its parameters, in lower case; nil: it says nothing.
  public var type: String?
  /// All of them, names in lower case, in the order of the server.
  public var headers: [FetchRequest.Header] = []
  /// Empty behind a stream, whose events have been told.
  public var body: [UInt8] = []

  public init(status: Int, type: String? = nil) { (self.status, self.type) = (status, type) }

  public var isGood: Bool { (200..<300).contains(status) }
  public var isEventStream: Bool { isGood && type == "text/event-stream" }
  /// What is no UTF-8 becomes U+FFFD.
  public var text: String { String(decoding: body, as: UTF8.self) }

  public func header(_ name: String) -> String? { headers.first { $0.name == name.lowercased() }?.value }
}

/// Why there is no answer, as one sentence.
public struct FetchFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Equatable, Sendable {
    /// The address, or a header, is none: to try again does not help.
    case malformed
    /// There is no such host, or nobody listens there.
    case unreachable
    case timedOut
    /// Its certificate is none that we trust, or the other side does not speak TLS.
    case untrusted
    /// The answer is longer than `most`.
    case tooLong
    /// What came is no HTTP, or ended in the middle.
    case broken
    case cancelled
  }

  public let kind: Kind
  public let description: String

  init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }
}
