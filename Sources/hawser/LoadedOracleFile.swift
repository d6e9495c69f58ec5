//  LoadedOracleFile.swift — an oracle's file from the disk, as far as a gateway's program looks at it: its text, and
//  whether the files that it names can be read.
//
//  `path-oracle serve --check` looks at the same and at certificates; this is for who has only this program at hand.

import Configuration

enum LoadedOracleFile {
  /// Throws what is wrong with it.
  static func check(_ path: String) throws(LoadedConfiguration.Objections) {
    let files = try ConfigurationFiles(path)
    let file: OracleFile
    do throws(Mistakes) {
      file = try OracleFile(reading: files.texts)
    } catch {
      throw LoadedConfiguration.Objections(wrong: error.listed, unlisted: error.unlisted)
    }
    let oracle = file.oracle
    var objections = LoadedConfiguration.Objections()
    let tokens =
      oracle.gateways.indices.map { (ConfigurationFile.Part.knownGateway($0), oracle.gateways[$0].token) }
      + oracle.relays.indices.map { (.relay($0), oracle.relays[$0].token) }
      + oracle.knownReaders.indices.map { (.client($0), oracle.knownReaders[$0].token) }
    objections.refused += files.readableSecrets { file.holdsSecrets(inText: $0) }
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var secrets = SecretLoader(directory: directory) { file.mistake($0, $1, $2) }
    for (part, token) in tokens {
      if case .file(let name) = token { _ = secrets.load(.file(name), part, "TokenFile") }
    }
    objections.refused += secrets.mistakes
    if !objections.isEmpty { throw objections }
  }
}
