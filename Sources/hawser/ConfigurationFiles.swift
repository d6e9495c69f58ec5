//  ConfigurationFiles.swift — a configuration's file and what is dropped in beside it, from the disk.

import Configuration
import Glibc
import POSIX

struct ConfigurationFiles {
  /// The file itself comes first. They are wiped when nobody needs them any more.
  private let files: [(path: String, contents: SmallFile)]
  /// What is laid over them.
  private let overlay: Overlay

  init(
    _ path: String, from material: ReadMaterial = ReadMaterial(), under overlay: Overlay = Overlay()
  ) throws(LoadedConfiguration.Objections) {
    var files: [(path: String, contents: SmallFile)] = []
    func add(_ path: String) throws(LoadedConfiguration.Objections) {
      do throws(SmallFile.Failure) {
        files.append((path, try material.file(path, limit: Schema.mostBytes)))
      } catch {
        throw ConfigurationFiles.objection(path, error.code)
      }
    }
    try add(path)
    let folder = DropIns.folder(of: path)
    let names: [String]
    do throws(FileContents.Failure) {
      // Others may lie there too; of these no more than that they are looked at.
      names = DropIns.read(among: try material.names(in: folder, atMost: 10 * DropIns.most))
    } catch {
      throw ConfigurationFiles.objection(folder, error.errno)
    }
    if names.count > DropIns.most {
      let sentence = "more than \(DropIns.most) files that end in .conf: expected at most so many"
      throw ConfigurationFiles.objection(folder, sentence)
    }
    for name in names { try add(folder + "/" + name) }
    self.files = files
    self.overlay = overlay
  }

  /// The bytes of the file itself.
  var main: [UInt8] { files[0].contents.bytes }

  var texts: [ConfigurationText] {
    files.map { ConfigurationText($0.contents.bytes, named: $0.path) } + (overlay.isEmpty ? [] : [overlay.text])
  }

  var paths: [String] { files.map(\.path) }

  /// A mistake for each that others may read and that has a secret in it.
  func readableSecrets(_ holdsSecrets: (Int) -> Bool) -> [Mistake] {
    files.enumerated().compactMap { index, file in
      guard holdsSecrets(index), let permissions = file.contents.permissions,
        let complaint = SecretFile.complaint(about: file.path, permissions: permissions)
      else { return nil }
      return Mistake(file: file.path, place: Place(text: index, line: 1, column: 1), message: complaint)
    }
  }

  private static func objection(_ path: String, _ code: Int32) -> LoadedConfiguration.Objections {
    objection(path, "cannot read this configuration: \(reason(code))")
  }

  private static func objection(_ path: String, _ sentence: String) -> LoadedConfiguration.Objections {
    LoadedConfiguration.Objections(
      wrong: [Mistake(file: path, place: Place(line: 1, column: 1), message: sentence)])
  }

  /// Why a file cannot be read, with what would help whoever runs as a service.
  static func reason(_ code: Int32) -> String {
    let reason = String(cString: strerror(code))
    guard code == EACCES, geteuid() != 0, let user = getpwuid(geteuid()), let name = user.pointee.pw_name else {
      return reason
    }
    return "\(reason) for the user \(String(cString: name)); give it to that user's group: chgrp and chmod 640"
  }
}
