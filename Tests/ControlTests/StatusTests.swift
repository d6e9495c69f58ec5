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

  @Test func `is read by people as tables`() {
    #expect(
      sample.text() == """
        gateway      hawser0, degraded, up for 1 h 2 min, version 0.1.0
        public key   BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=
        cipher       AES-128-GCM (Intel ipsec-mb)
        resequencer  12.3 kB of 16.8 MB held, in 3 segments

        PEER  STATE           SINCE  HANDSHAKE  PATHS  RECEIVED   SENT  PUBLIC KEY
        hq    connected   1 h 1 min  12 s ago     1/2    1.5 GB  999 B  CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=
        lab   connecting        4 s  never        0/0       0 B    0 B  CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=

        PEER  PATH   STATE  TIER       USE            RATE  DEVICE  REMOTE              RTT  LOSS    MTU  RECEIVED  SENT
        hq    fibre  up     primary    carrying  88 Mbit/s  eth0    192.0.2.1:51820  8.1 ms   2 %  1500?       0 B   0 B
        hq    lte    down   secondary  -                 -  wwan0   -                     -   0 %   1400       0 B   0 B

        hq         all       nothing is held against any
        hq  fibre  carrying  it is the first
        hq  fibre  cruising  all is well
            lte    budget    1.5 GB of 20 GB used since 2026-11-01, 18.5 GB left until 2026-12-01

        resequencer  duplicate  12
        handshake    badMAC      3

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
  var fibre = StatusSnapshot.Path(
    name: "fibre", interface: "eth0", state: .up, weight: 3, mtu: ByteCount(1_500), hasOffload: true)
  fibre.remote = "192.0.2.1:51820"
  fibre.roundTrip = .microseconds(8_125)
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
  lte.budget = .init(bytes: 20_000_000_000, used: 1_500_000_000, since: "2026-11-01", until: "2026-12-01")
  hq.paths = [fibre, lte]
  let lab = StatusSnapshot.Peer(name: "lab", publicKey: key(9), state: .connecting, since: .seconds(4))
  snapshot.peers = [hq, lab]
  return snapshot
}()
