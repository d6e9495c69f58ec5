//  Keys.swift — genkey, genpsk and pubkey: the same words and the same 44 characters that WireGuard's users know.

import Configuration
import Crypto
import Glibc
import Sealing

enum Keys {
  enum Purpose {
    /// X25519.
    case exchange
    /// A secret between two.
    case sharing
  }

  static func generate(for purpose: Purpose) throws(Refusal) -> Int32 {
    let secret = try new(for: purpose)
    warnAboutReaders()
    var text = [UInt8](repeating: UInt8(ascii: "\n"), count: Secret.textLength + 1)
    text.withUnsafeMutableBytes { secret.writeText(into: $0) }
    defer { text.withUnsafeMutableBytes { wipe($0) } }
    guard Output.write(text, to: STDOUT_FILENO) else { throw Refusal("hawser: cannot write the key", exitCode: 2) }
    return 0
  }

  static func new(for purpose: Purpose) throws(Refusal) -> Secret {
    let cryptography = try library()
    var secret = Secret()
    secret.withMutableBytes { bytes in
      cryptography.random(bytes)
      // X25519 does this to every private key anyway; done here, equal keys look equal.
      if purpose == .exchange {
        bytes[0] &= 0xf8
        bytes[31] = bytes[31] & 0x7f | 0x40
      }
    }
    return secret
  }

  static func printPublic() throws(Refusal) -> Int32 {
    let input: SmallFile
    do throws(SmallFile.Failure) {
      input = try SmallFile(reading: STDIN_FILENO, limit: 4_096)
    } catch {
      throw Refusal("hawser pubkey: cannot read standard input: \(error.reason)", exitCode: 2)
    }
    let secret: KeptSecret
    do throws(Complaint) {
      secret = try SecretFile.secret(in: input.bytes)
    } catch {
      throw Refusal("hawser pubkey: no private key on standard input: \(error.sentence)", exitCode: 64)
    }
    Output.write("\(try library().publicKey(of: secret.copied()))")
    return 0
  }

  /// What computes; it tests itself when it is made.
  static func library() throws(Refusal) -> LibraryCryptography {
    do throws(CryptographyFailure) {
      return try LibraryCryptography.make()
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
  }

  private static func warnAboutReaders() {
    var status = stat()
    guard fstat(STDOUT_FILENO, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o007 != 0 else {
      return
    }
    Output.complain("hawser: everybody may read the file that this key goes to; run umask 077 first, or chmod 600 it")
  }
}
