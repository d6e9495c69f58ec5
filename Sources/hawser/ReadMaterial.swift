//  ReadMaterial.swift — what a configuration was made from: its files, its folder, and the addresses of its names, as
//  they were when they were read.
//
//  Why.  `hawser set` changes what it says and nothing else. Whoever is just editing the file must not find half of it
//  in a running gateway; a key file that was replaced waits for a reload; and a line that is to be taken out because it
//  does harm must not be asked for a name server first.
//
//  How.  The first question goes to the disk or to the name server, and every later one gets the same answer. A reload
//  begins with new material. Files are wiped with it.
//
//  Always true.  A file that could not be read is asked for again: no gateway follows a configuration that lacks one.

import Configuration
import Glibc
import POSIX
import Primitives
import Underlay

final class ReadMaterial: Sendable {
  private struct State {
    var files: [String: SmallFile] = [:]
    var folders: [String: [String]] = [:]
    var names: [EndpointText: Result<[Endpoint], UnderlayFailure>] = [:]
  }
  private let state = Locked(State())

  func file(_ path: String, limit: Int) throws(SmallFile.Failure) -> SmallFile {
    if let known = state.withLock({ $0.files[path] }) { return known }
    let file = try SmallFile(path, limit: limit)
    state.withLock { $0.files[path] = file }
    return file
  }

  /// No more than `most` of what lies there; empty when there is no such folder.
  func names(in folder: String, atMost most: Int) throws(FileContents.Failure) -> [String] {
    if let known = state.withLock({ $0.folders[folder] }) { return known }
    let names = try FolderContents.names(in: folder, atMost: most) ?? []
    state.withLock { $0.folders[folder] = names }
    return names
  }

  /// `isNew` says that nobody had asked for it before.
  func endpoints(of text: EndpointText) -> (answer: Result<[Endpoint], UnderlayFailure>, isNew: Bool) {
    if let known = state.withLock({ $0.names[text] }) { return (known, false) }
    let answer: Result<[Endpoint], UnderlayFailure>
    do throws(UnderlayFailure) {
      answer = .success(try Resolution.endpoints(of: text))
    } catch {
      answer = .failure(error)
    }
    state.withLock { $0.names[text] = answer }
    return (answer, true)
  }

  /// Others than these were of something that nobody wants any more; whoever sets one name after the other must not
  /// fill the memory.
  func keep(only names: [EndpointText]) {
    let wanted = Set(names)
    state.withLock { state in state.names = state.names.filter { wanted.contains($0.key) } }
  }
}
