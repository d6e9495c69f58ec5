//  ServiceTests.swift — a gateway as a service: what it tells its manager, what that keeps for it, and what it writes
//  into the journal.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A gateway as a service` {
  /// Two sites whose left gateway is a service from now on.
  private final class Service {
    let sites: TwoSites
    let manager: Manager

    init() throws {
      sites = try TwoSites([.ipv4, .ipv4])
      manager = try Manager(sites.folder)
      try sites.kill(.left)
    }

    var log: String { "\(sites.folder.path)/service.log" }
    var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
  }

  /// In the left gateway's network, which the shell enters itself so that descriptors go with it.
  private static func started(patience: Interval? = nil) throws -> Service {
    let service = try Service()
    try start(service, patience: patience)
    return service
  }

  private static func start(
    _ service: Service, patience: Interval? = nil, shell: String = "", environment: [String] = []
  ) throws {
    _ = service.manager.takeLines()
    let configuration = try #require(service.sites.sides[.left]?.configuration)
    let file = try service.sites.folder.write("left.conf", configuration)
    let namespace = "/proc/\(getpid())/fd/\(service.sites.namespace(of: .left))"
    try service.manager.start(
      ["nsenter", "--net=\(namespace)", "--", program, "gateway", "--config", file], log: service.log,
      patience: patience, shell: shell, environment: environment)
    #expect(service.manager.waits(for: "READY=1"), "\(service.logText)")
  }

  /// The interface as everybody in its network sees it: its number, its addresses, its routes.
  private static func interface(_ sites: TwoSites) throws -> String {
    let script = """
      ip -o link show hawser0 | cut -d: -f1
      ip -o address show dev hawser0 | awk '{ print $4 }' | sort
      ip route show dev hawser0 | sed 's/ *linkdown//' | sort
      ip -6 route show dev hawser0 | sort
      """
    return try sites.run(.left, ["sh", "-c", script]).text
  }

  @Test func `says that it is ready when it is, and that it stops when it does`() throws {
    let service = try Self.started()
    #expect(service.manager.waits(for: "STATUS="))
    #expect(try eventually(.seconds(10)) { try service.sites.pings(.alice, TwoSites.bob) })
    _ = service.manager.takeLines()
    #expect(try service.manager.end(SIGTERM) == 0)
    #expect(service.manager.takeLines().contains("STOPPING=1"))
  }

  @Test func `is alive as long as its loop turns, and not when it hangs`() throws {
    let service = try Self.started(patience: .milliseconds(600))
    // Idle, so that nothing but the heartbeat wakes it.
    _ = service.manager.takeLines()
    var beats = 0
    for _ in 0..<40 {
      pause(.milliseconds(50))
      beats += service.manager.takeLines().count { $0 == "WATCHDOG=1" }
    }
    #expect(beats >= 3 && beats <= 12, "\(beats) beats in ten times the pause")
    let process = try #require(service.manager.process)
    kill(process, SIGSTOP)
    pause(.milliseconds(300))
    _ = service.manager.takeLines()
    pause(.seconds(1))
    #expect(!service.manager.takeLines().contains("WATCHDOG=1"))
    kill(process, SIGCONT)
    #expect(service.manager.waits(for: "WATCHDOG=1"))
  }

  @Test func `says that it reads its configuration again, and when it has`() throws {
    let service = try Self.started()
    _ = service.manager.takeLines()
    try service.sites.reconfigure(.left) { $0.replacing("10.2.0.0/16", with: "10.2.0.0/16, 10.79.0.0/16") }
    _ = try service.sites.folder.write("left.conf", try #require(service.sites.sides[.left]?.configuration))
    kill(try #require(service.manager.process), SIGHUP)
    #expect(service.manager.waits(for: "READY=1"), "\(service.logText)")
    let lines = service.manager.takeLines()
    let begun = try #require(lines.firstIndex(of: "RELOADING=1"))
    #expect(lines[begun...].contains("READY=1") && lines.contains { $0.hasPrefix("MONOTONIC_USEC=") })
    #expect(try Self.interface(service.sites).contains("10.79.0.0/16"))
    // One that is wrong ends as well.
    _ = try service.sites.folder.write("left.conf", "[Gateway]\n")
    kill(try #require(service.manager.process), SIGHUP)
    #expect(service.manager.waits(for: "READY=1"))
    #expect(eventually(.seconds(5)) { service.logText.contains("refused, nothing has changed") }, "\(service.logText)")
  }

  @Test(arguments: [SIGKILL, SIGTERM])
  func `keeps its interface over a restart, with its number, addresses, routes and connections`(signal: Int32) throws {
    let service = try Self.started()
    let sites = service.sites
    #expect(try eventually(.seconds(10)) { try sites.pings(.alice, TwoSites.bob) })
    let before = try Self.interface(sites)
    #expect(before.contains("10.9.0.1/30") && before.contains("10.2.0.0/16"), "\(before)")
    // A program on the gateway itself, from the interface's own address.
    let listener = try HostSocket(.ipv4, SOCK_STREAM, in: sites.namespace(of: .bob))
    try listener.bind("0.0.0.0", port: 7100)
    try listener.listen()
    let own = try HostSocket(.ipv4, SOCK_STREAM, in: sites.namespace(of: .left))
    try own.bind("10.9.0.1", port: 0)
    try own.connect(TwoSites.bob, port: 7100)
    let far = try listener.accept()
    #expect(own.send(Array("before".utf8)) == 0 && far.receive() == Array("before".utf8))

    try service.manager.end(signal)
    #expect(service.manager.kept.map(\.name) == ["hawser0"])
    #expect(try Self.interface(sites) == before, "while nobody serves it")
    #expect(own.send(Array("meanwhile".utf8)) == 0)
    pause(.seconds(2))
    try Self.start(service)
    #expect(try Self.interface(sites) == before)
    #expect(far.receive() == Array("meanwhile".utf8))
    #expect(far.send(Array("after".utf8)) == 0 && own.receive() == Array("after".utf8))
    #expect(service.logText.contains("hawser0: it was kept while we were away"))
  }

  @Test func `gives a kept interface the addresses and routes of the new configuration, and no others`() throws {
    let service = try Self.started()
    let number = try Self.interface(service.sites).split(separator: "\n").first
    try service.manager.end(SIGKILL)
    try service.sites.reconfigure(.left) {
      $0.replacing("fd09::1/126", with: "10.77.0.1/24").replacing("10.2.0.0/16", with: "10.2.0.0/17, 10.78.0.0/16")
        .replacing("fd09::2/128, ", with: "")
    }
    try Self.start(service)
    let after = try Self.interface(service.sites)
    #expect(after.split(separator: "\n").first == number)
    let lines = after.split(separator: "\n").map { String($0.split(separator: " ")[0]) }
    #expect(
      lines.dropFirst().sorted() == [
        "10.2.0.0/17", "10.77.0.0/24", "10.77.0.1/24", "10.78.0.0/16", "10.9.0.0/30", "10.9.0.1/30", "10.9.0.2",
        "fd02::/16",
      ], "\(after)")
  }

  @Test func `lets an interface go that its configuration no longer names`() throws {
    let service = try Self.started()
    try service.manager.end(SIGKILL)
    try service.sites.reconfigure(.left) { $0.replacing("Interface = hawser0", with: "Interface = other0") }
    try Self.start(service)
    #expect(service.manager.waits(for: "FDNAME=hawser0"))
    #expect(
      eventually(.seconds(5)) {
        _ = service.manager.takeLines()
        return service.manager.kept.map(\.name) == ["other0"]
      })
    #expect(
      try eventually(.seconds(5)) {
        try !service.sites.run(.left, ["ip", "link", "show", "hawser0"]).isSuccess
      })
  }

  @Test func `leaves nothing behind when the service is stopped`() throws {
    let service = try Self.started()
    try service.manager.end(SIGTERM)
    service.manager.letGo()
    #expect(
      try eventually(.seconds(5)) {
        try !service.sites.run(.left, ["ip", "link", "show", "hawser0"]).isSuccess
      })
    #expect(try !service.sites.run(.left, ["ip", "route"]).text.contains("hawser0"))
  }

  // MARK: Logs

  @Test func `writes into the journal with fields, and never a secret`() throws {
    let service = try Service()
    let folder = service.sites.folder.path
    let journal = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    defer { close(journal) }
    try Manager.bind(journal, to: "\(folder)/journal")
    // Its log is the journal's stream by its device and its inode.
    #expect(FileManager.default.createFile(atPath: service.log, contents: nil))
    var status = stat()
    try #require(stat(service.log, &status) == 0)
    let script = try service.sites.folder.write(
      "inside.sh",
      """
      mount -t tmpfs none /run
      mkdir -p /run/systemd/journal
      touch /run/systemd/journal/socket
      mount --bind \(folder)/journal /run/systemd/journal/socket
      exec "$@"
      """)
    let configuration = try #require(service.sites.sides[.left]?.configuration)
    let file = try service.sites.folder.write("left.conf", configuration)
    let namespace = "/proc/\(getpid())/fd/\(service.sites.namespace(of: .left))"
    try service.manager.start(
      [
        "nsenter", "--net=\(namespace)", "unshare", "--mount", "sh", "-e", script, program, "gateway", "--config", file,
      ],
      log: service.log, environment: ["JOURNAL_STREAM=\(status.st_dev):\(status.st_ino)"])
    #expect(service.manager.waits(for: "READY=1"), "\(service.logText)")
    #expect(try eventually(.seconds(10)) { try service.sites.pings(.alice, TwoSites.bob) })
    var entries: [[String: String]] = []
    #expect(
      eventually(.seconds(10)) {
        while let entry = Self.entry(journal) { entries.append(entry) }
        return entries.contains { $0["HAWSER_EVENT"] == "path-up" }
      }, "\(entries)")
    try service.manager.end(SIGTERM)
    while let entry = Self.entry(journal) { entries.append(entry) }

    let up = try #require(entries.first { $0["HAWSER_EVENT"] == "path-up" })
    #expect(up["HAWSER_PEER"] == "other" && up["HAWSER_PATH"]?.hasPrefix("line") == true && up["PRIORITY"] == "5")
    #expect(up["MESSAGE_ID"] == "6f1d2c8e9b7a4450b3c19e02d5a7000b" && up["SYSLOG_IDENTIFIER"] == "hawser")
    #expect(up["MESSAGE"]?.hasPrefix("peer other: line") == true)
    for event in ["started", "socket-opened", "peer-connected", "ended"] {
      #expect(entries.contains { $0["HAWSER_EVENT"] == event }, "no \(event) in \(entries.map { $0["HAWSER_EVENT"] })")
    }
    #expect(service.logText.isEmpty, "what the journal has is written nowhere else")
    let secrets = configuration.split(separator: "\n").filter { $0.hasPrefix("PrivateKey") }.map {
      $0.split(separator: " ")[2]
    }
    #expect(secrets.count == 1)
    let told = entries.flatMap(\.values).joined(separator: "\n") + service.manager.takeLines().joined()
    for secret in secrets { #expect(!told.contains(secret.prefix(10))) }
  }

  /// The fields of one entry; those with line breaks are written in another way, and there is none.
  private static func entry(_ journal: Int32) -> [String: String]? {
    var bytes = [UInt8](repeating: 0, count: 8_192)
    let count = recv(journal, &bytes, bytes.count, 0)
    if count <= 0 { return nil }
    var fields: [String: String] = [:]
    for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      fields[String(line[..<equals])] = String(line[line.index(after: equals)...])
    }
    return fields
  }
}
