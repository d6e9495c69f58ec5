import Configuration
import Crypto
import Fetch
import Glibc
import HTTP
import JSON
@testable import OracleHost
import Primitives
import Sealing
import Synchronization
import Testing

@Suite struct `An oracle that listens` {
  private func start(_ configuration: OracleConfiguration, _ lines: Lines = Lines()) throws -> OracleServer {
    try OracleServer.start(OracleServer.Setup(configuration) { lines.add($0) })
  }

  @Test func `takes what is reported, answers who asks, and says when it is ready`() throws {
    let lines = Lines()
    let server = try start(configuration(["branch", "hq"], ["r1"]), lines)
    let asker = try Asker(server.endpoints[0])
    #expect(try asker.report("branch", "r1", 20, by: "branch").status == 200)
    #expect(try asker.report("r1", "hq", 30, by: "r1").status == 200)
    let answer = try asker.post("/v1/query", #"{"from":"branch","to":"hq"}"#)
    #expect(answer.status == 200 && answer.type == "application/json")
    let path = try asker.json(answer)["paths"]?.array?.first
    #expect(path?["via"]?.string == "r1" && path?["relay"]?["endpoint"]?.string == "relay.example.com:51800")
    #expect(try asker.get("/alto/networkmap").type == "application/alto-networkmap+json")
    #expect(try asker.get("/nowhere").status == 404)
    server.end()
    #expect(lines.all.contains { $0.hasPrefix("ready: http://127.0.0.1:") && $0.hasSuffix("; 2 gateways, 1 relays") })
    #expect(lines.all.contains { $0.hasPrefix("no Store:") })
  }

  @Test func `knows a token by its text, and nothing else`() throws {
    let lines = Lines()
    let server = try start(configuration(["branch", "hq"], []), lines)
    let asker = try Asker(server.endpoints[0])
    #expect(try asker.report("branch", "hq", 20, by: "Branch").status == 401)
    #expect(try asker.report("branch", "hq", 20, by: "\(hash("branch"))").status == 401)
    var request = FetchRequest(post: "{}", as: "application/json", to: asker.base + "/v1/measurements")
    for value in ["Basic branch", "branch", "Bearer", "Bearer branch2", ""] {
      request.headers = [.init("Authorization", value)]
      #expect(try asker.fetcher.fetch(request).status == 401, "\(value)")
    }
    request.headers = [.init("Authorization", "bearer   branch"), .init("Content-Type", "application/json")]
    let known = try asker.fetcher.fetch(request)
    #expect(known.status == 400, "\(known.text)")
    server.end()
    #expect(lines.all.filter { $0.contains("showed no token") }.count == 1, "a line a minute")
  }

  @Test func `keeps those without a token from reading where its file says so`() throws {
    var settings = configuration(["branch"], [])
    settings.readers = .known
    settings.knownReaders = [OracleConfiguration.Reader(name: "noc", token: .hash(hash("noc")))]
    let server = try start(settings)
    let asker = try Asker(server.endpoints[0])
    #expect(try asker.get("/v1/map").status == 401)
    #expect(try asker.get("/alto/").status == 401)
    #expect(try asker.get("/v1/map", by: "noc").status == 200)
    server.end()
  }

  @Test func `knows after its end what it was told before`() throws {
    let folder = try Folder()
    let settings = configuration(["branch", "hq"], ["r1"], store: folder.path + "/o.db")
    let first = try start(settings)
    #expect(try Asker(first.endpoints[0]).report("branch", "r1", 20, by: "branch").status == 200)
    first.end()
    let second = try start(settings)
    #expect(try Asker(second.endpoints[0]).roundTrip("branch", "r1") == 20_000)
    second.end()
  }

  @Test func `shares nodes and measurements with others on its store`() throws {
    let folder = try Folder()
    var settings = configuration(["branch"], ["r1"], store: folder.path + "/o.db")
    settings.name = "one"
    let one = try start(settings)
    var others = configuration(["hq"], [], store: folder.path + "/o.db")
    others.name = "two"
    let two = try start(others)
    let (first, second) = (try Asker(one.endpoints[0]), try Asker(two.endpoints[0]))
    // Each token is known at both: the second oracle's nodes came to the first while it ran.
    #expect(try becomes { try first.report("hq", "r1", 30, by: "hq").status == 200 })
    #expect(try first.report("branch", "hq", 40, by: "branch").status == 200)
    #expect(try second.report("r1", "branch", 50, by: "r1").status == 200)
    #expect(try becomes { try second.roundTrip("branch", "hq") == 40_000 && second.roundTrip("hq", "r1") == 30_000 })
    #expect(try becomes { try first.roundTrip("r1", "branch") == 50_000 })
    let node = try second.json(second.get("/v1/map"))["nodes"]?.array?.first { $0["name"]?.string == "r1" }
    #expect(node?["endpoint"]?.string == "relay.example.com:51800" && node?["kind"]?.string == "relay")

    // A node that left the file of the one leaves the map of the other.
    one.end()
    settings.relays = []
    let again = try start(settings)
    #expect(try becomes { try second.roundTrip("r1", "branch") == nil })
    #expect(try second.report("r1", "branch", 50, by: "r1").status == 401)
    #expect(try second.roundTrip("branch", "hq") == 40_000)
    again.end()
    two.end()
  }

  @Test func `tells a stream what changed, and ends it when it ends`() throws {
    let server = try start(configuration(["branch", "hq"], []))
    let asker = try Asker(server.endpoints[0])
    #expect(try asker.report("branch", "hq", 20, by: "branch").status == 200)
    let base = asker.base
    let reporter = try Asker(server.endpoints[0])
    var events: [String] = []
    let answer = try asker.fetcher.listen(
      FetchRequest(
        post: #"{"add":{"c":{"resource-id":"costmap-delay-rt"}}}"#, as: "application/alto-updatestreamparams+json",
        to: base + "/alto/updates")
    ) { event in
      events.append(event.data)
      if events.count == 2 { _ = try? reporter.report("branch", "hq", 33, by: "branch") }
      return events.count < 3
    }
    #expect(answer.isEventStream && events.count == 3 && events.last?.contains("33000") == true, "\(events)")
    server.end()
  }

  @Test func `does not start where somebody else listens, or without its store`() throws {
    let server = try start(configuration([], []))
    var settings = configuration([], [])
    settings.listen = server.endpoints
    let inUse = #expect(throws: OracleFailure.self) { try start(settings).end() }
    #expect(inUse?.description.hasPrefix("cannot listen on \(server.endpoints[0]): ") == true)
    server.end()
    let noStore = #expect(throws: OracleFailure.self) {
      try start(configuration([], [], store: "/nowhere/at/all.db")).end()
    }
    #expect(noStore?.description.contains("/nowhere/at/all.db") == true, "\(noStore?.description ?? "")")
  }

  @Test func `serves HTTPS to who trusts its certificate`() throws {
    let folder = try Folder()
    let (key, certificate) = (folder.path + "/key.pem", folder.path + "/certificate.pem")
    let own = try #require(SelfSigned(for: ["IP:127.0.0.1"]))
    try folder.write("key.pem", String(decoding: own.key, as: UTF8.self))
    try folder.write("certificate.pem", String(decoding: own.certificate, as: UTF8.self))
    try folder.write(
      "o.conf", "[Oracle]\nListen = 127.0.0.1:8460\nCertificate = certificate.pem\nCertificateKeyFile = key.pem\n")
    chmod(key, 0o600)
    let loaded = try LoadedOracle(folder.path + "/o.conf")
    var settings = loaded.oracle
    settings.listen = [Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)]
    var setup = OracleServer.Setup(settings) { _ in }
    setup.identity = loaded.identity
    let server = try OracleServer.start(setup)
    #expect(try Asker(server.endpoints[0], trusting: certificate).get("/v1/status").status == 200)
    #expect(throws: FetchFailure.self) { try Asker(server.endpoints[0]).get("/v1/status") }
    server.end()
  }
}

@Suite struct `An oracle's file on the disk` {
  private let token = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

  private func objections(_ folder: Folder) -> LoadedOracle.Objections {
    do throws(LoadedOracle.Objections) {
      _ = try LoadedOracle(folder.path + "/o.conf")
      return LoadedOracle.Objections()
    } catch {
      return error
    }
  }

  @Test func `has its tokens hashed, wherever they stand`() throws {
    let folder = try Folder()
    try folder.write("a.token", token + "\n")
    try folder.write(
      "o.conf", "[Oracle]\n[Gateway \"a\"]\nTokenFile = a.token\n[Reader \"b\"]\nTokenHash = \(hash("b"))\n")
    let loaded = try LoadedOracle(folder.path + "/o.conf")
    #expect(loaded.oracle.gateways[0].token == .hash(hash(token)))
    #expect(loaded.oracle.knownReaders[0].token == .hash(hash("b")) && loaded.identity == nil)
    try folder.write("o.conf", "[Oracle]\n[Gateway \"a\"]\nToken = \(token)\n")
    #expect(try LoadedOracle(folder.path + "/o.conf").oracle.gateways[0].token == .hash(hash(token)))
  }

  @Test func `is refused with everything that is wrong here`() throws {
    let folder = try Folder()
    try folder.write("a.token", token, mode: 0o644)
    try folder.write("b.token", "hello")
    try folder.write(
      "o.conf",
      """
      [Oracle]
      Certificate = none.crt
      CertificateKeyFile = none.pem
      [Gateway "a"]
      TokenFile = a.token
      [Gateway "b"]
      TokenFile = b.token
      [Gateway "c"]
      TokenFile = c.token
      [Gateway "d"]
      Token = \(token)
      """, mode: 0o644)
    let found = objections(folder)
    #expect(found.exitCode == 2 && found.wrong.isEmpty)
    let lines = found.refused.map { "\($0.place.line): \($0.message)" }
    func has(_ line: Int, _ part: String) -> Bool { lines.contains { $0.hasPrefix("\(line): ") && $0.contains(part) } }
    #expect(has(1, "everybody may read"), "\(lines)")
    #expect(has(5, "a.token holds a secret, and everybody may read it"), "\(lines)")
    #expect(has(7, "expected 44 characters of base64"), "\(lines)")
    #expect(has(9, "cannot read it: No such file or directory"), "\(lines)")
    #expect(has(10, "the gateway \"a\" has the same token"), "\(lines)")
    #expect(has(2, "none.crt: cannot read it") && has(3, "none.pem: cannot read it"), "\(lines)")
    #expect(!found.text.contains("hello") && !found.text.contains(token))
  }

  @Test func `is wrong where its text is, or when there is none`() throws {
    let folder = try Folder()
    #expect(objections(folder).exitCode == 64)
    try folder.write("o.conf", "[Oracle]\nName = a b\n")
    #expect(objections(folder).exitCode == 64 && objections(folder).text.contains("o.conf:2:8: "))
  }
}

@Suite struct `An oracle's log` {
  @Test func `has a line a minute of each kind, and tells how many it left out`() {
    let lines = Lines()
    let journal = Journal { lines.add($0) }
    var now = Instant(nanoseconds: 1_000_000_000)
    for number in 0..<100 {
      journal.say(.refusedToken, "refused \(number)", at: now)
      now += .milliseconds(100)
    }
    journal.say(.tooOften, "too often", at: now)
    now += .seconds(60)
    journal.say(.refusedToken, "refused again", at: now)
    #expect(
      lines.all == ["refused 0", "too often", "refused again (and 99 times more since the last such line)"])
  }
}
