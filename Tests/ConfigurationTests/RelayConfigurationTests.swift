import Configuration
import Primitives
import Testing

@Suite struct `The file of a relay` {
  private static let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
  private static let whole = """
    [Relay]
    PrivateKeyFile = relay.key
    ListenPort = 51800
    Address = 192.0.2.1, 2001:db8::1
    AllowPrivate = yes
    Destinations = 198.51.100.0/24
    Bindings = 500

    [Client "branch"]
    PublicKey = \(key)
    Bindings = 8
    Limit = 100mbit
    Daily = 50GB

    """

  @Test func `is read, printed, and read again as the same`() throws {
    let relay = try RelayFile(reading: Array(Self.whole.utf8), named: "r.conf").relay
    #expect(relay.listenPort == 51_800 && relay.addresses.count == 2 && relay.allowPrivate == .yes)
    #expect(relay.mostBindings == 500 && relay.clients.count == 1)
    #expect(relay.clients[0].limit == BitRate(bitsPerSecond: 100_000_000))
    #expect(relay.clients[0].daily == ByteCount(50_000_000_000))
    #expect(String(decoding: relay.printed(), as: UTF8.self) == Self.whole)
  }

  @Test(arguments: [
    ("", "1:1: nothing is configured here: expected at least [Relay] and a [Client]; hawser.conf(5) has an example"),
    (
      "x = 1\n[Relay]\nListenPort = 1\nPrivateKeyFile = k\n[Client \"a\"]\nPublicKey = \(key)\n",
      "1:1: this line stands before the first section: expected [Relay]"
    ),
    (
      "[Relay]\nListenPort = 1\nPrivateKeyFile = k\n", "3:1: no [Client \"NAME\"]: expected one, a gateway that may ask"
    ),
    (
      "[Relay]\nPrivateKeyFile = k\n[Client \"a\"]\nPublicKey = \(key)\n",
      "1:1: [Relay] has no ListenPort: expected a number from 1 to 65535"
    ),
    (
      "[Relay]\nListenPort = 1\n[Client \"a\"]\nPublicKey = \(key)\n",
      "1:1: [Relay] has no PrivateKey: expected it or PrivateKeyFile; hawser genkey makes one"
    ),
    (
      "[Relay]\nListenPort = 1\nPrivateKeyFile = k\n[Client \"a\"]\nPublicKey = \(key)\n"
        + "[Client \"b\"]\nPublicKey = \(key)\n",
      "7:13: PublicKey: client \"a\" in line 5 has this key: expected another"
    ),
    (
      "[Relay]\nListenPort = 1\nPrivateKeyFile = k\n[Client \"a\"]\nPublicKey = \(key)\nLimit = 5\n",
      "6:9: Limit = 5: a unit is missing; expected kbit, mbit or gbit"
    ),
    (
      "[Relay]\nListenPort = 1\nPrivateKeyFile = k\nPeers = 3\n[Client \"a\"]\nPublicKey = \(key)\n",
      "4:1: unknown key 'Peers' in [Relay]; known are PrivateKey, PrivateKeyFile, ListenPort, Address, AllowPrivate, "
        + "Destinations, Bindings"
    ),
  ])
  func `says what is wrong, where, and what would be right`(text: String, message: String) {
    do throws(Mistakes) {
      _ = try RelayFile(reading: Array(text.utf8), named: "r.conf")
      Issue.record("\(text) was taken")
    } catch {
      #expect(error.listed.map(\.description) == ["r.conf:" + message])
    }
  }
}
