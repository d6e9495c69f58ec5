//  LoadedRelay.swift — a relay's configuration from the disk, with its secrets; what is wrong is told as for a
//  gateway's.

import Configuration
import Crypto
import Primitives
import Sealing

struct LoadedRelay {
  /// Every secret in it is held.
  let relay: RelayConfiguration

  init(_ path: String) throws(LoadedConfiguration.Objections) {
    let files = try ConfigurationFiles(path)
    let file: RelayFile
    do throws(Mistakes) {
      file = try RelayFile(reading: files.texts)
    } catch {
      throw LoadedConfiguration.Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    var objections = LoadedConfiguration.Objections()
    var relay = file.relay
    objections.refused += files.readableSecrets { file.holdsSecrets(inText: $0) }
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var secrets = SecretLoader(directory: directory) { file.mistake($0, $1, $2) }
    relay.privateKey = secrets.load(relay.privateKey, .gateway, "PrivateKeyFile")
    for index in relay.clients.indices {
      guard let source = relay.clients[index].presharedKey else { continue }
      relay.clients[index].presharedKey = secrets.load(source, .client(index), "PresharedKeyFile")
    }
    if let source = relay.oracle?.token { relay.oracle?.token = secrets.load(source, .oracle, "TokenFile") }
    if let name = relay.oracle?.authorities, !name.hasPrefix("/") { relay.oracle?.authorities = directory + name }
    objections.refused += secrets.mistakes
    if let secret = relay.privateKey.secret {
      do throws(Refusal) {
        objections.wrong += file.mistakes(ownKey: try Keys.library().publicKey(of: secret.copied()))
      } catch {
        objections.refused.append(Mistake(file: path, place: Place(line: 1, column: 1), message: error.text))
      }
    }
    if !objections.isEmpty { throw objections }
    self.relay = relay
  }

  /// Whether a file is a relay's: it has [Relay], and not of a name as a gateway's file has it.
  static func isRelay(_ text: [UInt8]) -> Bool {
    text.split(separator: UInt8(ascii: "\n")).contains { line in
      let word = String(decoding: line.prefix(64), as: UTF8.self).filter { !$0.isWhitespace }.lowercased()
      return word == "[relay]" || word.hasPrefix("[relay]#")
    }
  }
}
