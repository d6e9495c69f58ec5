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
    var text: [UInt8]
    do throws(FileContents.Failure) {
      text = try FileContents.read(path, atMost: Schema.mostBytes + 1)
    } catch {
      throw Objections(
        wrong: [
          Mistake(
            file: path, place: Place(line: 1, column: 1), message: "cannot read this configuration: \(error)")
        ])
    }
    defer { text.withUnsafeMutableBytes { wipe($0) } }
    let file: OracleFile
    do throws(Mistakes) {
      file = try OracleFile(reading: text, named: path)
    } catch {
      throw Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    var objections = Objections()
    var oracle = file.oracle
    if oracle.holdsSecrets, let complaint = LoadedOracle.complaint(path) {
      objections.refused.append(Mistake(file: path, place: Place(line: 1, column: 1), message: complaint))
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

extension OracleConfiguration {
  /// Whether the file itself is one that nobody else may read.
  fileprivate var holdsSecrets: Bool {
    let tokens = gateways.map(\.token) + relays.map(\.token) + knownReaders.map(\.token)
    if case .server = store { return true }  // with the password of a database, often
    return tokens.contains { if case .held = $0 { true } else { false } }
  }
}
