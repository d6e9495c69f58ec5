import Crypto
import Foundation
import FuzzTargets
import Sealing
import Testing

@testable import Handshake

@Suite struct `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` {
  @Test func `is what others have published, byte by byte`() throws {
    let vectors = try Vectors()
    let cryptography = try LibraryCryptography.make()
    let initiatorKey = try #require(PublicKey(of: vectors.secret("init_static"), cryptography))
    let responderKey = try #require(PublicKey(of: vectors.secret("resp_static"), cryptography))
    #expect(try responderKey.bytes == vectors.bytes("init_remote_static"))
    let shared = try #require(cryptography.sharedSecret(vectors.secret("init_static"), responderKey))
    let prologue = try vectors.bytes("init_prologue")
    let presharedKey = try vectors.secret("psk")
    let messages = try vectors.messages()

    // The question.
    let question = messages[0]
    var written = [UInt8](repeating: 0, count: 32 + 48 + question.payload.count + 16)
    let ephemeral = try vectors.secret("init_ephemeral")
    var initiator: NoiseInitiator? = prologue.withUnsafeBytes { prologue in
      question.payload.withUnsafeBytes { payload in
        written.withUnsafeMutableBytes { written in
          NoiseInitiator.make(
            prologue: prologue, ephemeral: Secret(copying: ephemeral), ourKey: initiatorKey, remote: responderKey,
            staticShared: shared, payload: payload, ephemeralOut: written.part(0, 32), staticOut: written.part(32, 48),
            payloadOut: written.part(80, payload.count + 16), cryptography)
        }
      }
    }
    #expect(written == question.ciphertext)

    let theirs = try #require(question.ciphertext.withUnsafeBytes { PublicKey($0.part(0, 32)) })
    let privateKey = try vectors.secret("resp_static")
    var responder: NoiseResponder? = prologue.withUnsafeBytes { prologue in
      question.ciphertext.withUnsafeBytes { message in
        NoiseResponder.read(
          prologue: prologue, privateKey: privateKey, ourKey: responderKey, theirEphemeral: theirs,
          sealedStatic: message.part(32, 48), cryptography)
      }
    }
    #expect(responder?.remote == initiatorKey)
    var read = [UInt8](repeating: 0, count: question.payload.count)
    let isTrue = question.ciphertext.withUnsafeBytes { message in
      read.withUnsafeMutableBytes { read in
        responder?.readPayload(message.part(80, message.count - 80), staticShared: shared, into: read)
      }
    }
    #expect(isTrue == true && read == question.payload)

    // The answer.
    let answer = messages[1]
    written = [UInt8](repeating: 0, count: 32 + answer.payload.count + 16)
    let answering = try vectors.secret("resp_ephemeral")
    let atResponder = answer.payload.withUnsafeBytes { payload in
      written.withUnsafeMutableBytes { written in
        responder.take()?.respond(
          ephemeral: Secret(copying: answering), presharedKey: presharedKey, payload: payload,
          ephemeralOut: written.part(0, 32), payloadOut: written.part(32, payload.count + 16))
      }
    }
    #expect(written == answer.ciphertext)

    let answered = try #require(answer.ciphertext.withUnsafeBytes { PublicKey($0.part(0, 32)) })
    let asking = try vectors.secret("init_static")
    read = [UInt8](repeating: 0, count: answer.payload.count)
    let atInitiator = answer.ciphertext.withUnsafeBytes { message in
      read.withUnsafeMutableBytes { read in
        initiator.take()?.finish(
          privateKey: asking, presharedKey: presharedKey, theirEphemeral: answered,
          sealedPayload: message.part(32, message.count - 32), into: read)
      }
    }
    #expect(read == answer.payload)
    guard let atInitiator, let atResponder else { return #expect(Bool(false), "a side did not finish") }
    #expect(try Array(atInitiator.digest) == vectors.bytes("handshake_hash"))
    #expect(try Array(atResponder.digest) == vectors.bytes("handshake_hash"))

    // What the keys seal.
    let ours = atInitiator.split()
    let others = atResponder.split()
    #expect(Array(ours.fromInitiator.bytes) == Array(others.fromInitiator.bytes))
    #expect(Array(ours.fromResponder.bytes) == Array(others.fromResponder.bytes))
    for (index, message) in messages.enumerated().dropFirst(2) {
      let nonce = UInt64(index / 2 - 1)
      let sealed =
        index % 2 == 0
        ? seal(message.payload, ours.fromInitiator, nonce, cryptography)
        : seal(message.payload, ours.fromResponder, nonce, cryptography)
      #expect(sealed == message.ciphertext, "message \(index)")
    }
  }

  private func seal(
    _ text: [UInt8], _ key: borrowing Secret, _ nonce: UInt64, _ cryptography: LibraryCryptography
  ) -> [UInt8] {
    var sealed = [UInt8](repeating: 0, count: text.count + 16)
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    text.withUnsafeBytes { text in
      sealed.withUnsafeMutableBytes { sealed in
        cryptography.seal(key: key, nonce: nonce, header: nothing, text, into: sealed)
      }
    }
    return sealed
  }
}

private struct Vectors {
  private let lines: [[Substring]]

  init() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Vectors/cacophony-ikpsk2.txt")
    lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
      .map { $0.split(separator: " ") }
  }

  func bytes(_ name: String) throws -> [UInt8] {
    let line = try #require(lines.first { $0[0] == name }, "the vectors have no \(name)")
    return hexadecimal(line[1])
  }

  func secret(_ name: String) throws -> Secret {
    let bytes = try bytes(name)
    guard let secret = bytes.withUnsafeBytes({ Secret($0) }) else { throw WrongLength() }
    return secret
  }

  func messages() throws -> [(payload: [UInt8], ciphertext: [UInt8])] {
    let messages = lines.filter { $0[0] == "message" }.map { (hexadecimal($0[1]), hexadecimal($0[2])) }
    try #require(messages.count == 6)
    return messages
  }

  private struct WrongLength: Error {}

  private func hexadecimal(_ text: Substring) -> [UInt8] {
    let digits = Array(text)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
  }
}

extension PublicKey {
  init?(of secret: borrowing Secret, _ cryptography: LibraryCryptography) {
    self = cryptography.publicKey(of: secret)
  }
}
