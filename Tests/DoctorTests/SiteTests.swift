import Glibc
import JSON
import Primitives
import Sealing
import Testing
import Uplinks

@testable import Doctor

private let remote = IPAddress(ipv4: 0xc000_0201)
private let own = IPAddress(ipv4: 0xc0a8_0102)

private func endpoint(_ text: String) -> Endpoint {
  guard let endpoint = Endpoint(text) else { preconditionFailure("\(text) is an endpoint") }
  return endpoint
}

private func key(_ byte: UInt8) -> PublicKey {
  guard let key = PublicKey(KeyText.text([UInt8](repeating: byte, count: 32))) else {
    preconditionFailure("32 bytes are a key")
  }
  return key
}

private func interface(_ name: String, _ index: Int32 = 2) -> Uplinks.Interface {
  Uplinks.Interface(
    name: name, index: index, mtu: 1_500, isOn: true, hasCarrier: true, addresses: [own], reaches: true, isUplink: true)
}

private func way(_ change: (inout RunningGateway.Way) -> Void = { _ in }) -> RunningGateway.Way {
  var way = RunningGateway.Way(
    peer: "hq", path: "fibre", interface: "eth0", remote: endpoint("192.0.2.1:51820"),
    seenAs: endpoint("203.0.113.7:4242"), state: "up", isUp: true, roundTripMilliseconds: 8.125, mtu: 1_500)
  change(&way)
  return way
}

private func running(_ ways: [RunningGateway.Way]) -> RunningGateway {
  var gateway = RunningGateway(interface: "hawser0", publicKey: key(7))
  gateway.peers = [.init(name: "hq", publicKey: key(8))]
  gateway.ways = ways
  return gateway
}

private let fibre = Site.Path(name: "fibre", interface: "eth0", port: 51_820)

@Suite struct `What is under a path` {
  @Test func `is told with its address when all is there`() {
    let ground = Ground(interfaces: [interface("eth0")])
    let fine = ground.diagnosis(of: fibre, remotes: [remote])
    #expect(fine == .fine("interface", "eth0 has a carrier and 192.168.1.2, with a route to the peers"))
  }

  @Test(arguments: [
    ("eth1", "its interface eth1 is gone", "did you mean Interface = eth0?"),
    ("off0", "off0 is switched off", "ip link set off0 up"),
    ("loose0", "loose0 has no carrier", "look at the cable"),
    ("bare0", "bare0 has no address", "ip address add ADDRESS/LENGTH dev bare0"),
    ("lost0", "lost0 has no route to any peer", "ip route add 192.0.2.1 via ROUTER dev lost0"),
  ])
  func `or the first thing that is missing, with what to do`(name: String, finding: String, remedy: String) {
    var off = interface("off0", 3)
    off.isOn = false
    var loose = interface("loose0", 4)
    loose.hasCarrier = false
    var bare = interface("bare0", 5)
    bare.addresses = []
    var lost = interface("lost0", 6)
    lost.reaches = false
    let ground = Ground(interfaces: [interface("eth0"), off, loose, bare, lost])
    let found = ground.diagnosis(of: Site.Path(name: "p", interface: name), remotes: [remote])
    #expect(found.state == .failure && found.finding == finding, "\(found)")
    #expect(found.remedy?.contains(remedy) == true, "\(found)")
  }

  @Test func `or the address that Bind names`() {
    var path = fibre
    path.bind = remote
    let found = Ground(interfaces: [interface("eth0")]).diagnosis(of: path, remotes: [])
    #expect(found.finding == "eth0 does not have the address 192.0.2.1" && found.remedy?.contains("Bind") == true)
  }

  @Test(
    arguments: [
      (1, "eth1", Diagnosis.State.failure), (1, "eth0", .fine), (2, "eth1", .fine), (0, "eth1", .fine),
      (nil, "eth1", .warning), (1, nil, .failure),
    ] as [(Int?, String?, Diagnosis.State)])
  func `drops what comes by it only if it is strict and the way back is another`(
    strictness: Int?, leaves: String?, state: Diagnosis.State
  ) throws {
    var ground = Ground(interfaces: [interface("eth0"), interface("eth1", 3)])
    ground.strictness["eth0"] = strictness
    ground.returns = [.init(interface: "eth0", remote: remote, leaves: leaves)]
    let found = try #require(ground.filterDiagnosis(of: fibre))
    #expect(found.state == state, "\(found)")
    if state == .failure {
      #expect(found.finding.contains("from 192.0.2.1 is dropped"))
      #expect(found.remedy?.hasPrefix("sysctl -w net.ipv4.conf.eth0.rp_filter=2;") == true, "\(found)")
    }
    ground.returns = []
    #expect(ground.filterDiagnosis(of: fibre) == nil, "nobody is reached over it by IPv4")
  }

  @Test(
    arguments: [
      (InterfaceFeatures(), false, nil), (InterfaceFeatures(cutsDatagrams: false), false, nil),
      (InterfaceFeatures(hasChecksum: nil, hasSegmentation: nil, joins: nil, cutsDatagrams: nil), false, nil),
      (InterfaceFeatures(hasChecksum: false), false, "ethtool -K eth0 tx on"),
      (InterfaceFeatures(hasSegmentation: false, joins: false), false, "ethtool -K eth0 gso on gro on"),
      (InterfaceFeatures(), true, "ethtool -K eth0 tx on gso on, or another driver for it"),
    ] as [(InterfaceFeatures, Bool, String?)])
  func `costs more calls where the interface does less`(features: InterfaceFeatures, isRefused: Bool, remedy: String?) {
    #expect(features.diagnosis(of: "eth0", isRefused: isRefused).remedy == remedy)
  }
}

@Suite struct `What is on the way` {
  private func translation(
    _ ways: [RunningGateway.Way], own addresses: [IPAddress] = [own], isCalled: Bool = false
  ) -> Diagnosis {
    Translation.diagnosis(of: fibre, own: addresses, running(ways), isCalled: isCalled)
  }

  @Test func `a translator is told from none by what the other side hears`() {
    let none = translation([way { $0.seenAs = endpoint("192.168.1.2:51820") }])
    #expect(none.state == .fine && none.finding.hasPrefix("none: hq hears it as 192.168.1.2:51820"))
    let one = translation([way()])
    #expect(one.state == .fine)
    #expect(one.finding == "192.168.1.2 is heard as 203.0.113.7:4242 by hq, of which kind one witness cannot tell")
  }

  @Test func `two witnesses tell its kind`() {
    func other(_ seen: String) -> RunningGateway.Way {
      way {
        $0.peer = "lab"
        $0.seenAs = endpoint(seen)
      }
    }
    #expect(translation([way(), other("203.0.113.7:4242")]).finding.hasSuffix("and the same for all"))
    let symmetric = translation([way(), other("203.0.113.7:4243")])
    #expect(symmetric.state == .warning && symmetric.finding.contains("each destination sees another port"))
    // Over a relay it is another socket.
    let relayed = way {
      $0.via = "r1"
      $0.seenAs = endpoint("203.0.113.7:9")
    }
    #expect(translation([way(), relayed]).finding.hasSuffix("one witness cannot tell"))
    #expect(translation([relayed]).finding.contains("as 203.0.113.7:9 by r1"))
  }

  @Test func `whoever is called behind one has to forward a port`() {
    let called = translation([way()], isCalled: true)
    #expect(called.state == .warning)
    #expect(called.remedy?.contains("forward UDP port 51820 to 192.168.1.2") == true, "\(called)")
  }

  @Test(arguments: [
    ("192.168.1.2", "is private"), ("10.0.0.1", "is private"), ("fd00::1", "is private"),
    ("100.64.0.1", "a provider's translator"), ("100.127.255.255", "a provider's translator"),
    ("100.128.0.1", "is a public address"), ("203.0.113.9", "is a public address"), ("2001:db8::1", "is a public"),
  ])
  func `without a witness the address itself says something`(text: String, words: String) throws {
    let found = translation([way { $0.seenAs = nil }], own: [try #require(IPAddress(text))])
    #expect(found.state == .fine && found.finding.contains(words), "\(found)")
  }

  @Test func `what a running gateway found about sizes is held against the interface`() {
    let whole = PathSizes.diagnosis(of: way(), interfaceMTU: 1_500)
    #expect(whole.state == .fine && whole.subject == "fibre")
    let hole = PathSizes.diagnosis(of: way { $0.mtu = 1_280 }, interfaceMTU: 1_500)
    #expect(hole.state == .warning && hole.finding.hasPrefix("packets of 1280 bytes get through to hq"))
    #expect(hole.remedy == "ip link set eth0 mtu 1280")
    #expect(PathSizes.diagnosis(of: way { $0.search = "searching" }, interfaceMTU: 1_500).state == .fine)
    #expect(PathSizes.diagnosis(of: way { $0.search = "error" }, interfaceMTU: 1_500).state == .warning)
  }
}

@Suite struct `Whether anybody answers` {
  @Test(arguments: [
    ("up", true, Diagnosis.State.fine), ("standby", true, .fine), ("over-budget", true, .fine),
    ("lossy", true, .warning), ("congested", true, .warning), ("probing", false, .failure), ("down", false, .failure),
  ])
  func `is what the running gateway says`(state: String, isUp: Bool, expected: Diagnosis.State) {
    let found = Reachability.diagnosis(
      of: way {
        $0.state = state
        $0.isUp = isUp
        $0.reason = "for a reason"
      })
    #expect(found.state == expected && found.subject == "fibre")
    #expect((found.remedy == nil) == (expected == .fine))
    #expect(
      state == "up" ? found.finding == "hq at 192.0.2.1:51820 answers in 8.1 ms" : found.finding.contains("for a"))
  }

  @Test(arguments: [
    (Greeting.Outcome.answered(.milliseconds(12)), Diagnosis.State.fine, "answers in 12 ms", ""),
    (.askedBack, .warning, "later time", "set-ntp"), (.otherSecret, .failure, "another secret", "PresharedKey"),
    (.noCommonSuite, .failure, "no cipher", "same version"), (.refused, .failure, "nobody listens", "ListenPort"),
    (.failed(EPERM), .failure, "EPERM", "nft list ruleset"),
    (.failed(ENETUNREACH), .failure, "ENETUNREACH", "ip route get"),
    (.silent, .failure, "does not answer 3 questions", "PublicKey (ours is "),
  ])
  func `or what becomes of a handshake`(
    outcome: Greeting.Outcome, state: Diagnosis.State, finding: String, remedy: String
  ) {
    let greeting = Greeting(path: "fibre", peer: "hq", remote: endpoint("192.0.2.1:51820"), outcome: outcome)
    let found = Reachability.diagnosis(of: greeting, ownKey: key(7))
    #expect(found.state == state && found.finding.contains(finding), "\(found)")
    #expect(remedy.isEmpty ? found.remedy == nil : found.remedy?.contains(remedy) == true, "\(found)")
  }
}

@Suite struct `A site's files` {
  private func rights(_ change: (inout FileRights) -> Void) -> Diagnosis {
    var rights = FileRights(user: (999, 998))
    rights.files = [.init(path: "/etc/hawser/branch.conf", owner: 0, group: 998, mode: 0o640)]
    rights.folder = .init(path: "/run/hawser", owner: 999, group: 998, mode: 0o755)
    change(&rights)
    return rights.diagnosis
  }

  @Test func `can be read by the service, or the command says how`() {
    #expect(rights { _ in }.state == .fine)
    #expect(rights { $0.files[0].owner = 999 }.state == .fine)
    let closed = rights { $0.files[0].group = 0 }
    #expect(closed.state == .failure)
    #expect(closed.remedy == "chgrp hawser /etc/hawser/branch.conf && chmod 640 /etc/hawser/branch.conf")
    #expect(rights { $0.files[0].mode = 0o600 }.state == .failure)
    #expect(rights { $0.files[0].mode = nil }.state == .failure)
  }

  @Test func `elsewhere are their owner's business`() {
    #expect(rights { $0.files[0] = .init(path: "/root/a.conf", owner: 0, group: 0, mode: 0o600) }.state == .fine)
    #expect(
      rights {
        $0.user = nil
        $0.files[0].group = 0
      }.state == .fine)
  }

  @Test func `and its socket's folder is nobody else's to write in`() {
    #expect(rights { $0.folder?.mode = 0o777 }.remedy == "chmod o-w /run/hawser")
    #expect(rights { $0.folder = nil }.state == .fine)
  }
}

@Suite struct `A site's report` {
  private func report(_ diagnoses: [Diagnosis], paths: [String] = ["fibre", "lte"]) -> Report {
    Report([.fine("kernel", "Linux 6.1")], site: Report.Site(title: "hawser0", paths: paths, diagnoses: diagnoses))
  }
  private let fine = Diagnosis.fine("peer", "hq answers")
  private let broken = Diagnosis.failure("interface", "no carrier", remedy: "look at the cable")

  @Test func `has its lines behind the machine's, each with its path`() {
    #expect(
      report([fine.about("fibre"), broken.about("lte")]).text(colour: false) == """
        Machine
        ok    kernel     Linux 6.1

        Site: hawser0
        ok    peer       fibre: hq answers
        FAIL  interface  lte: no carrier; look at the cable

        A gateway can run here, but 1 of 2 paths does not work.
        """)
  }

  @Test func `is degraded while a path works, and down when none does`() {
    #expect(report([fine.about("fibre"), fine.about("lte")]).exitCode == 0)
    #expect(report([fine.about("fibre"), broken.about("lte")]).exitCode == 1)
    #expect(report([broken.about("fibre"), broken.about("lte via r1")]).exitCode == 2)
    #expect(report([.failure("configuration", "wrong", remedy: "mend it")], paths: []).exitCode == 2)
    #expect(report([.warning("name", "no address", remedy: "wait")]).exitCode == 1)
    #expect(
      report([broken.about("fibre"), broken.about("lte")]).text(colour: false).hasSuffix(
        "nothing gets through: see what failed."))
  }

  @Test func `is understood from what the API says`() throws {
    let status = try JSONValue(
      reading: """
        {"interface": "hawser0", "public_key": "\(key(7))", "peers": [{"name": "hq", "public_key": "\(key(8))",
         "state": "connected", "paths": [{"name": "fibre", "interface": "eth0", "via": null,
         "remote": "192.0.2.1:51820",
         "seen_as": "203.0.113.7:4242", "state": "up", "state_reason": "", "liveness": "up", "rtt_ms": 8.125,
         "mtu_bytes": 1500, "mtu_search": "complete", "offload": true}]}]}
        """)
    #expect(RunningGateway(status) == running([way()]))
    let site = Site(running([way()]))
    #expect(site.paths == [Site.Path(name: "fibre", interface: "eth0")] && site.remotes == [remote])
    #expect(RunningGateway(.null) == nil)
  }

  @Test func `tells of each peer of a path, and blames the path only when none of them answers`() {
    func peers(_ ways: [RunningGateway.Way]) -> [Diagnosis] {
      SiteExamination.diagnoses(
        of: fibre, Site(running(ways)), Ground(interfaces: [interface("eth0")]),
        FirewallRules(rules: Firewall(.null)), [], ownKey: nil
      ).filter { $0.check == "peer" }
    }
    func silent(_ peer: String, at remote: String) -> RunningGateway.Way {
      way {
        ($0.peer, $0.remote, $0.state, $0.isUp) = (peer, endpoint(remote), "down", false)
      }
    }
    let one = peers([way(), silent("hq", at: "192.0.2.2:51820"), silent("dc", at: "192.0.2.9:51820")])
    #expect(one.map(\.state) == [.fine, .warning], "\(one)")
    #expect(one[1].finding.hasPrefix("dc at 192.0.2.9:51820 does not answer") && one[1].subject == "fibre")
    let none = peers([silent("hq", at: "192.0.2.2:51820"), silent("dc", at: "192.0.2.9:51820")])
    #expect(none.map(\.state) == [.failure, .failure], "\(none)")

    var site = Site(interface: "hawser0")
    site.paths = [fibre]
    let greetings = ["hq": Greeting.Outcome.answered(.milliseconds(12)), "dc": .silent].sorted { $0.key > $1.key }.map {
      Greeting(path: "fibre", peer: $0.key, remote: endpoint("192.0.2.1:51820"), outcome: $0.value)
    }
    let greeted = SiteExamination.diagnoses(
      of: fibre, site, Ground(interfaces: [interface("eth0")]), FirewallRules(rules: Firewall(.null)), greetings,
      ownKey: key(7)
    ).filter { $0.check == "peer" }
    #expect(greeted.map(\.state) == [.fine, .warning], "\(greeted)")
  }

  @Test func `of a path without a carrier says nothing else`() {
    var gone = interface("eth0")
    gone.hasCarrier = false
    var site = Site(running([way()]))
    site.paths = [fibre]
    let found = SiteExamination.diagnoses(
      of: fibre, site, Ground(interfaces: [gone]), FirewallRules(), [], ownKey: nil)
    #expect(found.map(\.check) == ["interface"] && found[0].subject == "fibre")
    let whole = SiteExamination.diagnoses(
      of: fibre, site, Ground(interfaces: [interface("eth0")]), FirewallRules(rules: Firewall(.null)), [], ownKey: nil)
    #expect(whole.map(\.check) == ["interface", "firewall", "nat", "mtu", "peer"], "\(whole)")
    #expect(whole.allSatisfy { $0.subject == "fibre" })
  }
}
