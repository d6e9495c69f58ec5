//  ControlTests.swift — a running gateway's socket, asked by curl, by our own client, and by those who misbehave.

import Control
import Crypto
import Foundation
import HTTP
import Primitives
import Sealing
import Status
import Synchronization
import Testing

@Suite struct `Asking a running gateway` {
  @Test func `curl gets JSON over the Unix socket, every page with its keys`() throws {
    let gateway = try Standing()
    let status = try object(gateway.curl("/v1/status"))
    #expect(status["verdict"] as? String == "degraded" && status["interface"] as? String == "hawser0")
    #expect(status["uptime_ms"] as? Int == 3_725_000 && status["incarnation"] as? String == "00000000deadbeef")
    #expect((status["cipher"] as? [String: String])?["suite"] == "AES-128-GCM")
    let peers = try #require(status["peers"] as? [[String: Any]])
    #expect(peers.map { $0["name"] as? String } == ["hq", "lab"])
    let paths = try #require(peers[0]["paths"] as? [[String: Any]])
    #expect(paths[0]["rtt_ms"] as? Double == 8.125 && paths[0]["offload"] as? Bool == true)
    #expect(paths[1]["state"] as? String == "down" && paths[1]["rtt_ms"] is NSNull)

    let listed = try #require(try object(gateway.curl("/v1/peers"))["peers"] as? [[String: Any]])
    #expect(listed[0]["paths_up"] as? Int == 1 && listed[0]["paths"] as? Int == 2)
    #expect(listed[1]["last_handshake_ms"] is NSNull)
    #expect(paths[0]["state_reason"] as? String == "2 % of what it was sent was lost")
    #expect(paths.map { $0["liveness"] as? String } == ["up", "down"])
    let all = try #require(try object(gateway.curl("/v1/paths"))["paths"] as? [[String: Any]])
    #expect(all.map { $0["peer"] as? String } == ["hq", "hq"])
    #expect(try object(gateway.curl("/healthz"))["verdict"] as? String == "degraded")
  }

  @Test func `flows come in the order that is asked for, and no more of them than wanted`() throws {
    let gateway = try Standing()
    func ports(_ query: String) throws -> [Int] {
      let flows = try #require(try object(gateway.curl("/v1/flows\(query)"))["flows"] as? [[String: Any]])
      return flows.compactMap { $0["source_port"] as? Int }
    }
    #expect(try ports("") == [3, 1, 2])
    #expect(try ports("?sort=bytes") == [2, 3, 1])
    #expect(try ports("?sort=age&top=2") == [1, 3])
    #expect(try ports("?flow=10.1.0.2") == [2])
    #expect(try ports("?flow=-:443%20-%20tcp").count == 3)
    let answer = try object(gateway.curl("/v1/flows?top=1"))
    #expect(answer["count"] as? Int == 3 && answer["fitting"] as? Int == 3)
    for (query, sentence) in [
      ("?sort=x", "sort: expected one of rate, bytes, age"), ("?top=0", "top: expected a whole number from 1 to 10000"),
    ] {
      let refused = gateway.curlWithStatus("/v1/flows" + query)
      #expect(refused.status == "400")
      #expect(try object(refused.body)["error"] as? String == sentence)
    }
    #expect(gateway.curlWithStatus("/v1/flows?flow=x.y").status == "400")
  }

  @Test func `why speaks of a flow by its ends, of the greatest that fits, and of a path by its name`() throws {
    let gateway = try Standing()
    let whole = try object(gateway.curl("/v1/why?flow=10.1.0.9:5+10.2.0.7:443+tcp"))
    #expect(whole["flow"] as? String == "10.1.0.9:5 10.2.0.7:443 tcp")
    #expect(try object(gateway.curl("/v1/why?flow=-:443"))["flow"] as? String == "10.1.0.3:3 10.2.0.7:443 tcp")
    let path = try object(gateway.curl("/v1/why?path=fibre"))
    #expect((path["ways"] as? [[String: Any]])?.first?["state"] as? String == "lossy")
    let unknown = gateway.curlWithStatus("/v1/why?path=fiber")
    #expect(unknown.status == "404")
    #expect(try object(unknown.body)["error"] as? String == "there is no path 'fiber'; did you mean 'fibre'?")
    #expect(gateway.curlWithStatus("/v1/why").status == "400")
    #expect(gateway.curlWithStatus("/v1/why?flow=10.9.9.9").status == "404")
  }

  @Test func `a query does not change the page, and HEAD gets no body`() throws {
    let gateway = try Standing()
    #expect(try gateway.curl("/healthz?x=1") == gateway.curl("/healthz"))
    let head = gateway.raw("HEAD /v1/status HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    #expect(head.hasPrefix("HTTP/1.1 200") && head.contains("Content-Type: application/json"))
    #expect(head.hasSuffix("\r\n\r\n"))
  }

  @Test func `who accepts only text gets the tables that hawser prints`() throws {
    let gateway = try Standing()
    let answer = try ControlClient.get("/v1/status", at: gateway.path, asText: true)
    #expect(answer.status == 200 && answer.verdict == .degraded)
    #expect(answer.body == sample.text())
    #expect(try ControlClient.get("/v1/paths", at: gateway.path, asText: true).body == sample.pathsText())
  }

  @Test func `what is not there, not read or too much is refused with a sentence`() throws {
    let gateway = try Standing()
    let unknown = gateway.curlWithStatus("/v1/statsu")
    #expect(unknown.status == "404")
    #expect(
      try object(unknown.body)["error"] as? String
        == "there is no /v1/statsu here; there are /v1/status, /v1/peers, /v1/paths, /v1/flows, /v1/rules, /v1/why, "
        + "/v1/events, /v1/reload, /v1/settings, /metrics, /healthz, /")
    let post = gateway.curlWithStatus("/v1/status", "-X POST -d x=1")
    #expect(post.status == "405")
    #expect(try object(post.body)["error"] as? String == "POST changes nothing here; use GET")
    #expect(gateway.curlWithStatus("/v1/status", "-X DELETE -D -").body.contains("Allow: GET, HEAD"))
    #expect(gateway.curlWithStatus("/v1/status", "-X GET -d x=1").status == "413")
    #expect(gateway.curlWithStatus("/v1/status", "-H 'X: \(String(repeating: "x", count: 20_000))'").status == "431")
    #expect(gateway.curlWithStatus("/healthz").status == "200")
  }

  @Test(arguments: [
    "\r\n\r\n\r\n", "nonsense\r\n\r\n", "GET\r\n\r\n", "GET /v1/status HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\u{3}",
    "GET /v1/status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "GET /v1/status HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n",
  ])
  func `garbage is no answer of ours, and the next who asks is served`(request: String) throws {
    let gateway = try Standing()
    let answer = gateway.raw(request, half: true)
    #expect(!answer.contains("HTTP/1.1 200"), "\(answer)")
    #expect(gateway.curlWithStatus("/healthz").status == "200")
  }

  @Test func `somebody who sends his request byte by byte keeps nobody waiting`() throws {
    let gateway = try Standing()
    let slow = try #require(gateway.connection())
    defer { close(slow) }
    for byte in "GET /v1/status HTTP/1.1\r\nHos".utf8 {
      #expect(send(slow, [byte], 1, Int32(MSG_NOSIGNAL)) == 1)
      #expect(try ControlClient.get("/healthz", at: gateway.path, asText: true).status == 200)
    }
  }

  @Test func `many at once are all answered, also more than there are places for`() throws {
    let gateway = try Standing()
    let answered = Atomic<Int>(0)
    Threads.perform(count: 40) { _ in
      if (try? ControlClient.get("/v1/status", at: gateway.path, asText: false))?.status == 200 {
        answered.add(1, ordering: .relaxed)
      }
    }
    #expect(answered.load(ordering: .relaxed) == 40)
    // The data path made far fewer snapshots than there were questions.
    #expect(gateway.snapshots < 40)
  }

  @Test func `a gateway that does not answer is a sentence after a second, and at once for those who come then`() throws
  {
    let gateway = try Standing(answers: false)
    let first = gateway.curlWithStatus("/v1/status")
    #expect(first.status == "503")
    #expect(
      try object(first.body)["error"] as? String
        == "the gateway has not answered for a second; it is overloaded, or it hangs")
    // Ten more do not take ten seconds: libmicrohttpd would answer one after the other.
    let began = Date()
    for _ in 0..<10 { #expect(gateway.curlWithStatus("/healthz").status == "503") }
    #expect(Date().timeIntervalSince(began) < 9)
    // It comes back to life: as soon as it has had a turn, whoever asks is served.
    gateway.answers = true
    let end = Date() + 10
    var status = gateway.curlWithStatus("/healthz").status
    while status != "200" && Date() < end { status = gateway.curlWithStatus("/healthz").status }
    #expect(status == "200")
  }

  @Test func `a gateway whose peers are all lost is down, and /healthz says so by its status`() throws {
    let gateway = try Standing { $0.peers[0].state = .unreachable }
    #expect(gateway.curlWithStatus("/healthz").status == "503")
    #expect(gateway.curlWithStatus("/v1/status").status == "200")
    #expect(try ControlClient.get("/v1/status", at: gateway.path, asText: false).verdict == .down)
  }
}

@Suite struct `Asking over TCP` {
  static let token = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
  static let loopback = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)

  static func remote(_ identity: HTTPIdentity? = nil) throws -> ControlServer.Remote {
    let hash = try #require(Array(token.utf8).withUnsafeBytes { TokenHash(SHA256.hash($0)) })
    return ControlServer.Remote(listen: [loopback], token: hash, identity: identity)
  }

  private func ask(_ url: String, _ options: String = "") -> (status: String, body: String) {
    let answer = shell("curl --silent --insecure --max-time 20 -w '%{http_code}' \(options) \(url)")
    return (String(answer.output.suffix(3)), String(answer.output.dropLast(3)))
  }

  @Test func `whoever shows the token is answered, and nobody else, whatever he asks for`() throws {
    let gateway = try Standing(remote: try Self.remote())
    let url = "http://\(gateway.remote[0])"
    let right = ask(url + "/v1/status", "-H 'Authorization: Bearer \(Self.token)'")
    #expect(right.status == "200")
    #expect(try object(right.body)["verdict"] as? String == "degraded")
    for page in ["/v1/status", "/v1/events", "/healthz", "/v1/nothing", "/metrics"] {
      let none = ask(url + page, "-D -")
      #expect(none.status == "401" && none.body.contains("WWW-Authenticate: Bearer"), "\(page)")
      for wrong in ["Bearer x", "Bearer \(Self.token)x", "Basic \(Self.token)", Self.token, "Bearer"] {
        #expect(ask(url + page, "-H 'Authorization: \(wrong)'").status == "401", "\(page), \(wrong)")
      }
    }
    // Over the socket nobody needs one.
    #expect(gateway.curlWithStatus("/v1/status").status == "200")
  }

  @Test func `the door for metrics leads to nothing else`() throws {
    let gateway = try Standing(metrics: [Self.loopback])
    #expect(ask("http://\(gateway.metrics[0])/v1/status").status == "404")
    #expect(ask("http://\(gateway.metrics[0])/healthz").body.contains("there are /metrics"))
  }

  @Test func `a port that is taken is told, and costs nobody his socket`() throws {
    let first = try Standing(remote: try Self.remote())
    var again = try Self.remote()
    again.listen = first.remote
    let folder = try Folder()
    let path = folder.path + "/g.sock"
    let error = #expect(throws: ControlFailure.self) { _ = try Standing(at: path, remote: again) }
    #expect("\(try #require(error))".contains("Address already in use; is another program there"))
    #expect(access(path, F_OK) != 0)
  }
}

@Suite struct `Listening to events` {
  @Test func `what happens is told as it happens, each with its id, and what was missed first`() throws {
    let gateway = try Standing()
    gateway.events.tell(.started, "it is up")
    gateway.events.tell(.pathDown, peer: "hq", path: "lte", "peer hq: lte does not answer any more")
    let stream = Process()
    let pipe = Pipe()
    stream.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    stream.arguments = ["curl", "-sN", "--max-time", "20", "--unix-socket", gateway.path, "http://h/v1/events"]
    stream.standardOutput = pipe
    try stream.run()
    defer { stream.terminate() }
    var text = ""
    /// Until it has come, or curl has given up.
    func hears(_ wanted: String) -> Bool {
      while !text.contains(wanted) {
        let data = pipe.fileHandleForReading.availableData
        if data.isEmpty { return false }
        text += String(decoding: data, as: UTF8.self)
      }
      return true
    }
    #expect(hears("lte does not answer"))
    gateway.events.tell(.pathUp, peer: "hq", path: "lte", "peer hq: lte is up")
    #expect(hears("lte is up"))
    let blocks = text.components(separatedBy: "\n\n").filter { $0.hasPrefix("id: ") }
    #expect(blocks.count == 3)
    let ids = blocks.compactMap { UInt64($0.split(separator: "\n")[0].dropFirst(4)) }
    #expect(ids == [ids[0], ids[0] + 1, ids[0] + 2])
    #expect(blocks[1].contains("\nevent: path-down\ndata: {\"id\":\(ids[1]),"))
    let down = try object(String(blocks[1].split(separator: "\n")[2].dropFirst(6)))
    #expect(down["kind"] as? String == "path-down" && down["path"] as? String == "lte")

    // Who comes back says what he has seen.
    let later = shell(
      "curl -sN --max-time 1 -H 'Last-Event-ID: \(ids[1])' --unix-socket \(gateway.path) http://h/v1/events"
    ).output
    #expect(!later.contains("id: \(ids[1])\n") && later.contains("id: \(ids[2])\n") && !later.contains("event: gap"))
  }

  @Test func `the last 256 are kept, and who missed more is told so`() throws {
    let gateway = try Standing()
    for number in 0..<300 { gateway.events.tell(.rekeyed, peer: "hq", "number \(number)") }
    let list = shell(
      "curl -s -H 'Accept: application/json' --unix-socket \(gateway.path) http://h/v1/events"
    ).output
    let events = try #require(try object(list)["events"] as? [[String: Any]])
    #expect(events.count == 256 && events.last?["text"] as? String == "number 299")
    let first = try #require(events.first?["id"] as? Int)
    let stream = shell(
      "curl -sN --max-time 1 -H 'Last-Event-ID: \(first - 11)' --unix-socket \(gateway.path) http://h/v1/events"
    ).output
    #expect(stream.contains("event: gap\ndata: {\"missed\":10}"))
    #expect(stream.components(separatedBy: "\nid: ").count == 257)
    // What no gateway ever told is no reason to tell nothing.
    for strange in ["18446744073709551615", "-1", "x", "99999999999999999999999"] {
      let all = shell(
        "curl -sN --max-time 1 -H 'Last-Event-ID: \(strange)' --unix-socket \(gateway.path) http://h/v1/events"
      ).output
      #expect(all.components(separatedBy: "\nid: ").count == 257, "\(strange)")
    }
  }
}

@Suite struct `The control socket` {
  @Test func `only its owner and its group may use it, whatever the umask says`() throws {
    let before = umask(0o022)
    defer { umask(before) }
    let gateway = try Standing()
    var status = stat()
    #expect(stat(gateway.path, &status) == 0 && status.st_mode & 0o777 == 0o660)
  }

  @Test func `it is gone with its server`() throws {
    let path: String
    do {
      let gateway = try Standing()
      path = gateway.path
      #expect(access(path, F_OK) == 0)
    }
    #expect(access(path, F_OK) != 0)
    #expect(throws: ControlFailure.nobody(path: path)) { try ControlClient.get("/healthz", at: path, asText: true) }
  }

  @Test func `what a killed gateway left is replaced`() throws {
    let folder = try Folder()
    let path = folder.path + "/g.sock"
    #expect(abandonSocket(at: path) && access(path, F_OK) == 0)
    let gateway = try Standing(at: path)
    #expect(gateway.curlWithStatus("/healthz").status == "200")
  }

  @Test func `a second gateway is told that the first one lives`() throws {
    let first = try Standing()
    #expect(throws: ControlFailure.inUse(path: first.path)) { _ = try Standing(at: first.path) }
    #expect("\(ControlFailure.inUse(path: "/run/x"))".contains("another gateway answers on /run/x; stop it"))
    #expect(first.curlWithStatus("/healthz").status == "200")
  }

  @Test func `a file that is no socket is left alone`() throws {
    let folder = try Folder()
    let path = folder.path + "/precious"
    #expect(shell("echo 1 > \(path)").status == 0)
    #expect(throws: ControlFailure.notASocket(path: path)) { _ = try Standing(at: path) }
    #expect(access(path, F_OK) == 0)
  }

  @Test func `a directory that is missing is made, a path that is too long is refused`() throws {
    let folder = try Folder()
    let gateway = try Standing(at: folder.path + "/run/g.sock")
    #expect(gateway.curlWithStatus("/healthz").status == "200")
    let long = folder.path + "/" + String(repeating: "x", count: 100)
    #expect(throws: ControlFailure.pathTooLong(path: long)) { _ = try Standing(at: long) }
  }

  @Test func `where one gateway runs it is found, where several run they are named`() throws {
    let folder = try Folder()
    #expect(throws: ControlFailure.none(directory: folder.path)) { try ControlClient.onlySocket(in: folder.path) }
    let one = try Standing(at: folder.path + "/one.sock")
    #expect(try ControlClient.onlySocket(in: folder.path) == one.path)
    #expect(abandonSocket(at: folder.path + "/dead.sock"))
    #expect(try ControlClient.onlySocket(in: folder.path) == one.path)
    let two = try Standing(at: folder.path + "/two.sock")
    #expect(throws: ControlFailure.several([one.path, two.path])) { try ControlClient.onlySocket(in: folder.path) }
  }
}

@Suite struct `Commands that show a gateway` {
  @Test func `print what the gateway says, and end with its verdict`() throws {
    let gateway = try Standing()
    for (words, text) in [
      ("status", sample.text()), ("peers", sample.peersText()), ("paths", sample.pathsText()),
      ("flows --sort bytes", sampleFlows.text(byBytes)), ("rules", sampleRules.text()),
    ] {
      let answer = shell("\(hawser) \(words) --socket \(gateway.path)")
      #expect(answer.status == 1 && answer.output == text)
      let json = shell("\(hawser) \(words) --json --socket \(gateway.path)")
      #expect(json.status == 1)
      #expect(try !object(json.output).isEmpty)
    }
  }

  @Test func `why takes a path's name or a flow's words`() throws {
    let gateway = try Standing()
    let path = shell("\(hawser) why fibre --socket \(gateway.path)")
    #expect(path.status == 1 && path.output == sample.explainPath("fibre")?.text())
    let flow = shell("\(hawser) why 10.1.0.9:5 10.2.0.7:443 tcp --socket \(gateway.path)")
    #expect(flow.status == 1 && flow.output.hasPrefix("flow   10.1.0.9:5 10.2.0.7:443 tcp"), "\(flow.output)")
    let unknown = shell("\(hawser) why fiber --socket \(gateway.path)")
    #expect(unknown.status == 2 && unknown.output == "hawser: there is no path 'fiber'; did you mean 'fibre'?\n")
  }

  @Test func `top draws on a terminal until somebody presses q, leaves it as it was, and wants one`() throws {
    let gateway = try Standing()
    let command = "\(hawser) top --socket \(gateway.path)"
    let drawn = shell("printf q | LC_ALL=C.UTF-8 TERM=xterm script -qec '\(command)' /dev/null")
    #expect(drawn.status == 0, "\(drawn.output)")
    #expect(drawn.output.contains("\u{1b}[?1049h") && drawn.output.contains("hawser0"))
    #expect(drawn.output.contains("fibre") && drawn.output.contains("q quits"))
    let end = try #require(drawn.output.range(of: "\u{1b}[?25h\u{1b}[?1049l"))
    #expect(!drawn.output[end.upperBound...].contains("hawser0"))
    let piped = shell("\(command) </dev/null")
    #expect(
      piped.status == 64 && piped.output == "hawser top: this is no terminal; hawser status prints the same once\n")
    let nobody = shell("printf q | TERM=xterm script -qec '\(hawser) top --socket /nowhere.sock' /dev/null; true")
    #expect(nobody.output.contains("nobody listens on /nowhere.sock") && !nobody.output.contains("\u{1b}[?1049h"))
  }

  @Test func `are in colours on a terminal only, and only if its owner likes them`() throws {
    let gateway = try Standing()
    let command = "\(hawser) paths --socket \(gateway.path)"
    #expect(!shell(command).output.contains("\u{1b}"))
    #expect(shell("env -u NO_COLOR TERM=xterm script -qec '\(command)' /dev/null").output.contains("\u{1b}[31mdown"))
    #expect(!shell("NO_COLOR=1 TERM=xterm script -qec '\(command)' /dev/null").output.contains("\u{1b}"))
  }

  @Test func `tell in a sentence that a gateway hangs`() throws {
    let gateway = try Standing(answers: false)
    let answer = shell("\(hawser) status --socket \(gateway.path)")
    #expect(answer.status == 2)
    #expect(
      answer.output == "hawser: the gateway has not answered for a second; it is overloaded, or it hangs\n")
    #expect(try object(shell("\(hawser) status --json --socket \(gateway.path)").output)["error"] != nil)
  }

  @Test(.enabled(if: getuid() == 0, "needs root: gives its rights up"))
  func `tell who may ask, when somebody else does`() throws {
    let folder = try Folder()
    #expect(chmod(folder.path, 0o755) == 0)
    let gateway = try Standing(at: folder.path + "/g.sock")
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all"
    let answer = shell(
      "cp \(hawser) \(folder.path)/hawser && \(nobody) \(folder.path)/hawser status --socket \(gateway.path)")
    #expect(answer.status == 2)
    #expect(answer.output.hasSuffix("Permission denied; run it as root, or as a member of the socket's group\n"))
  }
}

// MARK: Helpers

/// The release program where there is one, else the one beside the tests.
private let hawser: String = {
  let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  let folder =
    ProcessInfo.processInfo.environment["HAWSER_RELEASE_BIN"] ?? (tests as NSString).deletingLastPathComponent
  return folder + "/hawser"
}()

/// A gateway without a data path: a thread that answers when it is woken, as a driver's loop does.
final class Standing: Sendable {
  let path: String
  private let folder: Folder?
  private let board: StatusBoard
  let events: EventBoard
  let doors: ControlDoors
  private let server: Mutex<ControlServer?>
  private let state: Shared

  private final class Shared: Sendable {
    let answers: Atomic<Bool>
    let made = Atomic<Int>(0)
    let wakes = DispatchSemaphore(value: 0)
    let isOver = Atomic<Bool>(false)
    init(answers: Bool) { self.answers = Atomic(answers) }
  }

  init(
    at given: String? = nil, answers: Bool = true, remote: ControlServer.Remote? = nil, metrics: [Endpoint] = [],
    actions: ControlActions? = nil, _ change: (inout StatusSnapshot) -> Void = { _ in }
  ) throws {
    let folder = try given == nil ? Folder() : nil
    self.folder = folder
    path = given ?? (folder?.path ?? "") + "/hawser0.sock"
    let state = Shared(answers: answers)
    self.state = state
    let board = StatusBoard { state.wakes.signal() }
    self.board = board
    var snapshot = sample
    change(&snapshot)
    events = try #require(EventBoard())
    let server = try ControlServer.start(
      at: path, ControlServer.House(board: board, events: events, actions: actions), remote: remote, metrics: metrics)
    doors = server.doors
    self.server = Mutex(server)
    let made = snapshot
    Thread.detachNewThread {
      while true {
        state.wakes.wait()
        if state.isOver.load(ordering: .relaxed) { return }
        guard state.answers.load(ordering: .relaxed), board.isAsked, let ticket = board.takeQuestion() else { continue }
        state.made.add(1, ordering: .relaxed)
        switch ticket.question {
        case .status: board.publish(.status(made), for: ticket)
        case .flows: board.publish(.flows(sampleFlows), for: ticket)
        case .rules: board.publish(.rules(sampleRules), for: ticket)
        case .flow(let key): board.publish(.flow(sampleExplanation(of: key)), for: ticket)
        }
      }
    }
  }

  deinit {
    server.withLock { $0 = nil }
    state.isOver.store(true, ordering: .relaxed)
    state.wakes.signal()
  }

  var remote: [Endpoint] { doors.remoteEndpoints }
  var metrics: [Endpoint] { doors.metricsEndpoints }
  var snapshots: Int { state.made.load(ordering: .relaxed) }
  var answers: Bool {
    get { state.answers.load(ordering: .relaxed) }
    set { state.answers.store(newValue, ordering: .relaxed) }
  }

  func curl(_ page: String) throws -> String {
    let answer = shell("curl --silent --show-error --max-time 20 --unix-socket \(path) 'http://hawser\(page)'")
    #expect(answer.status == 0, "\(answer.output)")
    return answer.output
  }

  func curlWithStatus(_ page: String, _ options: String = "") -> (status: String, body: String) {
    let answer = shell(
      "curl --silent --max-time 20 -w '%{http_code}' \(options) --unix-socket \(path) http://hawser\(page)")
    return (String(answer.output.suffix(3)), String(answer.output.dropLast(3)))
  }

  func connection() -> Int32? {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    if withAddress(path, { connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) }) == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  /// What comes back until the other side hangs up; `half` says that nothing more will be sent.
  func raw(_ request: String, body: [UInt8] = [], half: Bool = false) -> String {
    guard let descriptor = connection() else { return "" }
    defer { close(descriptor) }
    let bytes = Array(request.utf8) + body
    _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    if half { shutdown(descriptor, Int32(SHUT_WR)) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 { text += chunk[..<count] }
    return String(decoding: text, as: UTF8.self)
  }
}

private func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
  }
}

/// What a killed gateway leaves: a socket's file that nobody listens at.
private func abandonSocket(at path: String) -> Bool {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  return withAddress(path) { bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), $1) } == 0
}

/// A folder of its own that is gone afterwards.
final class Folder: Sendable {
  let path: String

  init() throws {
    var name = Array("/tmp/hawser-control.XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw CocoaError(.fileWriteUnknown) }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

private enum Threads {
  /// Runs a body on as many threads at once and waits for all of them.
  static func perform(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for index in 0..<count {
      group.enter()
      Thread.detachNewThread {
        body(index)
        group.leave()
      }
    }
    group.wait()
  }
}

func object(_ json: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any], "\(json)")
}

/// Both streams, and the exit code.
func shell(_ line: String) -> (status: Int32, output: String) {
  guard let pipe = popen("{ \(line); } 2>&1 </dev/null", "re") else { return (-1, "") }
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
  let status = pclose(pipe)
  return (status & 0x7f == 0 ? status >> 8 & 0xff : -1, String(decoding: output, as: UTF8.self))
}
