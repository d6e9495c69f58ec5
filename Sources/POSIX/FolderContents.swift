//  FolderContents.swift — the names in a folder, up to a limit, in no particular order.

import Glibc

public enum FolderContents {
  /// nil where there is no such folder. Whoever must know that there are more asks for one more than he takes.
  public static func names(in path: String, atMost limit: Int) throws(FileContents.Failure) -> [String]? {
    guard let folder = opendir(path) else {
      if errno == ENOENT { return nil }
      throw FileContents.Failure(errno: errno)
    }
    defer { closedir(folder) }
    var names: [String] = []
    while names.count < limit, let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
