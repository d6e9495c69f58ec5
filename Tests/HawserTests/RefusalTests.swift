//  RefusalTests.swift — a gateway that cannot start: it says why in one sentence, and leaves nothing behind.

import Foundation
import Testing

@Suite(.serialized, .enabled(if: getuid() == 0, "needs root: makes networks"))
struct `A gateway that cannot start` {
  private static let own = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
  private static let other = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="

  private static func right(_ folder: Folder, socket: String = "g.sock") -> String {
    """
    [Gateway]
    PrivateKey = \(own)
    Address = 10.9.0.1/24
    ListenPort = 51820
    [Path "fibre"]
    Interface = w0
    [Peer "hq"]
    PublicKey = \(other)
    Endpoint = 192.0.2.2:51820
    AllowedIPs = 10.1.0.0/16, fd01::/16
    [Control]
    Socket = \(folder.path)/\(socket)

    """
  }

  /// What the gateway says in a network with one line, `w0`, that leads nowhere. `before` are a shell's lines; what is
  /// there afterwards must be what was there before.
  private func start(
    _ folder: Folder, _ configuration: String, before: String = "", with: String = ""
  ) throws -> (status: Int32, output: String) {
    let file = try folder.write("branch.conf", configuration)
    let script = try folder.write(
      "try.sh",
      """
      ip link set lo up
      ip link add w0 type veth peer name w1
      ip address add 192.0.2.1/24 dev w0
      ip link set w0 up
      ip link set w1 up
      \(before)
      look() {
        ip -o link | cut -d' ' -f2
        ip route | sed 's/ linkdown//'
        ip -6 route | grep -v fe80
        ls \(folder.path)
      }
      look >\(folder.path)/.before
      timeout -s KILL 20 \(with) \(program) gateway --config \(file)
      status=$?
      look >\(folder.path)/.after
      diff \(folder.path)/.before \(folder.path)/.after || status=99
      kill $other 2>/dev/null
      exit $status
      """)
    return shell("unshare --net sh \(script)")
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var change: (String, String) = ("", "")
    var before = ""
    var with = ""
    let status: Int32
    let told: String
  }

  static let cases = [
    Case(
      testDescription: "a bad key", change: ("PrivateKey = \(own)", "PrivateKey = \(own.dropLast(3))"), status: 64,
      told: "FOLDER/branch.conf:2:14: PrivateKey: expected 44 characters of base64, found 41\n"),
    Case(
      testDescription: "overlapping AllowedIPs",
      change: ("[Control]", "[Peer \"lab\"]\nPublicKey = \(own)\nAllowedIPs = 10.1.7.0/24\n[Control]"), status: 64,
      told: "FOLDER/branch.conf:13:14: AllowedIPs = 10.1.7.0/24: overlaps with 10.1.0.0/16 of peer \"hq\" in line 10, "
        + "column 14: expected that one address belongs to one peer\n"),
    Case(
      testDescription: "an MTU that is too small", change: ("ListenPort", "MTU = 500\nListenPort"), status: 64,
      told: "FOLDER/branch.conf:4:7: MTU = 500: expected a number from 1280 to 9000\n"),
    Case(
      testDescription: "a line whose MTU is too small", before: "ip link set w0 mtu 1000", status: 2,
      told: "hawser: Path \"fibre\": w0 carries packets of 1000 bytes, and a path needs 1280: "
        + "`ip link set w0 mtu 1280`, or leave the path out\n"),
    Case(
      testDescription: "an address to bind to that is not ours",
      change: ("Interface = w0", "Interface = w0\nBind = 192.0.2.77"),
      status: 2,
      told:
        "hawser: Path \"fibre\": Bind = 192.0.2.77 is no address of this machine; "
        + "look with `ip address show dev w0`\n"),
    Case(
      testDescription: "without CAP_NET_ADMIN", with: "setpriv --bounding-set=-net_admin", status: 2,
      told: "hawser: interface hawser0: cannot make the interface: Operation not permitted; needs CAP_NET_ADMIN; as "
        + "root, or try `unshare -Urn`\n"),
    Case(
      testDescription: "an interface of its name that is no tunnel",
      before: "ip link add hawser0 type veth peer name x",
      status: 2,
      told: "hawser: interface hawser0: cannot make the interface: Invalid argument; an interface of this name and "
        + "another kind exists\n"),
    Case(
      testDescription: "a route that is there already", before: "ip route add 10.1.0.0/16 dev w0", status: 2,
      told: "hawser: interface hawser0: there is a route to 10.1.0.0/16 already, see `ip route show 10.1.0.0/16`; "
        + "remove that, or leave the network out\n"),
    Case(
      testDescription: "a file where its control socket should be", before: "touch FOLDER/g.sock", status: 2,
      told: "hawser: FOLDER/g.sock exists and is no socket; remove it, or choose another [Control] Socket\n"),
  ]

  @Test(arguments: cases) func `says why in one sentence, and leaves nothing behind`(_ this: Case) throws {
    let folder = try Folder()
    let here = { (text: String) in text.replacing("FOLDER", with: folder.path) }
    var text = Self.right(folder)
    if !this.change.0.isEmpty { text = text.replacing(this.change.0, with: this.change.1) }
    let answer = try start(folder, text, before: here(this.before), with: this.with)
    #expect(answer.output == here(this.told))
    #expect(answer.status == this.status)
  }

  /// Starts another gateway first, changed so that only one thing is the same.
  private func second(_ folder: Folder, _ first: String) throws -> (status: Int32, output: String) {
    let file = try folder.write("first.conf", first)
    let before = """
      \(program) gateway --config \(file) 2>\(folder.path)/first.log & other=$!
      for i in $(seq 500); do grep -qs ': up' \(folder.path)/first.log && break; sleep 0.01; done
      """
    return try start(folder, Self.right(folder), before: before)
  }

  private static func another(_ folder: Folder) -> String {
    right(folder, socket: "other.sock").replacing("ListenPort", with: "Interface = other0\nListenPort")
      .replacing("10.9.0.1", with: "10.8.0.1").replacing("10.1.0.0/16, fd01::/16", with: "10.2.0.0/16")
  }

  @Test func `says who has its port`() throws {
    let folder = try Folder()
    let answer = try second(folder, Self.another(folder))
    #expect(answer.status == 2)
    #expect(
      answer.output.hasPrefix("hawser: cannot listen on UDP port 51820: Address already in use; hawser (process ")
        && answer.output.hasSuffix(") has it: stop that, or choose another port\n"), "\(answer.output)")
  }

  @Test func `says that another gateway has its control socket, and leaves that alone`() throws {
    let folder = try Folder()
    let first = Self.another(folder).replacing("other.sock", with: "g.sock").replacing("= 51820", with: "= 51821")
    let answer = try second(folder, first)
    #expect(answer.status == 2)
    #expect(
      answer.output
        == "hawser: another gateway answers on \(folder.path)/g.sock; stop it, or give this one another [Control] "
        + "Socket\n")
  }

  @Test func `with a peer that does not answer, starts, and its status says what to look at`() throws {
    let folder = try Folder()
    let file = try folder.write("branch.conf", Self.right(folder))
    let script = try folder.write(
      "try.sh",
      """
      ip link add w0 type veth peer name w1
      ip address add 192.0.2.1/24 dev w0
      ip link set w0 up
      ip link set w1 up
      \(program) gateway --config \(file) 2>\(folder.path)/log & gateway=$!
      for i in $(seq 200); do
        \(program) peers --socket \(folder.path)/g.sock >\(folder.path)/told 2>&1
        grep -q unreachable \(folder.path)/told && break
        sleep 0.1
      done
      cat \(folder.path)/told
      kill $gateway
      wait $gateway
      """)
    let answer = shell("unshare --net sh \(script)")
    #expect(answer.status == 0)
    #expect(answer.output.contains("unreachable"))
    #expect(
      answer.output.hasSuffix(
        "\nhq does not answer: see that a gateway runs there, that its Endpoint here is right, that nothing on the way "
          + "drops UDP, and that each of the two has the other's public key\n"), "\(answer.output)")
  }
}
