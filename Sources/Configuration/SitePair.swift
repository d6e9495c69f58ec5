//  SitePair.swift — two sites that are to be joined, from five answers to the two files that do it.
//
//  The answers are those that nobody else can give: what the sites are called, which interfaces lead out of each, where
//  the hub is reached, and what is behind them. All else has one right choice: the branch calls and the hub listens,
//  the virtual interfaces have a network that nothing else here uses, and AllowedIPs follow from both.
//
//  What comes out is text as an operator would write it, and whoever writes it to a disk reads it first, as any other
//  configuration: an answer that is right by itself and wrong together with others is told by the same audit.

public import Primitives
public import Sealing

public struct SitePair: Sendable {
  public struct Site: Sendable {
    public internal(set) var name: String
    /// Those that lead out of it, each a path.
    public internal(set) var interfaces: [String]
    /// What is behind it.
    public internal(set) var networks: [IPPrefix] = []
  }

  /// In the order in which they are asked.
  public enum Question: CaseIterable, Sendable {
    case names
    case interfacesHere
    case interfacesThere
    case address
    case networks
  }

  /// Of the virtual interfaces: the hub is the first, this site the second.
  static let networks = (0..<10).map { IPPrefix(IPAddress(ipv4: 0x0a09_0000 + UInt32($0) * 0x000a_0000), length: 24) }
  public static let defaultPort: UInt16 = 51_820

  /// The site where the questions are asked: it calls.
  public private(set) var here: Site
  public private(set) var there = Site(name: "hub", interfaces: ["eth0"])
  public private(set) var endpoint: EndpointText?

  /// `interfaces` are those that probably lead out of this machine.
  public init(interfaces: [String]) { here = Site(name: "branch", interfaces: interfaces) }

  // MARK: Questions

  public func text(of question: Question) -> String {
    switch question {
    case .names: "What are the two sites called? This one first, which calls the other"
    case .interfacesHere: "Which interfaces lead out of \(here.name)?"
    case .interfacesThere: "Which interfaces lead out of \(there.name)?"
    case .address: "Where is \(there.name) reached from outside? An address or a name, perhaps with :PORT"
    case .networks: "Which networks are behind \(here.name), and which behind \(there.name)? With a '|' between them"
    }
  }

  /// What an empty answer means; nil: there has to be one.
  public func usual(for question: Question) -> String? {
    switch question {
    case .names: "\(here.name) \(there.name)"
    case .interfacesHere: here.interfaces.isEmpty ? nil : here.interfaces.joined(separator: " ")
    case .interfacesThere: there.interfaces.joined(separator: " ")
    case .address: nil
    case .networks: "|"
    }
  }

  public mutating func answer(_ question: Question, _ text: String) throws(Complaint) {
    let given = text.isEmpty ? usual(for: question) ?? "" : text
    switch question {
    case .names:
      let names = words(given[...])
      guard names.count == 2, names[0] != names[1], names.allSatisfy(isFileName) else {
        throw Complaint("expected two different names of letters, digits, '-', '_' and '.', as in: branch hub")
      }
      here.name = names[0]
      there.name = names[1]
    case .interfacesHere: here.interfaces = try interfaces(given)
    case .interfacesThere: there.interfaces = try interfaces(given)
    case .address:
      // Without a port unless one is there: an IPv6 address has colons too.
      if let address = IPAddress(given) {
        endpoint = .address(Endpoint(address, port: SitePair.defaultPort))
      } else if let known = try? EndpointText(given) {
        endpoint = known
      } else if let known = try? EndpointText("\(given):\(SitePair.defaultPort)") {
        endpoint = known
      } else {
        throw Complaint("expected an address or a name, as in: 203.0.113.7, hub.example.net or 203.0.113.7:51820")
      }
    case .networks:
      let sides = given.split(separator: "|", omittingEmptySubsequences: false)
      guard sides.count == 2 else { throw Complaint("expected one '|', as in: 10.2.0.0/16 | 10.1.0.0/16") }
      here.networks = try prefixes(sides[0])
      there.networks = try prefixes(sides[1])
    }
  }

  private func words(_ text: Substring) -> [String] {
    text.split { $0 == " " || $0 == "," || $0 == "\t" }.map(String.init)
  }

  /// It becomes the name of a section, of files, and of a service.
  private func isFileName(_ name: String) -> Bool {
    isName(Array(name.utf8)) && !name.hasPrefix(".") && !name.hasPrefix("-")
  }

  private func interfaces(_ text: String) throws(Complaint) -> [String] {
    let names = words(text[...])
    var seen: [String] = []
    for name in names {
      let kind = SettingKind<String>.interface
      _ = try kind.read(ArraySlice(name.utf8))
      if seen.contains(name) { throw Complaint("\(shown(Array(name.utf8))) is there twice: expected it once") }
      seen.append(name)
    }
    if names.isEmpty { throw Complaint("expected the names of interfaces, as `ip link` shows them") }
    return names
  }

  private func prefixes(_ text: Substring) throws(Complaint) -> [IPPrefix] {
    var networks: [IPPrefix] = []
    for word in words(text) { networks.append(try SettingKind<IPPrefix>.network.read(ArraySlice(word.utf8))) }
    return networks
  }

  // MARK: Files

  public enum Side: CaseIterable, Sendable {
    case here
    case there
  }

  public func site(_ side: Side) -> Site { side == .here ? here : there }

  /// The file of one side; its key is beside it, in NAME.key. nil when every network that virtual interfaces could have
  /// is used behind a site.
  public func text(of side: Side, peerKey: PublicKey) -> String? {
    let taken = here.networks + there.networks
    let free = SitePair.networks.first { own in
      !taken.contains { $0.length > 0 && ($0.contains(own.address) || own.contains($0.address)) }
    }
    guard let free, let endpoint else { return nil }
    let own = site(side)
    let other = site(side == .here ? .there : .here)
    func address(_ side: Side) -> IPAddress {
      IPAddress(ipv4: UInt32(free.address.high >> 32) + (side == .here ? 2 : 1))
    }
    var lines = ["# \(own.name), joined to \(other.name); hawser.conf(5) explains every key.", "[Gateway]"]
    lines += ["PrivateKeyFile = \(own.name).key", "Address = \(IPPrefix(address(side), length: free.length))"]
    if side == .there { lines.append("ListenPort = \(port(of: endpoint))") }
    for interface in own.interfaces { lines += ["[Path \"\(pathName(interface))\"]", "Interface = \(interface)"] }
    lines += ["[Peer \"\(other.name)\"]", "PublicKey = \(peerKey)"]
    if side == .here { lines.append("Endpoint = \(endpoint)") }
    let inner = IPPrefix(address(side == .here ? .there : .here))
    lines.append("AllowedIPs = " + ([inner] + other.networks).map(\.description).joined(separator: ", "))
    return lines.joined(separator: "\n") + "\n"
  }

  private func port(of endpoint: EndpointText) -> UInt16 {
    switch endpoint {
    case .address(let known): known.port
    case .name(_, let port): port
    }
  }

  /// An interface may have characters that a path's name has not: `eth0.7@x`.
  private func pathName(_ interface: String) -> String {
    String(decoding: interface.utf8.map { isName([$0]) ? $0 : UInt8(ascii: "-") }, as: UTF8.self)
  }
}
