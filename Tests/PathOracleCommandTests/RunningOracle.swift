//  RunningOracle.swift — an oracle as its operator starts it, for programs to ask, and what its nodes tell it.

import Crypto
import Fetch
import Foundation
import Glibc
import Primitives

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A program of ours that runs beside the test, line by line.
final class RunningProgram {
  private let process = Process()
  private let lines: FileHandle
  private var rest: [UInt8] = []

  /// Reads what it says to people who wait for it: its output, or its complaints.
  init(_ arguments: [String], readsComplaints: Bool) throws {
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: PathOracle.folder + "/path-oracle")
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = readsComplaints ? FileHandle.nullDevice : pipe
    process.standardError = readsComplaints ? pipe : FileHandle.nullDevice
    lines = pipe.fileHandleForReading
    try process.run()
  }

  deinit { stop() }

  func stop() {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Its exit code, after this signal.
  func end(with signal: Int32) -> Int32 {
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }

  /// The next line that has this in it; an error when the program ends or takes half a minute.
  func line(with text: String) throws -> String {
    let deadline = time(nil) + 30
    var seen: [String] = []
    while true {
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: rest[..<end], as: UTF8.self)
        rest.removeFirst(end + 1)
        if line.contains(text) { return line }
        seen.append(line)
      }
      var watched = pollfd(fd: lines.fileDescriptor, events: Int16(POLLIN), revents: 0)
      guard time(nil) < deadline, poll(&watched, 1, 1_000) >= 0 else {
        throw Trouble("no line with '\(text)' in half a minute, but: \(seen)")
      }
      if watched.revents == 0 { continue }
      let bytes = lines.availableData
      if bytes.isEmpty { throw Trouble("it ended without a line with '\(text)', but with: \(seen)") }
      rest += bytes
    }
  }
}

final class RunningOracle {
  let address: String
  let folder: String
  private let program: RunningProgram

  /// Secrets that are none: 32 bytes each.
  static func token(_ name: String) -> String {
    Data((name + String(repeating: ".", count: 32)).utf8.prefix(32)).base64EncodedString()
  }

  /// Two gateways and two relays; nobody has measured anything.
  init(knowsReaders: Bool = false, isSecure: Bool = false) throws {
    var template = Array("/tmp/path-oracle-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("no temporary folder: \(String(cString: strerror(errno)))") }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let port = try RunningOracle.freePort()
    address = "\(isSecure ? "https" : "http")://127.0.0.1:\(port)"
    if isSecure { try RunningOracle.makeCertificate(in: folder) }
    let identity = isSecure ? "Certificate = certificate.pem\nCertificateKeyFile = key.pem\n" : ""
    func key(_ letter: String) -> String { Data(String(repeating: letter, count: 32).utf8).base64EncodedString() }
    let text = """
      [Oracle]
      Listen = 127.0.0.1:\(port)
      Readers = \(knowsReaders ? "known" : "anyone")
      \(identity)
      [Gateway "branch"]
      Token = \(RunningOracle.token("branch"))
      Address = 10.1.0.0/16
      [Gateway "hq"]
      Token = \(RunningOracle.token("hq"))
      Address = 10.2.0.0/16
      [Relay "west"]
      Token = \(RunningOracle.token("west"))
      PublicKey = \(key("w"))
      Endpoint = 203.0.113.5:51800
      [Relay "east"]
      Token = \(RunningOracle.token("east"))
      PublicKey = \(key("e"))
      Endpoint = 203.0.113.6:51800
      [Reader "noc"]
      Token = \(RunningOracle.token("noc"))

      """
    let file = folder + "/oracle.conf"
    let isWritten = FileManager.default.createFile(
      atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
    if !isWritten { throw Trouble("cannot write \(file)") }
    program = try RunningProgram(["serve", "--config", file], readsComplaints: true)
    _ = try program.line(with: "ready")
  }

  deinit {
    program.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// A node's report.
  func report(by node: String, _ edges: String) throws {
    var request = FetchRequest(post: "{\"edges\":[\(edges)]}", as: "application/json", to: address + "/v1/measurements")
    request.authorize(RunningOracle.token(node))
    let authorities = address.hasPrefix("https") ? folder + "/certificate.pem" : nil
    let answer = try Fetcher(trusting: authorities).fetch(request)
    if answer.status != 200 || !answer.text.contains("\"refused\":[]") { throw Trouble("\(answer)") }
  }

  /// 100 ms directly, 40 ms over west, 50 ms over east.
  func reportAll(directly milliseconds: Int = 100) throws {
    func edge(_ from: String, _ to: String, _ time: Int, _ loss: Double, _ megabits: Int) -> String {
      #"{"from":"\#(from)","to":"\#(to)","one_way_us":\#(time * 1_000),"round_trip_us":\#(time * 2_000),"#
        + #""excess":[[0,100]],"loss":\#(loss),"rate_bps":\#(megabits)000000}"#
    }
    let legs = [
      edge("branch", "hq", milliseconds, 0.01, 50), edge("branch", "west", 20, 0, 100),
      edge("branch", "east", 25, 0, 20),
    ]
    try report(by: "branch", legs.joined(separator: ","))
    try report(by: "west", edge("west", "hq", 20, 0, 100))
    try report(by: "east", edge("east", "hq", 25, 0, 20))
  }

  /// One that the kernel has just given and taken back.
  private static func freePort() throws -> UInt16 {
    let (descriptor, port) = try listener()
    close(descriptor)
    return port
  }

  /// A socket that listens on a port of loopback which the kernel chose.
  static func listener() throws -> (descriptor: Int32, port: UInt16) {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_INET, kind, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), length) == 0 && listen(descriptor, 16) == 0
          && getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: pointer), &length) == 0
      }
    }
    if !isBound { throw Trouble("no port: \(String(cString: strerror(errno)))") }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  /// A key, and a certificate for 127.0.0.1 that nobody vouches for.
  private static func makeCertificate(in folder: String) throws {
    guard let own = SelfSigned(for: ["IP:127.0.0.1"]) else { throw Trouble("no certificate") }
    try Data(own.key).write(to: URL(fileURLWithPath: folder + "/key.pem"))
    try Data(own.certificate).write(to: URL(fileURLWithPath: folder + "/certificate.pem"))
    chmod(folder + "/key.pem", 0o600)
  }
}
