//  BearerToken.swift — what a client shows to be let in (RFC 6750, §2.1), to be hashed and compared by who knows
//  hashes.

public enum BearerToken {
  /// Of what stands behind `Bearer`; nil: nothing is shown. Anything else is a token that nobody has: no text begins
  /// with a zero.
  public static func bytes(_ authorization: String?) -> [UInt8]? {
    guard let authorization else { return nil }
    let scheme = authorization.prefix { $0 != " " }
    let rest = authorization.dropFirst(scheme.count).drop { $0 == " " }
    return scheme.lowercased() == "bearer" && !rest.isEmpty ? Array(rest.utf8) : [0] + Array(authorization.utf8)
  }
}
