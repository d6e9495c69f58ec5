//  SettingsTarget.swift — /v1/settings: a body from whoever has a token, or has stolen one.
//
//  Whatever comes: wishes, or a sentence for one line. What the overlay takes of them is a text with a header for each
//  section and a line for each key, in which nothing stands that was not wished; laid over a file it is read, or every
//  mistake names a section instead of a line of a text that nobody has written. The file's secrets stay the file's.

import Configuration
import Control
import Primitives

func checkSettings(_ bytes: [UInt8]) throws(Violation) {
  let wishes: [Overlay.Wish]
  do throws(SettingsBody.Complaint) {
    wishes = try SettingsBody.wishes(bytes)
  } catch {
    return try checkSentence(error.sentence)
  }
  try demand(bytes.count <= SettingsBody.mostBytes, "a body of \(bytes.count) bytes was read")
  let overlay: Overlay
  do throws(Overlay.Objections) {
    overlay = try Overlay().adding(wishes, from: "somebody", at: 1)
  } catch {
    try demand((1...Mistakes.most + 1).contains(error.sentences.count), "\(error.sentences.count) sentences")
    for sentence in error.sentences { try checkSentence(sentence) }
    return
  }
  let count = wishes.reduce(0) { $0 + $1.values.count }
  try demand(overlay.settings.count == count && count <= Overlay.most, "\(overlay.settings.count) of \(count) keys")
  let titles = overlay.lines.count { $0.setting == nil }
  let lines = overlay.text.bytes.count { $0 == UInt8(ascii: "\n") }
  try demand(lines == count + titles, "\(lines) lines for \(count) keys of \(titles) sections")
  try demand((try? overlay.adding(wishes, from: "another", at: 2)) == overlay, "the second time it is another")
  try demand((try? overlay.without(.init())) == Overlay(), "it cannot be taken back")
  try checkLaidOver(overlay)
}

private func checkLaidOver(_ overlay: Overlay) throws(Violation) {
  let file: ConfigurationFile
  do throws(Mistakes) {
    file = try ConfigurationFile(reading: [ConfigurationText(base, named: "f.conf"), overlay.text])
  } catch {
    for mistake in error.listed {
      try checkSentence(mistake.description)
      try demand(!mistake.description.hasPrefix("hawser set:"), "a place that nobody has written: \(mistake)")
    }
    return
  }
  try demand(file.gateway.privateKey == .file("secret.key"), "another key")
  try demand(file.gateway.remoteControl == nil && file.gateway.metricsListen.isEmpty, "another door")
}

private func checkSentence(_ text: String) throws(Violation) {
  try demand(!text.isEmpty && text.utf8.count <= 900, "no sentence: \(text)")
  for scalar in text.unicodeScalars {
    try demand(
      scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value), "a control character: \(text.debugDescription)")
  }
}

private let base = Array(
  """
  [Peer "hq"]
  AllowedIPs = 10.1.0.0/16
  PublicKey = 3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=
  [Path "lte"]
  Interface = wwan0
  [Gateway]
  ListenPort = 51820
  PrivateKeyFile = secret.key

  """.utf8)
