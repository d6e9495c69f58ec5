//  OracleRequest.swift — what comes in and what goes out, as far as it matters whatever carries it.

public import ALTO
public import Primitives
public import Sealing

public struct OracleRequest: Sendable {
  public var method: String
  /// Without the query.
  public var path: String
  /// Content-Type, as it was sent.
  public var mediaType: String?
  public var accept: String?
  public var body: [UInt8]
  /// The body was longer than `Oracle.Limits.body`, and nobody kept it.
  public var isTooLong: Bool
  /// Of the token that was shown; nil: none was.
  public var token: TokenHash?
  public var client: IPAddress?
  /// Whoever reaches us where this came in may read without a token.
  public var isOpen: Bool

  public init(
    method: String, path: String, mediaType: String? = nil, accept: String? = nil, body: [UInt8] = [],
    isTooLong: Bool = false, token: TokenHash? = nil, client: IPAddress? = nil, isOpen: Bool = false
  ) {
    self.method = method
    self.path = path
    self.mediaType = mediaType
    self.accept = accept
    self.body = body
    self.isTooLong = isTooLong
    self.token = token
    self.client = client
    self.isOpen = isOpen
  }
}

public struct OracleAnswer: Sendable {
  public var status: Int
  /// nil: there is no body.
  public var mediaType: String?
  public var headers: [(name: String, value: String)] = []
  public var body: String
  /// The answer goes on: its texts come out of `nextOutput`.
  public var stream: ALTOServer.StreamID?

  init(_ status: Int, _ mediaType: String?, _ body: String, _ headers: [(name: String, value: String)] = []) {
    self.status = status
    self.mediaType = mediaType
    self.body = body
    self.headers = headers
  }

  static let json = "application/json"

  /// Of a page that is complete.
  public init(map text: String) { self.init(200, OracleAnswer.json, text) }
}

/// Why a request is not answered with what it asked for.
struct Failure: Error {
  enum Kind: String {
    case syntax = "E_SYNTAX"
    case missingField = "E_MISSING_FIELD"
    case fieldType = "E_INVALID_FIELD_TYPE"
    case fieldValue = "E_INVALID_FIELD_VALUE"
    case unauthorized = "E_UNAUTHORIZED"
    case forbidden = "E_FORBIDDEN"
    case notFound = "E_NOT_FOUND"
    case method = "E_METHOD"
    case notAcceptable = "E_NOT_ACCEPTABLE"
    case tooLong = "E_TOO_LONG"
    case mediaType = "E_MEDIA_TYPE"
    case tooOften = "E_TOO_OFTEN"

    var status: Int {
      switch self {
      case .syntax, .missingField, .fieldType, .fieldValue: 400
      case .unauthorized: 401
      case .forbidden: 403
      case .notFound: 404
      case .method: 405
      case .notAcceptable: 406
      case .tooLong: 413
      case .mediaType: 415
      case .tooOften: 429
      }
    }
  }

  var kind: Kind
  /// One sentence.
  var message: String
  /// As one would write it in a program: `edges[3].loss`.
  var field: String?
  var headers: [(name: String, value: String)] = []

  init(_ kind: Kind, _ message: String, field: String? = nil, headers: [(name: String, value: String)] = []) {
    self.kind = kind
    self.message = message
    self.field = field
    self.headers = headers
  }

  var answer: OracleAnswer {
    let body = JSONText.object {
      $0.object("error") {
        $0.member("code", kind.rawValue)
        $0.member("message", message)
        if let field { $0.member("field", field) }
      }
    }
    return OracleAnswer(kind.status, OracleAnswer.json, body + "\n", headers)
  }
}
