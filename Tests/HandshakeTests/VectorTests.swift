import Crypto
import Foundation
import Sealing
import Testing

@testable import Handshake

@Suite struct `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` {
  @Test func `is what others have published, byte by byte`() throws {
    let vectors = try Vectors()
    let cryptography = try LibraryCryptography.make()
    let asking = try vectors.secret("init_static")
    let answering = try vectors.secret("resp_static")
    let (initiatorKey, responderKey) = (cryptography.publicKey(of: asking), cryptography.publicKey(of: answering))
    #expect(try responderKey.bytes == vectors.bytes("init_remote_static"))
    guard let shared = cryptography.sharedSecret(asking, responderKey) else { throw Unfinished() }
    let prologue = Block(try vectors.bytes("init_prologue"))
    let presharedKey = try vectors.secret("psk")
    let messages = try vectors.messages()

    // The question.
    let (question, asked) = (Block(messages[0].ciphertext), Block(messages[0].payload))
    let written = Block(count: question.count)
    let initiator = NoiseInitiator.make(
      prologue: prologue.bytes, ephemeral: try vectors.secret("init_ephemeral"), ourKey: initiatorKey,
      remote: responderKey, staticShared: shared, payload: asked.bytes, ephemeralOut: written.place(0, 32),
      staticOut: written.place(32, 48), payloadOut: written.place(80, asked.count + 16), cryptography)
    #expect(written.array == messages[0].ciphertext)

    let responder = NoiseResponder.read(
      prologue: prologue.bytes, privateKey: answering, ourKey: responderKey,
      theirEphemeral: try question.key(at: 0), sealedStatic: question.part(32, 48), cryptography)
    guard let initiator, var responder else { throw Unfinished() }
    let remote = responder.remote
    #expect(remote == initiatorKey)
    let read = Block(count: asked.count)
    let isTrue = responder.readPayload(question.part(80, asked.count + 16), staticShared: shared, into: read.all)
    #expect(isTrue && read.array == messages[0].payload)

    // The answer.
    let (answer, answered) = (Block(messages[1].ciphertext), Block(messages[1].payload))
    let writtenBack = Block(count: answer.count)
    let atResponder = responder.respond(
      ephemeral: try vectors.secret("resp_ephemeral"), presharedKey: presharedKey, payload: answered.bytes,
      ephemeralOut: writtenBack.place(0, 32), payloadOut: writtenBack.place(32, answered.count + 16))
    #expect(writtenBack.array == messages[1].ciphertext)

    let readBack = Block(count: answered.count)
    let atInitiator = initiator.finish(
      privateKey: asking, presharedKey: presharedKey, theirEphemeral: try answer.key(at: 0),
      sealedPayload: answer.part(32, answered.count + 16), into: readBack.all)
    guard let atInitiator, let atResponder else { throw Unfinished() }
    #expect(readBack.array == messages[1].payload)
    let digests = (Array(atInitiator.digest), Array(atResponder.digest))
    #expect(try digests.0 == vectors.bytes("handshake_hash"))
    #expect(try digests.1 == vectors.bytes("handshake_hash"))

    // What the keys seal.
    let ours = atInitiator.split()
    let others = atResponder.split()
    let keys = [
      ours.fromInitiator.bytes, others.fromInitiator.bytes, ours.fromResponder.bytes, others.fromResponder.bytes,
    ]
    .map { Array($0) }
    #expect(keys[0] == keys[1] && keys[2] == keys[3])
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
    let block = Block(try bytes(name))
    guard let secret = Secret(block.bytes) else { throw WrongLength() }
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

private struct Unfinished: Error {}

/// Bytes at an address that stays.
private final class Block {
  let all: UnsafeMutableRawBufferPointer

  init(count: Int) {
    all = .allocate(byteCount: count, alignment: 16)
    all.initializeMemory(as: UInt8.self, repeating: 0)
  }

  convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    all.copyBytes(from: bytes)
  }

  deinit { all.deallocate() }

  var count: Int { all.count }
  var array: [UInt8] { Array(all) }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(all) }
  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer { bytes.part(offset, count) }
  func place(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer { all.part(offset, count) }
  func key(at offset: Int) throws -> PublicKey { try #require(PublicKey(part(offset, 32))) }
}
