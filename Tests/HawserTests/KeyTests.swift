import Foundation
import Testing

@Suite struct `hawser's keys` {
  @Test func `a new key is 44 characters of base64, another each time, and its public key is always the same`() {
    let first = run("genkey")
    #expect(first.status == 0 && first.output.utf8.count == 45 && first.output.hasSuffix("=\n"))
    #expect(run("genkey").output != first.output)
    let key = first.output.dropLast()
    let publicKey = shell("echo \(key) | \(program) pubkey").output
    #expect(publicKey.utf8.count == 45 && publicKey != first.output)
    #expect(shell("printf '\\n %s \\r\\n' '\(key)' | \(program) pubkey").output == publicKey)
  }

  /// RFC 7748, section 6.1.
  @Test func `public keys are X25519's`() {
    let alice = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
    #expect(shell("echo \(alice) | \(program) pubkey").output == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n")
  }

  @Test func `genpsk makes a secret of the same form`() {
    let secret = run("genpsk")
    #expect(secret.status == 0 && secret.output.utf8.count == 45 && run("genpsk").output != secret.output)
  }

  @Test(arguments: [
    ("", "expected 44 characters of base64, found 0"), ("AAAA", "expected 44 characters of base64, found 4"),
    ("-----BEGIN", "expected 44 characters of base64; character 1 is none"),
  ])
  func `what is no private key is told so, with exit code 64, and not repeated`(text: String, what: String) {
    let answer = shell("printf %s '\(text)' | \(program) pubkey")
    #expect(answer.status == 64)
    #expect(answer.output == "hawser pubkey: no private key on standard input: \(what)\n")
  }

  @Test func `a key that goes into a file for everybody comes with a warning`() throws {
    let folder = try Folder()
    let loud = shell("umask 022; \(program) genkey 3>&1 >\(folder.path)/loud")
    #expect(loud.status == 0 && loud.output.contains("umask 077"))
    #expect(shell("umask 077; \(program) genkey >\(folder.path)/quiet").output.isEmpty)
  }
}

/// A folder of its own that is gone afterwards.
final class Folder: Sendable {
  let path: String

  init() throws {
    var name = Array("/tmp/hawser-tests.XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw CocoaError(.fileWriteUnknown) }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file there; its path.
  func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
    let file = path + "/" + name
    try text.write(toFile: file, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    return file
  }
}
