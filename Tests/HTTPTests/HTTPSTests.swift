//  HTTPSTests.swift — the same server over TLS, asked by curl, and what it says of certificates that are none.

import Crypto
import Foundation
import Glibc
import HTTP
import Testing

@Suite struct `A server over TLS` {
  @Test func `answers curl, with bodies, queries and streams`() throws {
    let own = try OwnCertificate()
    defer { own.remove() }
    let server = try Standing(mostBody: 100, identity: own.identity) { request in
      let text = String(decoding: request.body, as: UTF8.self)
      return HTTPResponse(
        status: 200, type: "text/plain",
        body: "\(request.method) \(request.path) \(request.query ?? "-") \(request.authorization ?? "-") \(text)")
    }
    let address = "https://127.0.0.1:\(server.port)/v1/query?a=b"
    let curl = "curl --silent --show-error --max-time 20 --cacert \(own.certificateFile)"
    #expect(
      shell("\(curl) -H 'Authorization: Bearer x' -d '{}' '\(address)'").output == "POST /v1/query a=b Bearer x {}")
    #expect(shell("\(curl) '\(address)' '\(address)'").output == String(repeating: "GET /v1/query a=b - ", count: 2))
    // Nobody is answered who does not ask over TLS, or over one that is broken; all others are meanwhile.
    #expect(!server.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("200"))
    #expect(shell("\(curl) --tls-max 1.1 --tlsv1.0 --ciphers DEFAULT@SECLEVEL=0 '\(address)'").status != 0)
    #expect(shell("\(curl) --tls-max 1.2 '\(address)'").status == 0)
    #expect(shell("curl --silent --max-time 20 '\(address)'").status != 0)
    #expect(shell("\(curl) '\(address)'").status == 0)
  }

  @Test func `has room again when strangers who never agree on keys have had their time`() throws {
    let own = try OwnCertificate()
    defer { own.remove() }
    let server = try Standing(patience: 1, identity: own.identity) { _ in
      HTTPResponse(status: 200, type: "text/plain", body: "there")
    }
    // As many as may be connected: silent ones, and some that begin a handshake and stop.
    let strangers = try (0..<16).map { try server.open($0 % 2 == 0 ? "\u{16}\u{3}\u{1}\u{2}" : "") }
    defer { for stranger in strangers { close(stranger) } }
    let answer = shell(
      "curl --silent --max-time 60 --cacert \(own.certificateFile) 'https://127.0.0.1:\(server.port)/'")
    #expect(answer.output == "there")
  }

  @Test func `says what is wrong with a certificate or a key`() throws {
    let own = try OwnCertificate()
    defer { own.remove() }
    let other = try OwnCertificate()
    defer { other.remove() }
    func failure(_ certificate: [UInt8], _ key: [UInt8]) -> String? {
      let identity = HTTPIdentity(certificate: certificate, key: key)
      let failure = #expect(throws: HTTPFailure.self) {
        try Standing(identity: identity) { _ in HTTPResponse(status: 200, type: "text/plain", body: "") }
      }
      return failure?.description
    }
    let (certificate, key) = (own.identity.certificate, own.identity.key)
    #expect(failure([], key) == "the certificate is no PEM text")
    #expect(failure(certificate, key + [0]) == "the key is no PEM text")
    let start = "certificate and key are not accepted: "
    for (certificate, key) in [
      (Array("hello".utf8), key), (certificate, Array("hello".utf8)), (key, certificate),
      (certificate, other.identity.key), (Array(certificate.dropLast(40)), key),
    ] {
      let words = failure(certificate, key)
      #expect(words?.hasPrefix(start) == true && words?.contains("GnuTLS") == true, "\(words ?? "-")")
    }
  }
}

/// Made as for an oracle without an authority.
private struct OwnCertificate {
  let identity: HTTPIdentity
  let certificateFile: String
  private let folder: String

  init() throws {
    var template = Array("/tmp/hawser-https.XXXXXX".utf8CString)
    _ = mkdtemp(&template)
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    certificateFile = folder + "/certificate.pem"
    let own = try #require(SelfSigned(for: ["IP:127.0.0.1"]))
    try Data(own.certificate).write(to: URL(fileURLWithPath: certificateFile))
    identity = HTTPIdentity(certificate: own.certificate, key: own.key)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

private func shell(_ command: String) -> (status: Int32, output: String) {
  guard let pipe = popen(command + " 2>&1", "r") else { return (-1, "no shell") }
  var output: [UInt8] = []
  var room = [UInt8](repeating: 0, count: 4_096)
  while case let count = fread(&room, 1, room.count, pipe), count > 0 { output += room[..<count] }
  return (pclose(pipe), String(decoding: output, as: UTF8.self))
}
