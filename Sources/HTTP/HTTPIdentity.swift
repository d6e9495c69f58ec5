//  HTTPIdentity.swift — who a server is over HTTPS, and why that is not accepted.
//
//  libmicrohttpd reads both texts when it starts, and says what is wrong with them to its log only; so the first line
//  of that log becomes our sentence. Later lines are about strangers who do not speak TLS: nobody reads them.

import CMicrohttpd
import Glibc

public struct HTTPIdentity: Equatable, Sendable {
  /// PEM: the server's certificate first, then those between it and an authority.
  public let certificate: [UInt8]
  /// PEM, of the first certificate.
  public let key: [UInt8]

  public init(certificate: [UInt8], key: [UInt8]) { (self.certificate, self.key) = (certificate, key) }
}

/// Why a server did not start.
public struct HTTPFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// An identity where the library reads it, for as long as it serves.
final class LoadedIdentity {
  /// TLS 1.2 is ten years older than we are; what came before it is broken.
  static let priorities: StaticString = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

  let certificate: UnsafeMutablePointer<CChar>
  let key: UnsafeMutablePointer<CChar>
  private let keyLength: Int
  fileprivate(set) var complaint: String?

  init(_ identity: HTTPIdentity) throws(HTTPFailure) {
    if MHD_is_feature_supported(.FEATURE_TLS) != .YES {
      throw HTTPFailure(
        "libmicrohttpd was built without TLS here: serve plain HTTP on loopback, or install another build")
    }
    for (bytes, name) in [(identity.certificate, "certificate"), (identity.key, "key")] {
      // It reads up to the first zero.
      if bytes.isEmpty || bytes.contains(0) { throw HTTPFailure("the \(name) is no PEM text") }
    }
    certificate = LoadedIdentity.copy(identity.certificate)
    key = LoadedIdentity.copy(identity.key)
    keyLength = identity.key.count
  }

  deinit {
    explicit_bzero(key, keyLength)
    key.deallocate()
    certificate.deallocate()
  }

  private static func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { (copy + index).initialize(to: CChar(bitPattern: byte)) }
    (copy + bytes.count).initialize(to: 0)
    return copy
  }

  static let log: MHD_LogCallback = { place, format, values in
    guard let place, let format, let values else { return }
    let identity = Unmanaged<LoadedIdentity>.fromOpaque(place).takeUnretainedValue()
    if identity.complaint != nil { return }
    var line = [CChar](repeating: 0, count: 512)
    vsnprintf(&line, line.count, format, values)
    let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    identity.complaint = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline).joined(
      separator: "; ")
  }
}
