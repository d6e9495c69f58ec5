//  LoadedConfiguration.swift — a configuration from the disk, with its secrets, held against this machine.
//
//  Three kinds of wrong.  The file cannot be read, or its text is wrong: exit code 64, and the place in the file. Its
//  text is right, but not here (no such interface, a key that everybody may read): 2, and the place again, since that
//  is where one would change it. All of them are found before anything is said.

import Configuration
import Control
import Crypto
import Glibc
import HTTP
import Primitives
import Sealing

struct LoadedConfiguration {
  let file: ConfigurationFile
  /// The same with every secret held, those from other files too.
  let gateway: GatewayConfiguration
  let publicKey: PublicKey
  /// The file, what is dropped in beside it, and the files that hold its secrets.
  let filePaths: [String]
  /// Who may ask over TCP.
  let remoteControl: ControlServer.Remote?

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

  /// `needsInterfaces`: a path whose interface is not there is refused. A gateway that runs waits for it, unless
  /// somebody has just typed its name.
  init(
    _ path: String, from material: ReadMaterial = ReadMaterial(), under overlay: Overlay = Overlay(),
    needsInterfaces: Bool = true
  ) throws(Objections) {
    let files = try ConfigurationFiles(path, from: material, under: overlay)
    let file: ConfigurationFile
    do throws(Mistakes) {
      file = try ConfigurationFile(reading: files.texts)
    } catch {
      throw Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    var objections = Objections()
    var gateway = file.gateway
    objections.refused += files.readableSecrets { file.holdsSecrets(inText: $0) }
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var secrets = SecretLoader(directory: directory, from: material) { file.mistake($0, $1, $2) }
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
    let remote = LoadedConfiguration.remoteControl(gateway.remoteControl, directory, file, &secrets)
    objections.refused += secrets.mistakes
    objections.refused += file.missingInterfaces { needsInterfaces || overlay.sets("Interface", ofPath: $0) }

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
    filePaths = files.paths + file.gateway.secretFiles.map { $0.hasPrefix("/") ? $0 : directory + $0 }
    publicKey = own
    remoteControl = remote
  }

  /// A chain of certificates has some kilobytes.
  private static let mostCertificate = 1 << 20

  /// With its token as a hash, and what its files hold.
  private static func remoteControl(
    _ wanted: GatewayConfiguration.RemoteControl?, _ directory: String, _ file: ConfigurationFile,
    _ secrets: inout SecretLoader
  ) -> ControlServer.Remote? {
    guard let wanted else { return nil }
    let token = secrets.load(wanted.token, .control, "TokenFile").secret
    var identity: HTTPIdentity?
    if let chain = wanted.certificate, let key = wanted.certificateKeyFile {
      identity = HTTPIdentity(
        certificate: secrets.contents(chain, .control, "Certificate", isSecret: false, atMost: mostCertificate),
        key: secrets.contents(key, .control, "CertificateKeyFile", isSecret: true, atMost: mostCertificate))
    }
    guard let token else { return nil }
    var text = [UInt8](repeating: 0, count: Secret.textLength)
    defer { text.withUnsafeMutableBytes { wipe($0) } }
    let digest = text.withUnsafeMutableBytes { place in
      token.copied().writeText(into: place)
      return SHA256.hash(UnsafeRawBufferPointer(place))
    }
    guard let hash = TokenHash(digest) else { preconditionFailure("SHA-256 has 32 bytes") }
    return ControlServer.Remote(listen: wanted.listen, token: hash, identity: identity)
  }
}

extension GatewayConfiguration {
  /// As they are written.
  fileprivate var secretFiles: [String] {
    ([privateKey] + peers.compactMap(\.presharedKey) + relays.compactMap(\.presharedKey)).compactMap {
      if case .file(let name) = $0 { name } else { nil }
    }
  }
}

/// Reads the files that a configuration names for its secrets.
struct SecretLoader {
  /// Of the configuration, with its slash: paths are relative to it.
  let directory: String
  private(set) var mistakes: [Mistake] = []

  private let material: ReadMaterial
  private let mistake: (ConfigurationFile.Part, String, String) -> Mistake

  init(
    directory: String, from material: ReadMaterial = ReadMaterial(),
    mistake: @escaping (ConfigurationFile.Part, String, String) -> Mistake
  ) {
    self.directory = directory
    self.material = material
    self.mistake = mistake
  }

  /// A file's bytes as they are; none, and a mistake more, when it cannot be read.
  mutating func contents(
    _ name: String, _ part: ConfigurationFile.Part, _ key: String, isSecret: Bool, atMost most: Int
  ) -> [UInt8] {
    let path = name.hasPrefix("/") ? name : directory + name
    do throws(SmallFile.Failure) {
      let file = try material.file(path, limit: most)
      if isSecret, let permissions = file.permissions,
        let complaint = SecretFile.complaint(about: path, permissions: permissions)
      {
        mistakes.append(mistake(part, key, "\(key) = \(name): \(complaint)"))
      }
      return Array(file.bytes)
    } catch {
      mistakes.append(mistake(part, key, "\(key) = \(name): cannot read it: \(error.reason)"))
      return []
    }
  }

  /// The secret itself, or the source as it was and a mistake more.
  mutating func load(_ source: KeySource, _ part: ConfigurationFile.Part, _ key: String) -> KeySource {
    guard case .file(let name) = source else { return source }
    let path = name.hasPrefix("/") ? name : directory + name
    do throws(SmallFile.Failure) {
      let text = try material.file(path, limit: 4_096)
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
      mistakes.append(mistake(part, key, "\(key) = \(name): cannot read it: \(ConfigurationFiles.reason(error.code))"))
    }
    return source
  }
}

extension ConfigurationFile {
  /// Paths whose interface this machine does not have; only those that are asked for.
  fileprivate func missingInterfaces(_ isAsked: (String) -> Bool) -> [Mistake] {
    let names = interfaceNames()
    return gateway.paths.indices.compactMap { index in
      let wanted = gateway.paths[index].interface
      if !isAsked(gateway.paths[index].name) || gateway.paths[index].isEvery || if_nametoindex(wanted) != 0 {
        return nil
      }
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
