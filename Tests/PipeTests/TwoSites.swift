//  TwoSites.swift — two real gateways and the people behind them, each in a network of its own, without names.
//
//      alice ── left ══ line0, line1 … ══ right ── bob
//                                            └───── carol, whose line takes small packets only
//
//  The gateways are processes, started as an operator starts them. The people are sockets of the test itself, or
//  programs that it runs in their networks. Nothing of it has a name on the machine: when the test ends, however it
//  ends, the kernel takes all of it back.

import CLinux
import Foundation
import Glibc
import Lab
import Primitives
import Sealing
import Testing

/// What the lines between the gateways speak.
enum Underlay: String, Sendable {
  case ipv4
  case ipv6
}

final class TwoSites {
  enum Host: Int, CaseIterable {
    case alice, left, right, bob, carol
  }

  /// A gateway and what it was told.
  struct Side {
    let host: Host
    var configuration: String
    var process: ChildProcess?
  }

  static let port = 51_820
  let folder: Folder
  let lines: [Underlay]
  private let namespaces: [Int32]
  private(set) var sides: [Host: Side] = [:]

  /// Brings both gateways up and waits until a packet has come through. `settings` is added to [Gateway] of both.
  init(_ lines: [Underlay], settings: String = "", lineMTU: Int = 1500) throws {
    self.lines = lines
    folder = try Folder()
    namespaces = try Host.allCases.map { _ in try makeNamespace() }
    try connect(lineMTU: lineMTU)
    let keys = try [Host.left, .right].map { _ in try TwoSites.makeKeys() }
    for (index, host) in [Host.left, .right].enumerated() {
      sides[host] = Side(
        host: host, configuration: configuration(of: host, keys[index].secret, keys[1 - index].open, settings))
      try start(host)
    }
    try #require(try eventually(.seconds(10)) { try pings(.alice, TwoSites.bob) }, "nothing comes through: \(log())")
  }

  deinit {
    for host in [Host.left, .right] { sides[host]?.process?.kill() }
    sides = [:]
    for namespace in namespaces { close(namespace) }
  }

  // MARK: Addresses

  static let alice = "10.1.0.2"
  static let alice6 = "fd01::2"
  static let bob = "10.2.0.2"
  static let bob6 = "fd02::2"
  static let carol = "10.2.1.2"
  static let carol6 = "fd02:1::2"
  /// What carol's line takes.
  static let narrow = 1280

  static func address(of host: Host, _ family: IPAddress.Family) -> String {
    switch (host, family) {
    case (.alice, .ipv4): alice
    case (.alice, .ipv6): alice6
    case (.carol, .ipv4): carol
    case (.carol, .ipv6): carol6
    case (_, .ipv4): bob
    case (_, .ipv6): bob6
    }
  }

  /// The gateway's own address on a line.
  static func lineAddress(_ line: Int, of host: Host, _ underlay: Underlay) -> String {
    let last = host == .left ? 1 : 2
    return underlay == .ipv4 ? "172.16.\(line).\(last)" : "fd99:\(line)::\(last)"
  }

  // MARK: Being somewhere

  func namespace(of host: Host) -> Int32 { namespaces[host.rawValue] }

  private func path(of host: Host) -> String { "/proc/\(getpid())/fd/\(namespace(of: host))" }

  /// A program in a host's network.
  func spawn(_ host: Host, _ command: [String], options: ChildProcess.Options = .init()) throws -> ChildProcess {
    try ChildProcess.spawn(["nsenter", "--net=\(path(of: host))", "--"] + command, options: options)
  }

  /// What a program says, both outputs together, and whether it was content.
  @discardableResult
  func run(_ host: Host, _ command: [String], atMost patience: Interval = .seconds(20)) throws -> (
    text: String, isSuccess: Bool
  ) {
    let result = try spawn(host, command).collect(atMost: patience)
    return (result.text + result.errorText, result.status?.isSuccess == true)
  }

  /// Lines for a shell, which must all succeed.
  func shell(_ host: Host, _ script: String) throws {
    let answer = try run(host, ["sh", "-ec", script])
    try #require(answer.isSuccess, "\(script): \(answer.text)")
  }

  func pings(_ host: Host, _ address: String, _ options: String...) throws -> Bool {
    try run(host, ["ping", "-n", "-c", "1", "-W", "1"] + options + [address]).isSuccess
  }

  // MARK: Cables

  private func connect(lineMTU: Int) throws {
    let ready = """
      ip link set lo up
      sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
      """
    for host in Host.allCases { try shell(host, ready) }
    for host in [Host.left, .right] {
      try shell(host, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0")
    }
    try cable(.left, "lan", "10.1.0.1/24", "fd01::1/64", .alice, "10.1.0.2/24", "fd01::2/64", mtu: 1500)
    try cable(.right, "lan", "10.2.0.1/24", "fd02::1/64", .bob, "10.2.0.2/24", "fd02::2/64", mtu: 1500)
    try cable(
      .right, "narrow", "10.2.1.1/24", "fd02:1::1/64", .carol, "10.2.1.2/24", "fd02:1::2/64", mtu: TwoSites.narrow)
    for (host, via) in [(Host.alice, "1"), (.bob, "2"), (.carol, "2.1")] {
      let four = host == .carol ? "10.2.1.1" : "10.\(via).0.1"
      let six = host == .carol ? "fd02:1::1" : "fd0\(via)::1"
      try shell(host, "ip route add default via \(four)\nip -6 route add default via \(six)")
    }
    for line in lines.indices { try connect(line: line, mtu: lineMTU) }
  }

  /// A line between the gateways, for the first time or again.
  func connect(line: Int, mtu: Int = 1500) throws {
    let underlay = lines[line]
    let (left, right) = (
      TwoSites.lineAddress(line, of: .left, underlay), TwoSites.lineAddress(line, of: .right, underlay)
    )
    let length = underlay == .ipv4 ? 24 : 64
    try cable(.left, "line\(line)", "\(left)/\(length)", nil, .right, "\(right)/\(length)", nil, mtu: mtu)
  }

  private func cable(
    _ one: Host, _ name: String, _ first: String, _ second: String?, _ other: Host, _ third: String, _ fourth: String?,
    mtu: Int
  ) throws {
    try shell(one, "ip link add \(name) mtu \(mtu) type veth peer name \(name) mtu \(mtu) netns \(path(of: other))")
    for (host, addresses) in [(one, [first, second]), (other, [third, fourth])] {
      let add = addresses.compactMap { $0 }.map {
        "ip address add \($0) dev \(name)" + ($0.contains(":") ? " nodad" : "")
      }
      try shell(host, (["ip link set \(name) up"] + add).joined(separator: "\n"))
    }
  }

  // MARK: Gateways

  private static func makeKeys() throws -> (secret: String, open: String) {
    let secret = try ChildProcess.spawn([program, "genkey"]).collect(atMost: .seconds(5)).text
    var options = ChildProcess.Options()
    options.input = .pipe
    let child = try ChildProcess.spawn([program, "pubkey"], options: options)
    let bytes = Array(secret.utf8)
    if let input = child.input { write(input, bytes, bytes.count) }
    child.closeInput()
    let open = child.collect(atMost: .seconds(5)).text
    return (secret.filter { !$0.isNewline }, open.filter { !$0.isNewline })
  }

  private func configuration(of host: Host, _ secret: String, _ peer: String, _ settings: String) -> String {
    let (own, other) = host == .left ? ("1", "2") : ("2", "1")
    var text = """
      [Gateway]
      PrivateKey = \(secret)
      Address = 10.9.0.\(own)/30, fd09::\(own)/126
      ListenPort = \(TwoSites.port)
      Interface = hawser0
      \(settings)

      [Control]
      Socket = \(folder.path)/\(host).sock

      """
    for line in lines.indices { text += "[Path \"line\(line)\"]\nInterface = line\(line)\n" }
    text += "[Peer \"other\"]\nPublicKey = \(peer)\n"
    for (line, underlay) in lines.enumerated() {
      let address = TwoSites.lineAddress(line, of: host == .left ? .right : .left, underlay)
      text += "Endpoint = \(underlay == .ipv4 ? address : "[\(address)]"):\(TwoSites.port)\n"
    }
    return text + "AllowedIPs = 10.9.0.\(other)/32, fd09::\(other)/128, 10.\(other).0.0/16, fd0\(other)::/16\n"
  }

  func publicKey(of host: Host) throws -> PublicKey {
    let other = try #require(sides[host == .left ? .right : .left]).configuration
    let line = try #require(other.split(separator: "\n").first { $0.hasPrefix("PublicKey = ") })
    return try #require(PublicKey(String(line.dropFirst("PublicKey = ".count))))
  }

  /// What is to be in its file from its next start on.
  func reconfigure(_ host: Host, _ change: (String) -> String) throws {
    let changed = change(try #require(sides[host]?.configuration))
    sides[host]?.configuration = changed
  }

  /// Its private key and the other's public one, as bytes.
  func keys(of host: Host) throws -> [[UInt8]] {
    let lines = try #require(sides[host]?.configuration).split(separator: "\n")
    return try lines.filter { $0.contains("Key = ") }.map { line in
      let text = try #require(line.split(separator: " ").last)
      return Array(try #require(Data(base64Encoded: String(text))))
    }
  }

  /// Starts a gateway that does not run; returns when its interface is up. `hosts` is what it sees as /etc/hosts.
  func start(_ host: Host, hosts: String? = nil) throws {
    guard let side = sides[host] else { return }
    let file = try folder.write("\(host).conf", side.configuration)
    var options = ChildProcess.Options()
    options.output = .null
    options.errorOutput = .file("\(folder.path)/\(host).log")
    var command = [program, "gateway", "--config", file]
    if let hosts {
      let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\""
      command = ["unshare", "--mount", "sh", "-c", script, "sh", hosts] + command
    }
    let process = try spawn(host, command, options: options)
    sides[host]?.process = process
    let isUp = try eventually(.seconds(10)) {
      try #require(process.isRunning, "the gateway ended: \(log())")
      return log(host).contains("hawser0: up")
    }
    try #require(isUp, "the gateway does not come up: \(log())")
  }

  /// As a power failure does.
  func kill(_ host: Host) throws {
    let process = try #require(sides[host]?.process)
    process.kill()
    try #require(process.wait(atMost: .seconds(10)) != nil)
  }

  func log(_ host: Host) -> String {
    (try? String(contentsOfFile: "\(folder.path)/\(host).log", encoding: .utf8)) ?? ""
  }

  private func log() -> String { "left: \(log(.left))\nright: \(log(.right))" }

  /// Every counter of a gateway, as "engine.forged".
  func counters(of host: Host) throws -> [String: UInt64] {
    let text = try run(host, [program, "status", "--json", "--socket", "\(folder.path)/\(host).sock"]).text
    let status = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    var all: [String: UInt64] = [:]
    for counter in try #require(status["counters"] as? [[String: Any]], "\(text)") {
      guard let part = counter["group"] as? String, let name = counter["verdict"] as? String else { continue }
      all["\(part).\(name)"] = (counter["count"] as? NSNumber)?.uint64Value
    }
    return all
  }
}

// MARK: Small things

let isRoot = getuid() == 0
let rootReason: Comment = "needs root: makes networks and runs gateways in them"

/// The release program where there is one, else the one beside the tests: SwiftPM puts all of a build into one folder.
let program: String = {
  let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  return (releaseFolder ?? (tests as NSString).deletingLastPathComponent) + "/hawser"
}()
let releaseFolder = ProcessInfo.processInfo.environment["HAWSER_RELEASE_BIN"]

/// Waits for something that must come soon.
func eventually(_ patience: Interval, _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = MonotonicClock.now + patience
  while true {
    if try condition() { return true }
    if MonotonicClock.now >= deadline { return false }
    pause(.milliseconds(5))
  }
}

func pause(_ time: Interval) { poll(nil, 0, Int32((time.nanoseconds + 999_999) / 1_000_000)) }

private func makeNamespace() throws -> Int32 {
  var descriptor: Int32 = -1
  let error = withUnsafeMutablePointer(to: &descriptor) {
    hawser_run_in_namespace(
      hawser_new_namespace,
      { $0?.assumingMemoryBound(to: Int32.self).pointee = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) }, $0)
  }
  try #require(error == 0 && descriptor >= 0)
  return descriptor
}

/// A folder of its own that is gone afterwards.
final class Folder: Sendable {
  let path: String

  init() throws {
    var name = Array("/tmp/hawser-tests.XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw CocoaError(.fileWriteUnknown) }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file there that is for its owner only; its path.
  func write(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    try text.write(toFile: file, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
    return file
  }
}
