import Foundation
import Testing

@Suite struct `hawser check-config` {
  /// RFC 7748's Alice, and Bob's public key.
  private static let own = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
  private static let ownPublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
  private static let other = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
  /// The loopback is the one interface that every machine has.
  private static let right = """
    [Gateway]
    PrivateKey = \(own)
    ListenPort = 51820
    [Path "fibre"]
    Interface = lo
    [Peer "hq"]
    PublicKey = \(other)
    AllowedIPs = 10.1.0.0/16

    """

  @Test func `a configuration that can be used is fine`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right)
    let answer = run("check-config \(file)")
    #expect(answer.status == 0 && answer.output == "\(file): fine\n")
    let json = try object(run("check-config --json \(file)").output)
    #expect(json["verdict"] as? String == "fine" && json["exit_code"] as? Int == 0)
    #expect((json["mistakes"] as? [Any])?.isEmpty == true)
  }

  @Test func `all mistakes are lines on standard error, with exit code 64, and the same as JSON`() throws {
    let folder = try Folder()
    let file = try folder.write(
      "branch.conf", Self.right.replacing("51820", with: "x").replacing("10.1.0.0/16", with: "10.1"))
    let answer = run("check-config \(file)")
    #expect(answer.status == 64)
    #expect(
      answer.output == """
        \(file):3:14: ListenPort = x: expected a number from 1 to 65535
        \(file):8:14: AllowedIPs = 10.1: expected a network such as 10.3.0.0/16 or fd00:3::/64

        """)
    #expect(run("check-config \(file) 2>/dev/null").output.isEmpty)
    let json = run("check-config --json \(file)")
    #expect(json.status == 64)
    let report = try object(json.output)
    #expect(report["verdict"] as? String == "wrong")
    let listed = try #require(report["mistakes"] as? [[String: Any]])
    #expect(listed.map { $0["line"] as? Int } == [3, 8] && listed[0]["column"] as? Int == 14)
    #expect(listed[0]["message"] as? String == "ListenPort = x: expected a number from 1 to 65535")
  }

  @Test func `a peer with the gateway's own key is a mistake of the file`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right.replacing(Self.other, with: Self.ownPublic))
    let answer = run("check-config \(file)")
    #expect(answer.status == 64)
    #expect(answer.output.hasPrefix("\(file):7:13: PublicKey: this is the key of the gateway itself"))
  }

  @Test func `an interface that this machine does not have is refused, with what it has`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right.replacing("= lo", with: "= nosuch0"))
    let answer = run("check-config \(file)")
    #expect(answer.status == 2)
    #expect(answer.output.hasPrefix("\(file):5:13: Interface = nosuch0: this machine has no such interface; "))
    #expect(try object(run("check-config --json \(file)").output)["verdict"] as? String == "refused")
  }

  @Test func `secrets that everybody may read are refused, wherever they are`() throws {
    let folder = try Folder()
    let open = try folder.write("open.conf", Self.right, mode: 0o644)
    let answer = run("check-config \(open)")
    #expect(answer.status == 2)
    #expect(
      answer.output
        == "\(open):1:1: \(open) holds a secret, and everybody may read it (mode 644); run chmod 600 \(open)\n")

    // Without a secret inside, the configuration itself is nobody's secret; the key's file is.
    let file = try folder.write(
      "branch.conf", Self.right.replacing("PrivateKey = \(Self.own)", with: "PrivateKeyFile = branch.key"), mode: 0o644)
    let key = try folder.write("branch.key", Self.own + "\n", mode: 0o640)
    #expect(run("check-config \(file)").status == 0)
    _ = try folder.write("branch.key", Self.own + "\n", mode: 0o604)
    let told = run("check-config \(file)")
    #expect(told.status == 2)
    #expect(told.output.hasPrefix("\(file):2:18: PrivateKeyFile = branch.key: \(key) holds a secret, and everybody"))
  }

  @Test func `a secret's file that is missing or holds none is told with the place of its name`() throws {
    let folder = try Folder()
    let file = try folder.write(
      "branch.conf",
      Self.right.replacing("PrivateKey = \(Self.own)", with: "PrivateKeyFile = branch.key")
        .replacing("AllowedIPs", with: "PresharedKeyFile = \(folder.path)/psk\nAllowedIPs"))
    _ = try folder.write("psk", "nothing")
    let answer = run("check-config \(file)")
    #expect(answer.status == 2)
    #expect(
      answer.output == """
        \(file):2:18: PrivateKeyFile = branch.key: cannot read it: No such file or directory
        \(file):8:20: PresharedKeyFile = \(folder.path)/psk: expected 44 characters of base64, found 7

        """)
  }

  @Test func `a file that is not there is one sentence`() {
    let answer = run("check-config /nonexistent/x.conf")
    #expect(answer.status == 64)
    #expect(answer.output == "/nonexistent/x.conf:1:1: cannot read this configuration: No such file or directory\n")
    #expect(run("check-config /").output == "/:1:1: cannot read this configuration: Is a directory\n")
  }

  @Test func `gateway tells the same before it does anything`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right.replacing("51820", with: "x"))
    let answer = run("gateway --config \(file)")
    #expect(answer.status == 64)
    #expect(answer.output == run("check-config \(file)").output)
    #expect(run("gateway").status == 64)
  }

  @Test func `no secret is in any of its answers`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right.replacing("[Gateway]", with: "[Gatewy]\nx\n[Gateway]\ny=1"))
    for words in ["check-config \(file)", "check-config --json \(file)", "gateway --config \(file)"] {
      let answer = run(words)
      #expect(answer.status == 64 && !answer.output.contains(Self.own.prefix(12)), "\(answer.output)")
    }
  }
}

@Suite struct `Asking where no gateway runs` {
  @Test(arguments: ["status", "peers", "paths"]) func `is one sentence with a remedy, and exit code 2`(words: String) {
    let answer = run("\(words) --socket /nonexistent/g.sock")
    #expect(answer.status == 2)
    #expect(
      answer.output
        == "hawser: no gateway runs here: nobody listens on /nonexistent/g.sock; start one with hawser gateway "
        + "--config FILE\n"
    )
    #expect(run("\(words) nosuch0 2>/dev/null").output.isEmpty)
    #expect(run("\(words) nosuch0").output.contains("/run/hawser/nosuch0.sock"))
  }
}

private func object(_ json: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any], "\(json)")
}
