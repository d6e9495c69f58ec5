//  LoadedOracle.swift — an oracle's configuration from the disk, with what its files hold; all that is wrong at once.
//
//  Tokens are hashed as they are read, and their texts wiped. Who else may read a file with a secret in it is looked at
//  too: with a token anybody could speak as that gateway.

public import Configuration
import Crypto
import Glibc
public import HTTP
import POSIX
import Primitives
import Sealing

public struct LoadedOracle: Sendable {
  /// Every token is a hash.
  public let oracle: OracleConfiguration
  public let identity: HTTPIdentity?

  /// What keeps a configuration from being used.
  public struct Objections: Error {
    /// The text is wrong.
    public internal(set) var wrong: [Mistake] = []
    public internal(set) var unlisted = 0
    /// The text is right, but not here: a file that is missing, or that everybody may read.
    public internal(set) var refused: [Mistake] = []

    public var isEmpty: Bool { wrong.isEmpty && refused.isEmpty }
    public var exitCode: Int32 { !wrong.isEmpty ? 64 : !refused.isEmpty ? 2 : 0 }
    public var text: String {
      let lines = (wrong + refused).map(\.description)
      return (lines + (unlisted > 0 ? ["and \(unlisted) more"] : [])).joined(separator: "\n")
    }
  }

  private static let mostSecret = 4_096
  /// A chain of certificates has some kilobytes.
  private static let mostCertificate = 1 << 20

  public init(_ path: String) throws(Objections) {
    var files = try LoadedOracle.files(path)
    defer { for index in files.indices { files[index].bytes.withUnsafeMutableBytes { wipe($0) } } }
    let file: OracleFile
    do throws(Mistakes) {
      file = try OracleFile(reading: files.map { ConfigurationText($0.bytes, named: $0.path) })
    } catch {
      throw Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    var objections = Objections()
    var oracle = file.oracle
    for (index, text) in files.enumerated() where file.holdsSecrets(inText: index) {
      guard let complaint = LoadedOracle.complaint(text.path) else { continue }
      let place = Place(text: index, line: 1, column: 1)
      objections.refused.append(Mistake(file: text.path, place: place, message: complaint))
    }
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var tokens = TokenReader(file: file, directory: directory)
    for index in oracle.gateways.indices { tokens.read(&oracle.gateways[index].token, .knownGateway(index)) }
    for index in oracle.relays.indices { tokens.read(&oracle.relays[index].token, .relay(index)) }
    for index in oracle.knownReaders.indices { tokens.read(&oracle.knownReaders[index].token, .client(index)) }
    var identity: HTTPIdentity?
    if let chain = oracle.certificate, let key = oracle.certificateKeyFile {
      identity = HTTPIdentity(
        certificate: tokens.contents(chain, "Certificate", isSecret: false, atMost: LoadedOracle.mostCertificate),
        key: tokens.contents(key, "CertificateKeyFile", isSecret: true, atMost: LoadedOracle.mostCertificate))
    }
    objections.refused += tokens.mistakes
    if !objections.isEmpty { throw objections }
    self.oracle = oracle
    self.identity = identity
  }

  /// The file itself, and what is dropped in beside it.
  private static func files(_ path: String) throws(Objections) -> [(path: String, bytes: [UInt8])] {
    func objection(_ path: String, _ sentence: String) -> Objections {
      Objections(wrong: [Mistake(file: path, place: Place(line: 1, column: 1), message: sentence)])
    }
    var at = path
    do throws(FileContents.Failure) {
      var files = [(path, try FileContents.read(path, atMost: Schema.mostBytes + 1))]
      at = DropIns.folder(of: path)
      let names = DropIns.read(among: try FolderContents.names(in: at, atMost: 10 * DropIns.most) ?? [])
      for name in names.prefix(DropIns.most) {
        at = DropIns.folder(of: path) + "/" + name
        files.append((at, try FileContents.read(at, atMost: Schema.mostBytes + 1)))
      }
      if names.count <= DropIns.most { return files }
    } catch {
      throw objection(at, "cannot read this configuration: \(error)")
    }
    let sentence = "more than \(DropIns.most) files that end in .conf: expected at most so many"
    throw objection(DropIns.folder(of: path), sentence)
  }

  /// What is wrong with who may read a file.
  fileprivate static func complaint(_ path: String) -> String? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return SecretFile.complaint(about: path, permissions: status.st_mode & 0o777)
  }

  /// Reads the files that a configuration names.
  private struct TokenReader {
    let file: OracleFile
    /// Of the configuration, with its slash: paths are relative to it.
    let directory: String
    var mistakes: [Mistake] = []
    private var owners: [TokenHash: String] = [:]

    init(file: OracleFile, directory: String) {
      self.file = file
      self.directory = directory
    }

    mutating func read(_ token: inout OracleConfiguration.Token, _ part: ConfigurationFile.Part) {
      switch token {
      case .hash: break
      case .held(let secret): token = .hash(TokenReader.hash(secret))
      case .file(let name):
        let path = full(name)
        func note(_ sentence: String) {
          mistakes.append(file.mistake(part, "TokenFile", "TokenFile = \(name): \(sentence)"))
        }
        do throws(FileContents.Failure) {
          var bytes = try FileContents.read(path, atMost: LoadedOracle.mostSecret)
          defer { bytes.withUnsafeMutableBytes { wipe($0) } }
          if let complaint = LoadedOracle.complaint(path) { note(complaint) }
          do throws(Complaint) {
            token = .hash(TokenReader.hash(try SecretFile.secret(in: bytes)))
          } catch {
            note(error.sentence)
          }
        } catch {
          note("cannot read it: \(error)")
        }
      }
      guard case .hash(let hash) = token else { return }
      if let other = owners[hash] {
        mistakes.append(file.mistake(part, "", "\(other) has the same token: expected another"))
      }
      owners[hash] = TokenReader.name(part, file.oracle)
    }

    private static func name(_ part: ConfigurationFile.Part, _ oracle: OracleConfiguration) -> String {
      switch part {
      case .knownGateway(let index): "the gateway \"\(oracle.gateways[index].name)\""
      case .relay(let index): "the relay \"\(oracle.relays[index].name)\""
      case .client(let index): "the reader \"\(oracle.knownReaders[index].name)\""
      default: "another"
      }
    }

    mutating func contents(_ name: String, _ key: String, isSecret: Bool, atMost most: Int) -> [UInt8] {
      let path = full(name)
      do throws(FileContents.Failure) {
        let bytes = try FileContents.read(path, atMost: most)
        if isSecret, let complaint = LoadedOracle.complaint(path) {
          mistakes.append(file.mistake(.gateway, key, "\(key) = \(name): \(complaint)"))
        }
        return bytes
      } catch {
        mistakes.append(file.mistake(.gateway, key, "\(key) = \(name): cannot read it: \(error)"))
        return []
      }
    }

    private func full(_ name: String) -> String { name.hasPrefix("/") ? name : directory + name }

    /// Of its text, as its owner shows it.
    private static func hash(_ secret: KeptSecret) -> TokenHash {
      var text = [UInt8](repeating: 0, count: Secret.textLength)
      defer { text.withUnsafeMutableBytes { wipe($0) } }
      let digest = text.withUnsafeMutableBytes { place in
        secret.copied().writeText(into: place)
        return SHA256.hash(UnsafeRawBufferPointer(place))
      }
      guard let hash = TokenHash(digest) else { preconditionFailure("SHA-256 has 32 bytes") }
      return hash
    }
  }
}
