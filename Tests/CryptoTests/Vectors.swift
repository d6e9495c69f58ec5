//  Vectors.swift — published test vectors: lines of words below Vectors/, where each file says where it is from.

import Foundation
import Sealing

/// Bytes in hexadecimal; `-` stands for none.
func bytes(_ text: some StringProtocol) -> [UInt8] {
  if text == "-" { return [] }
  let digits = Array(text)
  return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
}

func text(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

enum Vectors {
  static func lines(_ file: String) throws -> [[Substring]] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors")
    let all = try String(contentsOf: folder.appendingPathComponent(file + ".txt"), encoding: .utf8)
    return all.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ") }
  }

  /// One message under one key.
  struct Sealed {
    let name: String
    let isValid: Bool
    let key, nonce, header, text, sealed: [UInt8]
  }

  static func sealed(_ file: String) throws -> [Sealed] {
    try lines(file).map { words in
      Sealed(
        name: "\(file) \(words[0])", isValid: words[1] == "valid", key: bytes(words[2]), nonce: bytes(words[3]),
        header: bytes(words[4]), text: bytes(words[5]), sealed: bytes(words[6]))
    }
  }

  struct Agreed {
    let name: String
    let publicKey, privateKey: [UInt8]
    /// Empty when there is none that is secret.
    let shared: [UInt8]
  }

  static func agreed(_ file: String) throws -> [Agreed] {
    try lines(file).map {
      Agreed(name: "\(file) \($0[0])", publicKey: bytes($0[1]), privateKey: bytes($0[2]), shared: bytes($0[3]))
    }
  }
}

/// A secret from as many bytes as there are, and zeros.
func secret(_ bytes: [UInt8]) -> Secret {
  var secret = Secret()
  secret.withMutableBytes { place in
    for (index, byte) in bytes.enumerated() { place[index] = byte }
  }
  return secret
}
