//  Samples.swift — files to begin with: what `hawser sample-config` prints and the package installs as examples.
//
//  A sample is right when its KEY_OF_… are keys: the tests fill them in and read it as any other file, and also with
//  every setting that it only suggests. Such a line has no blank behind its '#'; an explanation has one.

public enum Sample: String, CaseIterable, Sendable {
  case branch
  case hub
  case relay
  case oracle

  public var text: String {
    switch self {
    case .branch: Sample.branchText
    case .hub: Sample.hubText
    case .relay: Sample.relayText
    case .oracle: Sample.oracleText
    }
  }

  private static let branchText = """
    # A branch: several uplinks, and a hub that it calls.
    #
    #   umask 077; hawser genkey > branch.key     makes its key beside this file
    #   hawser pubkey < branch.key                prints what the hub has to know
    #   hawser check-config branch.conf           says what is still wrong here
    #
    # hawser.conf(5) explains every key. A line that begins with '#' and no blank is a setting to try.

    [Gateway]
    PrivateKeyFile = branch.key
    # Of the virtual interface; the hub has another one of the same network.
    Address = 10.9.0.2/24
    #Interface = hawser0

    # One section for each way out. The name is yours, the interface is what `ip link` calls it. Every uplink needs a
    # route to the hub: two default routes with different metrics will do.
    [Path "fibre"]
    Interface = eth0

    [Path "lte"]
    Interface = wwan0
    # backup: only when nothing else works; secondary: when the others are full.
    #Tier = secondary
    # What it may carry, both ways; then it rests until the next period.
    #Budget = 50GB per month
    # The most that it may be asked for, from here and to here. Without it, what is measured.
    #Limit = 10mbit/50mbit

    [Peer "hub"]
    PublicKey = KEY_OF_HUB
    Endpoint = hub.example.net:51820
    # The hub's own inner address, and the networks behind it: routes there are made for you.
    AllowedIPs = 10.9.0.1/32, 10.1.0.0/16
    # Something is sent at least so often, in seconds, so that a translator on the way does not forget us.
    #Keepalive = 25

    # How some flows are carried; the first rule that matches decides, and without any rule calls are treated as calls.
    #[Class "calls"]
    #Treatment = realtime
    #Redundancy = adaptive
    #[Rule "phones"]
    #From = 10.2.40.0/24
    #Protocol = udp
    #Class = calls

    """

  private static let hubText = """
    # A hub: the side that branches call. Its UDP port has to be open to them.
    #
    #   umask 077; hawser genkey > hub.key        makes its key beside this file
    #   hawser pubkey < hub.key                   prints what the branches have to know
    #   hawser check-config hub.conf              says what is still wrong here
    #
    # hawser.conf(5) explains every key. A line that begins with '#' and no blank is a setting to try.

    [Gateway]
    PrivateKeyFile = hub.key
    # Of the virtual interface; each branch has another one of the same network.
    Address = 10.9.0.1/24
    ListenPort = 51820
    #Interface = hawser0

    # What leads to the branches. One is enough: each of a branch's uplinks comes here and is a path of its own.
    [Path "internet"]
    Interface = eth0

    # One section for each branch. It has no Endpoint: the branch calls, from wherever it is.
    [Peer "branch"]
    PublicKey = KEY_OF_BRANCH
    # The branch's own inner address, and the networks behind it: routes there are made for you.
    AllowedIPs = 10.9.0.2/32, 10.2.0.0/16

    #[Peer "kiosk"]
    #PublicKey = KEY_OF_KIOSK
    #AllowedIPs = 10.9.0.3/32

    """

  private static let relayText = """
    # A relay: forwards for gateways that it knows, once and unread. Run it where several networks meet.
    #
    #   umask 077; hawser genkey > relay.key      makes its key beside this file
    #   hawser pubkey < relay.key                 prints what the gateways have to know
    #   hawser check-config relay.conf            says what is still wrong here
    #
    # A gateway uses it with  [Relay "relay"]  PublicKey = …  Endpoint = relay.example.net:51800
    # hawser.conf(5) explains every key. A line that begins with '#' and no blank is a setting to try.

    [Relay]
    PrivateKeyFile = relay.key
    ListenPort = 51800
    # Where it is reached from outside: nothing is forwarded back to it.
    #Address = 198.51.100.7
    # Where it forwards to; without it, to everything that is not private.
    #Destinations = 203.0.113.0/24

    # Who may use it: gateways that call others, so branches as a rule.
    [Client "branch"]
    PublicKey = KEY_OF_BRANCH
    #Limit = 100mbit
    #Daily = 200GB

    """

  private static let oracleText = """
    # A path oracle: takes what gateways and relays measure, and tells them which paths to take.
    #
    #   umask 077; hawser genpsk > branch.token   makes a token beside this file; the gateway has a copy of it
    #   path-oracle serve --check --config oracle.conf   says what is still wrong here
    #
    # A gateway asks it with  [Oracle]  URL = …  Name = branch  TokenFile = branch.token
    # hawser.conf(5) explains every key. A line that begins with '#' and no blank is a setting to try.

    [Oracle]
    # On the loopback it speaks HTTP. Elsewhere it needs a certificate, since tokens would be readable.
    Listen = 127.0.0.1:8460
    #Certificate = oracle.pem
    #CertificateKeyFile = oracle-key.pem
    # What it knows survives a restart when it has a file for it.
    #Store = /var/lib/hawser/oracle.db

    # Everybody who reports or asks.
    [Gateway "branch"]
    TokenFile = branch.token

    [Gateway "hub"]
    TokenFile = hub.token

    [Relay "west"]
    TokenFile = west.token
    PublicKey = KEY_OF_WEST
    Endpoint = west.example.net:51800
    #Price = 0.02 per GB

    """
}
