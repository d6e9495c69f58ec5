//  FileRights.swift — can whoever runs the service read its files, and nobody else its secrets?
//
//  The package's service runs as a user of its own, who gets its files by the group of /etc/hawser. A file that root
//  made with another group is the usual reason for a service that does not start after it was reconfigured. That nobody
//  else reads secrets is what reading the configuration has checked already.

import Glibc
import Primitives

struct FileRights: Equatable {
  struct File: Equatable {
    var path: String
    var owner: UInt32
    var group: UInt32
    /// The lower nine bits; nil: it cannot be looked at.
    var mode: UInt32?
  }

  /// The service's user and his groups; nil: the machine has none, so nothing runs as him.
  var user: (id: UInt32, group: UInt32)?
  var files: [File] = []
  /// Where the control socket is made; nil: there is no such folder.
  var folder: File?

  static let service = "hawser"
  /// What the service's units name.
  static let home = "/etc/hawser/"

  static func observe(_ files: [String], socket: String?) -> FileRights {
    var rights = FileRights()
    if let entry = getpwnam(service) { rights.user = (entry.pointee.pw_uid, entry.pointee.pw_gid) }
    rights.files = files.map(look)
    if let socket, let slash = socket.lastIndex(of: "/") {
      let folder = look(String(socket[..<slash]))
      rights.folder = folder.mode == nil ? nil : folder
    }
    return rights
  }

  private static func look(_ path: String) -> File {
    var status = stat()
    guard stat(path, &status) == 0 else { return File(path: path, owner: 0, group: 0, mode: nil) }
    return File(path: path, owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o777)
  }

  static func == (a: FileRights, b: FileRights) -> Bool {
    a.user?.id == b.user?.id && a.user?.group == b.user?.group && a.files == b.files && a.folder == b.folder
  }

  var diagnosis: Diagnosis {
    if let folder, let mode = folder.mode, mode & 0o002 != 0 {
      return .failure(
        "permissions",
        "everybody may write in \(folder.path), where the control socket is: anybody could put his own there",
        remedy: "chmod o-w \(folder.path)")
    }
    let theirs = files.filter { $0.path.hasPrefix(FileRights.home) }
    guard let user, !theirs.isEmpty else {
      return .fine("permissions", "the files can be read, and their secrets by nobody else")
    }
    if let closed = theirs.first(where: { !mayRead($0, user) }) {
      return .failure(
        "permissions", "the service's user \(FileRights.service) cannot read \(closed.path)",
        remedy: "chgrp \(FileRights.service) \(closed.path) && chmod 640 \(closed.path)")
    }
    return .fine(
      "permissions", "the service's user \(FileRights.service) can read the files, and nobody else the secrets")
  }

  private func mayRead(_ file: File, _ user: (id: UInt32, group: UInt32)) -> Bool {
    guard let mode = file.mode else { return false }
    if file.owner == user.id { return mode & 0o400 != 0 }
    return mode & (file.group == user.group ? 0o040 : 0o004) != 0
  }
}
