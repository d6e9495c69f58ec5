//  KeySource.swift — where the secrets of a configuration come from, and who may read the files that they are in.

public import Sealing

extension KeptSecret {
  /// Appends the 44 characters and a line's end, as a file of its own has them; the caller wipes it.
  public func appendLine(to text: inout [UInt8]) {
    appendText(to: &text)
    text.append(UInt8(ascii: "\n"))
  }

  /// Appends the 44 characters to this text, which the caller wipes.
  func appendText(to text: inout [UInt8]) {
    let start = text.count
    text.append(contentsOf: repeatElement(0, count: Secret.textLength))
    unsafe text.withUnsafeMutableBytes { unsafe copied().writeText(into: .init(rebasing: $0[start...])) }
  }
}

/// Where a secret comes from: out of the file itself, or out of another one that only its owner may read.
public enum KeySource: Equatable, Sendable {
  case held(KeptSecret)
  case file(String)

  /// nil as long as nobody has read the file.
  public var secret: KeptSecret? {
    if case .held(let secret) = self { secret } else { nil }
  }
}

/// Who may read a file with a secret in it.
public enum SecretFile {
  /// The secret that a file holds; blanks and line ends around it do not count. What it throws shows nothing of it.
  public static func secret(in text: [UInt8]) throws(Complaint) -> KeptSecret {
    func isBlank(_ byte: UInt8) -> Bool { [32, 9, 10, 13].contains(byte) }
    let start = text.firstIndex { !isBlank($0) } ?? text.endIndex
    let end = text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
    guard let secret = Secret(text: text[start..<end]) else { throw keyComplaint(text[start..<end]) }
    return KeptSecret(secret)
  }

  /// What is wrong with these permission bits (`st_mode & 0o777`), as a sentence with its remedy; nil when nothing is.
  /// A group may read: that is how a service without root gets its key.
  public static func complaint(about path: String, permissions: UInt32) -> String? {
    let others = permissions & 0o7
    if others == 0 && permissions & 0o020 == 0 { return nil }
    let who = others & 0o2 != 0 ? "everybody may change" : others != 0 ? "everybody may read" : "its group may change"
    let mode = String(permissions & 0o777, radix: 8)
    return "\(path) holds a secret, and \(who) it (mode \(mode)); run chmod 600 \(path)"
  }
}
