//  Init.swift — `hawser init`: asks five questions, writes both sides' files, and says which two commands start them.
//
//  Nothing is written before everything is known to be right and none of the files exists; if one appears meanwhile,
//  what was written is taken away again. A key is nobody's but its owner's (mode 600); only where the folder hands its
//  files to a group, as /etc/hawser does (the set-group-ID bit), the group may read them: that is how the service,
//  which is not root, gets its key.

import Commands
import Configuration
import Crypto
import Glibc
import POSIX
import Primitives
import Sealing

enum Init {
  static func run(folder: String, answers: String?) throws(Refusal) -> Int32 {
    var pair = SitePair(interfaces: uplinks())
    if let answers {
      try take(answers, &pair)
    } else {
      try ask(&pair)
    }
    let keys = (here: try KeyPair(), there: try KeyPair())
    let files = try files(pair, keys.here, keys.there)
    try write(files, in: folder)
    Output.write(closing(pair, folder))
    return 0
  }

  // MARK: Questions

  private static func ask(_ pair: inout SitePair) throws(Refusal) {
    guard isatty(STDIN_FILENO) == 1 else {
      throw Refusal(
        "hawser init: it asks on a terminal, and this is none; write the five answers into a file, a line each, and "
          + "give it with --answers FILE", exitCode: 64)
    }
    for question in SitePair.Question.allCases {
      while true {
        let usual = pair.usual(for: question).map { " [\($0)]" } ?? ""
        _ = Output.write(Array("\(pair.text(of: question))\(usual): ".utf8), to: STDOUT_FILENO)
        guard let line = readLine() else {
          throw Refusal("hawser init: no answer, so nothing was written", exitCode: 2)
        }
        do throws(Complaint) {
          try pair.answer(question, trimmed(line))
          break
        } catch {
          Output.complain(error.sentence)
        }
      }
    }
  }

  private static func take(_ path: String, _ pair: inout SitePair) throws(Refusal) {
    let text: SmallFile
    do throws(SmallFile.Failure) {
      text = path == "-" ? try SmallFile(reading: STDIN_FILENO, limit: 4_096) : try SmallFile(path, limit: 4_096)
    } catch {
      throw Refusal("hawser init: cannot read \(path): \(error.reason)", exitCode: 2)
    }
    let lines = String(decoding: text.bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    for (number, question) in SitePair.Question.allCases.enumerated() {
      let line = number < lines.count ? trimmed(lines[number]) : ""
      do throws(Complaint) {
        try pair.answer(question, line)
      } catch {
        throw Refusal("\(path):\(number + 1):1: \(pair.text(of: question)): \(error.sentence)", exitCode: 64)
      }
    }
  }

  private static func trimmed(_ line: some StringProtocol) -> String {
    let isBlank: (Character) -> Bool = { $0.isWhitespace }
    return String(String(line.drop(while: isBlank)).reversed().drop(while: isBlank).reversed())
  }

  // MARK: Files

  private struct KeyPair {
    let secret: KeptSecret
    let publicKey: PublicKey

    init() throws(Refusal) {
      let secret = try Keys.new(for: .exchange)
      publicKey = try Keys.library().publicKey(of: secret)
      self.secret = KeptSecret(secret)
    }
  }

  private typealias File = (name: String, bytes: [UInt8])

  /// Read as any other configuration before anything is written.
  private static func files(_ pair: SitePair, _ here: KeyPair, _ there: KeyPair) throws(Refusal) -> [File] {
    var files: [File] = []
    for (side, own, peer) in [(SitePair.Side.here, here, there), (.there, there, here)] {
      guard let text = pair.text(of: side, peerKey: peer.publicKey) else {
        throw Refusal(
          "hawser init: the networks behind the sites leave none for the virtual interfaces; write the two files by "
            + "hand, from hawser sample-config", exitCode: 2)
      }
      let name = pair.site(side).name
      do throws(Mistakes) {
        _ = try ConfigurationFile(reading: Array(text.utf8), named: "\(name).conf")
      } catch {
        throw Refusal("hawser init: these answers do not go together:\n\(error)", exitCode: 64)
      }
      var key: [UInt8] = []
      key.reserveCapacity(Secret.textLength + 1)
      own.secret.appendLine(to: &key)
      files += [("\(name).conf", Array(text.utf8)), ("\(name).key", key)]
    }
    return files
  }

  private static func write(_ files: [File], in folder: String) throws(Refusal) {
    var status = stat()
    guard stat(folder, &status) == 0 else {
      throw Refusal("hawser init: \(folder): \(String(cString: strerror(errno)))", exitCode: 2)
    }
    let mode: mode_t = status.st_mode & S_ISGID != 0 && status.st_gid != 0 ? 0o640 : 0o600
    for file in files where access("\(folder)/\(file.name)", F_OK) == 0 {
      throw Refusal(
        "hawser init: \(folder)/\(file.name) is there already, and is not overwritten: remove it, or choose another "
          + "name",
        exitCode: 2)
    }
    var written: [String] = []
    for file in files {
      let path = "\(folder)/\(file.name)"
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      if descriptor >= 0 {
        written.append(path)
        let isWhole = fchmod(descriptor, mode) == 0 && Output.write(file.bytes, to: descriptor)
        if close(descriptor) == 0 && isWhole { continue }
      }
      let reason = String(cString: strerror(errno))
      for path in written { unlink(path) }
      throw Refusal("hawser init: cannot write \(path): \(reason); nothing was written", exitCode: 2)
    }
  }

  // MARK: What comes next

  /// Where the services look for their files.
  static let serviceFolder = "/etc/hawser"

  private static func closing(_ pair: SitePair, _ folder: String) -> String {
    let (here, there) = (pair.here.name, pair.there.name)
    let real = realpath(folder, nil)
    defer { free(real) }
    let full = real.map { String(cString: $0) } ?? folder
    let isService = full == serviceFolder
    func start(_ name: String) -> String {
      isService ? "systemctl enable --now hawser@\(name)" : "hawser gateway --config \(full)/\(name).conf"
    }
    let address: String =
      switch pair.endpoint {
      case .address(let endpoint)?: "\(endpoint.address)"
      case .name(let host, _)?: host
      case nil: there
      }
    let target = "root@\(address.contains(":") ? "[\(address)]" : address)"
    let copied = "\(full)/\(there).conf \(full)/\(there).key"
    let (first, second) = ("here:", "at \(there):")
    let width = max(first.count, second.count) + 2
    func left(_ text: String) -> String { text + String(repeating: " ", count: width - text.count) }
    return """
      \(full) has \(here).conf and \(here).key for this site, \(there).conf and \(there).key for \(there).

      \(left(first))sudo \(start(here))
      \(left(second))scp \(copied) \(target):\(full)/ && ssh root@\(address) \(start(there))

      Nobody here needs \(there).key afterwards: remove it.
      """
  }

  /// Interfaces that a default route leads out by, in the kernel's order: the ones that are probably meant.
  private static func uplinks() -> [String] {
    let text = FileContents.text("/proc/net/route", atMost: 1 << 16) ?? ""
    var names: [String] = []
    for line in text.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: "\t")
      // Interface, destination, gateway, flags, …, and the mask in the eighth place.
      guard fields.count > 7, fields[1] == "00000000", fields[7] == "00000000" else { continue }
      if !names.contains(String(fields[0])) { names.append(String(fields[0])) }
    }
    return names
  }
}
