import Primitives
import Sealing
import Status
import Testing

@Suite struct `A status` {
  @Test
  func `is fine when everything works or is not wanted, degraded when something is missing, down when nothing goes`() {
    func verdict(_ change: (inout StatusSnapshot) -> Void) -> StatusSnapshot.Verdict {
      var snapshot = sample
      change(&snapshot)
      return snapshot.verdict
    }
    #expect(verdict { _ in } == .degraded)
    #expect(verdict { $0.peers[0].paths[1].state = .up } == .degraded)
    #expect(
      verdict {
        $0.peers[0].paths[1].state = .up
        $0.peers[1].state = .idle
      } == .fine)
    #expect(verdict { for at in $0.peers.indices { $0.peers[at].state = .idle } } == .fine)
    #expect(verdict { $0.peers[0].state = .connecting } == .down)
    #expect(verdict { $0.peers = [] } == .down)
  }

  @Test func `is read by people as one screen of tables`() {
    #expect(
      sample.text() == """
        gateway      hawser0, degraded, up for 1 h 2 min, version 0.1.0
        sum          999 kbit/s out, 75.2 Mbit/s in, 3 flows, 1 of 2 paths work
        public key   BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=
        cipher       AES-128-GCM (Intel ipsec-mb)
        resequencer  12.3 kB of 16.8 MB held, in 3 segments

        PEER  STATE           SINCE  HANDSHAKE  PATHS         OUT           IN
        hq    connected   1 h 1 min  12 s ago     1/2  999 kbit/s  75.2 Mbit/s
        lab   connecting        4 s  never        0/0     0 bit/s      0 bit/s

        PEER  PATH   STATE  TIER          RTT  LOSS          OUT         IN  SHARE
        hq    fibre  lossy  primary    8.1 ms   2 %  1.05 Mbit/s  77 Mbit/s  100 %
        hq    lte    down   secondary       -   0 %      0 bit/s    0 bit/s    0 %

        hq  fibre  lossy   2 % of what it was sent was lost
        hq  lte    down    nothing has come back for 2 min 5 s
            lte    budget  1.5 GB of 20 GB used since 2026-11-01, 18.5 GB left until 2026-12-01

        resequencer  duplicate  12
        handshake    badMAC      3

        """)
  }

  @Test func `has a row for each path with all its numbers in hawser paths`() {
    #expect(
      sample.pathsText() == """
        PEER  PATH   STATE  TIER       USE          RTT  LOSS          OUT         IN  SHARE        \
        CAN  DEVICE  REMOTE             MTU  RECEIVED  SENT
        hq    fibre  lossy  primary    carrying  8.1 ms   2 %  1.05 Mbit/s  77 Mbit/s  100 %  \
        88 Mbit/s  eth0    192.0.2.1:51820  1500?       0 B   0 B
        hq    lte    down   secondary  -              -   0 %      0 bit/s    0 bit/s    0 %          \
        -  wwan0   -                 1400       0 B   0 B

        """)
  }

  @Test func `says how it stands with the oracle, if there is one to ask`() {
    var snapshot = sample
    #expect(!snapshot.json().contains("oracle") && !snapshot.text().contains("oracle"))
    let cases: [(StatusSnapshot.Oracle, String)] = [
      (.init(url: "https://o", state: .asking, since: .seconds(1)), "oracle       https://o, being asked"),
      (
        .init(url: "https://o", state: .answers, since: .seconds(90), lastAnswer: .seconds(4)),
        "oracle       https://o, answered 4 s ago"
      ),
      (
        .init(url: "https://o", state: .silent, since: .seconds(90), lastAnswer: .seconds(100), why: "nobody there"),
        "oracle       https://o, silent for 1 min 30 s, answered 1 min 40 s ago: nobody there"
      ),
    ]
    for (oracle, line) in cases {
      snapshot.oracle = oracle
      #expect(snapshot.text().split(separator: "\n").contains { $0 == line }, "\(snapshot.text())")
    }
    #expect(
      snapshot.json().contains(
        "\"oracle\": {\"url\": \"https://o\", \"state\": \"silent\", \"since_ms\": 90000, \"last_answer_ms\": 100000, "
          + "\"why\": \"nobody there\"}")
        || snapshot.json().contains(
          "\"oracle\":{\"url\":\"https://o\",\"state\":\"silent\",\"since_ms\":90000,\"last_answer_ms\":100000,"
            + "\"why\":\"nobody there\"}"),
      "\(snapshot.json())")
  }

  @Test func `is one line of JSON for scripts, and indented for people`() {
    #expect(!sample.json().contains("\n") && sample.json(.indented).contains("\n  \"verdict\": \"degraded\""))
  }
}

/// A gateway with two peers: one with a path that is down, one that has not answered yet.
let sample: StatusSnapshot = {
  func key(_ byte: UInt8) -> PublicKey {
    guard let key = PublicKey(KeyText.text([UInt8](repeating: byte, count: 32))) else {
      preconditionFailure("32 bytes are a key")
    }
    return key
  }
  var snapshot = StatusSnapshot(
    version: "0.1.0", uptime: .seconds(3_725), incarnation: 0xdead_beef, publicKey: key(7), interface: "hawser0",
    suite: .aes128GCM, suiteImplementation: "Intel ipsec-mb")
  snapshot.flows = 3
  snapshot.resequencer.heldBytes = 12_345
  snapshot.resequencer.heldSegments = 3
  snapshot.resequencer.mostBytes = 16 << 20
  snapshot.counters = [
    .init("resequencer", "duplicate", 12), .init("resequencer", "late", 0), .init("handshake", "badMAC", 3),
  ]
  var hq = StatusSnapshot.Peer(name: "hq", publicKey: key(8), state: .connected, since: .seconds(3_700))
  hq.lastHandshake = .seconds(12)
  hq.traffic.receivedBytes = 1_499_600_000
  hq.traffic.sentBytes = 999
  hq.sentRate = 999_000
  hq.receivedRate = 75_200_000
  var fibre = StatusSnapshot.Path(
    name: "fibre", interface: "eth0", state: .up, weight: 3, mtu: ByteCount(1_500), hasOffload: true)
  fibre.remote = "192.0.2.1:51820"
  fibre.roundTrip = .microseconds(8_125)
  fibre.sentRate = 1_050_000
  fibre.receivedRate = 77_000_000
  fibre.search = .searching
  fibre.mtuReason = "a probe of this size was answered"
  fibre.use = .carrying
  fibre.useReason = "it is the first"
  fibre.rate = 88_000_000
  fibre.loss = 0.02
  fibre.control = "cruising"
  fibre.controlReason = "all is well"
  hq.mode = .all
  hq.modeReason = "nothing is held against any"
  var lte = StatusSnapshot.Path(
    name: "lte", interface: "wwan0", state: .down, weight: 1, mtu: ByteCount(1_400), hasOffload: false)
  lte.tier = .secondary
  lte.lastHeard = .seconds(125)
  lte.budget = .init(bytes: 20_000_000_000, used: 1_500_000_000, since: "2026-11-01", until: "2026-12-01")
  hq.paths = [fibre, lte]
  let lab = StatusSnapshot.Peer(name: "lab", publicKey: key(9), state: .connecting, since: .seconds(4))
  snapshot.peers = [hq, lab]
  return snapshot
}()

let byBytes: FlowList.Wish = {
  var wish = FlowList.Wish()
  wish.order = .bytes
  return wish
}()

/// Three flows to one host; which is the first depends on what one looks at.
let sampleFlows: FlowList = {
  var list = FlowList(peers: ["hq"], classes: ["bulk", "interactive"], rules: ["copy"])
  for (number, age, rate, bytes) in [(1, 90, 1_000, 50), (2, 5, 500, 9_000_000), (3, 60, 88_000_000, 1_000_000)] {
    list.rows.append(
      FlowList.Row(
        key: FlowKey(
          source: IPAddress(ipv4: 0x0a01_0000 + UInt32(number)), sourcePort: UInt16(number),
          destination: IPAddress(ipv4: 0x0a02_0007), destinationPort: 443, transport: 6),
        peer: 0, classNumber: UInt8(number % 2), stack: .striped, rule: number == 2 ? 0 : nil, lane: UInt16(number),
        sentBytes: UInt64(bytes), sentPackets: 3, receivedBytes: 0, sentRate: UInt64(rate), receivedRate: 0,
        age: .seconds(Int64(age)), silence: .zero))
  }
  return list
}()

let sampleRules: RuleList = {
  var list = RuleList()
  list.rules = [
    .init(name: "calls", conditions: ["DSCP 46"], stack: .striped, path: nil, className: "realtime", flows: 3),
    .init(
      name: "copy", conditions: ["to 10.1.7.0/24", "port 873"], stack: .single, path: "fibre", className: nil, flows: 0
    ),
  ]
  list.others = 120
  return list
}()

func sampleExplanation(of key: FlowKey) -> FlowExplanation {
  var explanation = FlowExplanation(key: key)
  explanation.flow = sampleFlows.rows.first { $0.key == key }
  explanation.peer = "hq"
  explanation.passed = [.init(rule: "calls", obstacle: "DSCP does not fit")]
  explanation.rule = "copy"
  explanation.className = "bulk"
  explanation.classReason = "its rule says so"
  explanation.stackReason = "over all paths that carry, the default"
  explanation.ways = [
    .init(path: "fibre", remote: "192.0.2.1:51820", carries: true, reason: "no path that is up comes before it"),
    .init(path: "lte", remote: nil, carries: false, reason: "it does not answer"),
  ]
  return explanation
}

@Suite struct `Lists and explanations` {
  @Test func `flows and rules are tables whose columns line up`() {
    #expect(
      sampleFlows.text(byBytes) == """
        FROM        TO            PROTO  PEER  CLASS        STACK    RULE  LANE        OUT       \
        IN  SENT  RECEIVED         AGE
        10.1.0.2:2  10.2.0.7:443  tcp    hq    bulk         striped  copy     2  500 bit/s  \
        0 bit/s  9 MB       0 B         5 s
        10.1.0.3:3  10.2.0.7:443  tcp    hq    interactive  striped  -        3  88 Mbit/s  \
        0 bit/s  1 MB       0 B   1 min 0 s
        10.1.0.1:1  10.2.0.7:443  tcp    hq    interactive  striped  -        1   1 kbit/s  \
        0 bit/s  50 B       0 B  1 min 30 s

        """)
    #expect(
      sampleRules.text() == """
        #  RULE            FLOWS  CLASS     STACK         WHEN
        1  calls               3  realtime  striped       DSCP 46
        2  copy                0  -         single fibre  to 10.1.7.0/24, port 873
        -  (none of them)    120  -         striped       no rule holds

        """)
  }

  @Test func `a flow's explanation names each rule that was asked, and each path with its numbers`() {
    #expect(
      sampleExplanation(of: sampleFlows.rows[0].key).text(sample) == """
        flow     10.1.0.1:1 10.2.0.7:443 tcp
        peer     hq
        not      rule "calls": DSCP does not fit
        rule     "copy" holds
        class    bulk: its rule says so
        stack    striped: over all paths that carry, the default
        traffic  1 kbit/s out, 0 bit/s in; 50 B sent, 0 B received in 1 min 30 s; lane 1

        PATH   CARRIES  STATE  TIER            RATE     RTT  LOSS  WHY
        fibre  yes      lossy  primary    88 Mbit/s  8.1 ms   2 %  no path that is up comes before it
        lte    no       down   secondary          -       -   0 %  it does not answer

        """)
  }

  @Test(arguments: [
    ("10.1.0.1:443 10.2.0.7:51234 tcp", "10.2.0.7:51234 10.1.0.1:443 tcp", true),
    ("10.1.0.1:443 10.2.0.7:51234 tcp", "10.2.0.7:51234 10.1.0.1:443 udp", false),
    ("- 10.2.0.7", "10.2.0.7:1 10.9.9.9:2 udp", true), ("-:443", "10.0.0.1:443 10.0.0.2:1 tcp", true),
    ("-:443", "10.0.0.1:444 10.0.0.2:1 tcp", false), ("[fd00::1]:22 - -", "[fd00::2]:9 [fd00::1]:22 tcp", true),
    ("fd00::1 fd00::2 icmpv6", "fd00::2 fd00::1 icmpv6", true), ("* * 17", "1.2.3.4:5 6.7.8.9:10 udp", true),
  ])
  func `a flow is meant by what is said of it, in either direction`(words: String, flow: String, fits: Bool) throws {
    let pattern = try #require(FlowPattern(words))
    let key = try #require(FlowPattern(flow)?.key)
    #expect(pattern.fits(key) == fits && "\(key)" == flow)
  }

  @Test(arguments: ["", "fibre", "10.1.0.1 x", "10.1.0.1 - - -", "10.1.0.1:99999", "10.1.0.1 10.1.0.2 nonsense"])
  func `what is no flow is none`(words: String) { #expect(FlowPattern(words) == nil) }

  @Test func `a path has the word that matters most, and its reason`() {
    func condition(_ change: (inout StatusSnapshot.Path) -> Void) -> StatusSnapshot.Path.Condition {
      var path = sample.peers[0].paths[0]
      path.loss = 0
      change(&path)
      return path.condition
    }
    #expect(condition { _ in } == .init(word: .up, reason: "it is the first"))
    #expect(condition { $0.state = .probing }.word == .probing)
    #expect(condition { $0.loss = 0.034 }.reason == "3.4 % of what it was sent was lost")
    #expect(condition { $0.loss = 0.019 }.word == .up)
    let congested = condition {
      $0.roundTrip = .milliseconds(90)
      $0.leastRoundTrip = .milliseconds(20)
    }
    #expect(congested.word == .congested && congested.reason.contains("90 ms") && congested.reason.contains("20 ms"))
    let quiet = condition {
      ($0.sentRate, $0.receivedRate) = (20_000, 0)
      $0.roundTrip = .milliseconds(90)
      $0.leastRoundTrip = .milliseconds(20)
    }
    #expect(quiet.word == .up, "what was measured under load says nothing of a path at rest")
    // Twice as long on a short line, or a little longer on a long one, is no queue.
    for (roundTrip, least) in [(4, 1), (140, 100)] {
      let short = condition {
        $0.roundTrip = .milliseconds(Int64(roundTrip))
        $0.leastRoundTrip = .milliseconds(Int64(least))
      }
      #expect(short.word == .up)
    }
    let resting = condition {
      $0.use = .standby
      $0.useReason = "the paths before it have room"
      $0.loss = 0.5
    }
    #expect(resting == .init(word: .standby, reason: "the paths before it have room"))
    let spent = condition {
      $0.budget = .init(bytes: 1_000_000, used: 1_000_001, since: "2026-11-01", until: "2026-12-01")
      $0.tier = .backup
    }
    #expect(spent.word == .overBudget)
    #expect(spent.reason == "its budget of 1 MB is spent until 2026-12-01, so it counts as backup")
    #expect(condition { $0.state = .down }.word == .down)
  }

  @Test func `colours are for words that stand alone, and change no column`() {
    let text = "PEER  STATE\nhq    down  the path down there is up\n"
    #expect(
      Palette.painted(text)
        == "\u{1b}[1mPEER  STATE\u{1b}[0m\nhq    \u{1b}[31mdown\u{1b}[0m  the path down there is up\n")
  }
}
