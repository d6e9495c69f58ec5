//  LoadedConfiguration.swift — a configuration from the disk, with its secrets, held against this machine.
//
//  Three kinds of wrong.  The file cannot be read, or its text is wrong: exit code 64, and the place in the file. Its
//  text is right, but not here (no such interface, a key that everybody may read): 2, and the place again, since that
//  is where one would change it. All of them are found before anything is said.

import Configuration
import Crypto
import Glibc
import Primitives
import Sealing

struct LoadedConfiguration {
  let file: ConfigurationFile
  /// The same with every secret held, those from other files too.
  let gateway: GatewayConfiguration
  let publicKey: PublicKey

  /// What keeps a configuration from being used.
  struct Objections: Error {
    var wrong: [Mistake] = []
    /// How many mistakes more there are than are listed.
    var unlisted = 0
    var refused: [Mistake] = []

    var isEmpty: Bool { wrong.isEmpty && refused.isEmpty }
    var exitCode: Int32 { !wrong.isEmpty ? 64 : !refused.isEmpty ? 2 : 0 }
    var text: String {
      let lines = (wrong + refused).map(\.description)
      return (lines + (unlisted > 0 ? ["and \(unlisted) more"] : [])).joined(separator: "\n")
    }
  }

  /// `needsInterfaces`: a path whose interface is not there is refused. A gateway that runs waits for it.
  init(_ path: String, needsInterfaces: Bool = true) throws(Objections) {
    let text = try LoadedConfiguration.read(path)
    let permissions = text.permissions
    let file: ConfigurationFile
    do throws(Mistakes) {
      file = try ConfigurationFile(reading: text.bytes, named: path)
    } catch {
      throw Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    var objections = Objections()
    var gateway = file.gateway
    if let permissions, gateway.holdsSecrets,
      let complaint = SecretFile.complaint(about: path, permissions: permissions)
    {
      objections.refused.append(Mistake(file: path, place: Place(line: 1, column: 1), message: complaint))
    }
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var secrets = SecretLoader(directory: directory) { file.mistake($0, $1, $2) }
    gateway.privateKey = secrets.load(gateway.privateKey, .gateway, "PrivateKeyFile")
    for index in gateway.peers.indices {
      guard let source = gateway.peers[index].presharedKey else { continue }
      gateway.peers[index].presharedKey = secrets.load(source, .peer(index), "PresharedKeyFile")
    }
    for index in gateway.relays.indices {
      guard let source = gateway.relays[index].presharedKey else { continue }
      gateway.relays[index].presharedKey = secrets.load(source, .relay(index), "PresharedKeyFile")
    }
    if let source = gateway.oracle?.token { gateway.oracle?.token = secrets.load(source, .oracle, "TokenFile") }
    if let name = gateway.oracle?.authorities, !name.hasPrefix("/") { gateway.oracle?.authorities = directory + name }
    objections.refused += secrets.mistakes
    if needsInterfaces { objections.refused += file.missingInterfaces() }

    var own: PublicKey?
    if let secret = gateway.privateKey.secret {
      do throws(Refusal) {
        let key = try Keys.library().publicKey(of: secret.copied())
        objections.wrong += file.mistakes(ownKey: key)
        own = key
      } catch {
        objections.refused.append(Mistake(file: path, place: Place(line: 1, column: 1), message: error.text))
      }
    }
    guard objections.isEmpty, let own else { throw objections }
    self.file = file
    self.gateway = gateway
    publicKey = own
  }

  static func read(_ path: String) throws(Objections) -> SmallFile {
    do throws(SmallFile.Failure) {
      return try SmallFile(path, limit: Schema.mostBytes)
    } catch {
      let sentence = "cannot read this configuration: \(error.reason)"
      throw Objections(wrong: [Mistake(file: path, place: Place(line: 1, column: 1), message: sentence)])
    }
  }
}

extension GatewayConfiguration {
  /// Whether the file itself is one that nobody else may read.
  fileprivate var holdsSecrets: Bool {
    privateKey.secret != nil || peers.contains { $0.presharedKey?.secret != nil }
      || relays.contains { $0.presharedKey?.secret != nil } || oracle?.token.secret != nil
  }
}

/// Reads the files that a configuration names for its secrets.
struct SecretLoader {
  /// Of the configuration, with its slash: paths are relative to it.
  let directory: String
  private(set) var mistakes: [Mistake] = []

  private let mistake: (ConfigurationFile.Part, String, String) -> Mistake

  init(directory: String, mistake: @escaping (ConfigurationFile.Part, String, String) -> Mistake) {
    self.directory = directory
    self.mistake = mistake
  }

  /// The secret itself, or the source as it was and a mistake more.
  mutating func load(_ source: KeySource, _ part: ConfigurationFile.Part, _ key: String) -> KeySource {
    guard case .file(let name) = source else { return source }
    let path = name.hasPrefix("/") ? name : directory + name
    do throws(SmallFile.Failure) {
      let text = try SmallFile(path, limit: 4_096)
      if let permissions = text.permissions,
        let complaint = SecretFile.complaint(about: path, permissions: permissions)
      {
        mistakes.append(mistake(part, key, "\(key) = \(name): \(complaint)"))
      }
      do throws(Complaint) {
        return .held(try SecretFile.secret(in: text.bytes))
      } catch {
        mistakes.append(mistake(part, key, "\(key) = \(name): \(error.sentence)"))
      }
    } catch {
      mistakes.append(mistake(part, key, "\(key) = \(name): cannot read it: \(error.reason)"))
    }
    return source
  }
}

extension ConfigurationFile {
  /// Paths whose interface this machine does not have.
  fileprivate func missingInterfaces() -> [Mistake] {
    let names = interfaceNames()
    return gateway.paths.indices.compactMap { index in
      let wanted = gateway.paths[index].interface
      if gateway.paths[index].isEvery || if_nametoindex(wanted) != 0 { return nil }
      let hint: String
      if let near = nearestWord(to: wanted, in: names) {
        hint = "did you mean '\(near)'?"
      } else if names.isEmpty {
        hint = "it has none but the loopback"
      } else {
        hint = "there are " + names.prefix(12).joined(separator: ", ") + (names.count > 12 ? " …" : "")
      }
      return mistake(
        .path(index), "Interface", "Interface = \(wanted): this machine has no such interface; \(hint)")
    }
  }

  private func interfaceNames() -> [String] {
    guard let list = if_nameindex() else { return [] }
    defer { if_freenameindex(list) }
    var names: [String] = []
    var at = list
    while let name = at.pointee.if_name {
      names.append(String(cString: name))
      at += 1
    }
    return names.filter { $0 != "lo" }
  }
}
