//  Firewall.swift — would this machine's own packet filter drop what a gateway sends and hears?
//
//  Why.  "Only answers come in" is a good policy, and the first thing that keeps somebody who calls from being heard.
//  The gateway cannot notice: what the filter drops never reaches it.
//
//  How.  The rules as the kernel has them (nftables, and iptables on top of it) are walked for one packet that is made
//  up: UDP, of this path, to our port, the first one of somebody or an answer. What a condition says of such a packet
//  is yes, no or unknown (the sender's address, a set that changes, a limit):
//
//      chain of a hook ─▶ rule ─▶ all conditions: no   ─▶ next rule
//                           │                     yes  ─▶ accept: passes here │ drop: dropped │ jump: another chain
//                           │                unknown  ─▶ noted: it may accept, it may drop; next rule
//                           └─▶ the end: the policy
//
//  A packet that is surely dropped is a finding. One that an unknown rule may have let in before is told as such, and
//  one that is let in although an unknown rule may drop it before passes: such rules are lists of unwanted addresses.
//
//  Rejected.  Sending a packet to ourselves (it comes over the loopback, which every filter lets in); running `nft`
//  (it may not be installed; the library is).
//
//  Always true.  (1) A filter that hands packets round and round ends after `mostSteps`. (2) Nothing is changed.

import JSON
import Primitives

struct Firewall: Equatable {
  /// One that is made up. What is nil nobody knows.
  struct Packet: Equatable {
    var isIncoming = true
    var interface: String
    var family = IPAddress.Family.ipv4
    /// The other side's.
    var remote: IPAddress?
    var localPort: UInt16?
    /// It belongs to a conversation that the other direction began.
    var isAnswer = false
  }

  enum Outcome: Equatable {
    case passes
    /// `place`: "inet filter input", as nft wants it; `reason`: "its policy is drop".
    case dropped(place: String, reason: String)
    /// It is dropped unless a rule lets it in of which we cannot tell.
    case unclear(place: String)
  }

  struct Chain: Equatable {
    var family: String
    var table: String
    var name: String
    /// nil: it is only jumped to.
    var hook: String?
    var priority: Int64 = 0
    var dropsByPolicy = false
    var rules: [JSONValue] = []

    var place: String { "\(family) \(table) \(name)" }
  }

  private(set) var chains: [Chain] = []
  /// Elements of named sets, by family, table and name.
  private var sets: [String: JSONValue] = [:]

  /// Rules that one packet is held against at most: a filter of a large site has some thousands.
  private static let mostSteps = 200_000
  /// The kernel's own.
  private static let mostJumps = 16

  // MARK: Reading

  /// From what nftables lists as JSON; what is not understood in it is left out, and rules are judged when they are
  /// walked.
  init(_ listing: JSONValue) {
    let items = listing["nftables"]?.array ?? []
    for item in items {
      if let chain = item["chain"], let chain = Chain(chain) { chains.append(chain) }
      if let set = item["set"] ?? item["map"], let name = set["name"]?.string {
        sets[Firewall.key(set, name)] = set["elem"] ?? .array([])
      }
    }
    for item in items {
      guard let rule = item["rule"], let expressions = rule["expr"],
        let index = chains.firstIndex(where: { $0.holds(rule) })
      else { continue }
      chains[index].rules.append(expressions)
    }
  }

  private static func key(_ item: JSONValue, _ name: String) -> String {
    "\(item["family"]?.string ?? "") \(item["table"]?.string ?? "") \(name)"
  }

  // MARK: Asking

  /// What becomes of it, over all chains of the hooks that it passes.
  func outcome(of packet: Packet) -> Outcome {
    let hooks = packet.isIncoming ? ["prerouting", "input"] : ["output", "postrouting"]
    var unclear: Outcome?
    let passed = chains.filter { chain in
      chain.hook.map { hooks.contains($0) } == true && chain.concerns(packet.family)
    }
    for chain in passed.sorted(by: { $0.priority < $1.priority }) {
      var walk = Walk(firewall: self, packet: packet)
      let found = walk.through(chain, depth: 0)
      let reason: String
      switch found {
      case .accept: continue
      case .drop(let words): reason = words
      case nil:
        if !chain.dropsByPolicy { continue }
        reason = "its policy is drop"
      }
      if walk.mayAccept {
        unclear = unclear ?? .unclear(place: chain.place)
      } else {
        return .dropped(place: chain.place, reason: reason)
      }
    }
    return unclear ?? .passes
  }

  // MARK: Walking

  enum Match {
    case yes, no, unknown

    var negated: Match {
      switch self {
      case .yes: .no
      case .no: .yes
      case .unknown: .unknown
      }
    }
  }

  private enum Verdict {
    case accept
    case drop(String)
  }

  private struct Walk {
    let firewall: Firewall
    let packet: Packet
    var mayAccept = false
    private var steps = 0

    init(firewall: Firewall, packet: Packet) {
      self.firewall = firewall
      self.packet = packet
    }

    /// nil: it comes out at the end.
    mutating func through(_ chain: Chain, depth: Int) -> Verdict? {
      rules: for rule in chain.rules {
        steps += 1
        if steps > Firewall.mostSteps {
          mayAccept = true
          return nil
        }
        var isCertain = true
        for expression in rule.array ?? [] {
          guard let statement = expression.object?.members.first else { continue }
          switch statement.name {
          case "match":
            switch firewall.match(statement.value, packet, in: chain) {
            case .no: continue rules
            case .unknown: isCertain = false
            case .yes: break
            }
          case "vmap":
            let chosen = firewall.choose(statement.value, packet, in: chain)
            if !chosen.isCertain { isCertain = false }
            for statement in chosen.statements {
              switch act(statement, isCertain, chain, depth) {
              case .ends(let verdict): return verdict
              case .goesOn: break
              }
            }
          // They say something, and decide nothing.
          case "counter", "log", "comment", "mangle", "notrack", "meter", "set": break
          default:
            switch act(statement, isCertain, chain, depth) {
            case .ends(let verdict): return verdict
            case .goesOn: if !Firewall.decisions.contains(statement.name) { isCertain = false }
            }
          }
        }
      }
      return nil
    }

    private enum Step {
      case ends(Verdict?)
      case goesOn
    }

    private mutating func act(
      _ statement: JSONObject.Member, _ isCertain: Bool, _ chain: Chain, _ depth: Int
    ) -> Step {
      let found: Verdict?
      switch statement.name {
      case "accept": found = .accept
      case "drop", "reject": found = .drop("a rule in it says \(statement.name)")
      case "return":
        if isCertain { return .ends(nil) }
        mayAccept = true
        return .goesOn
      case "jump", "goto":
        guard let name = statement.value["target"]?.string, depth < Firewall.mostJumps,
          let target = firewall.chains.first(where: {
            $0.name == name && $0.family == chain.family && $0.table == chain.table
          })
        else { return .goesOn }
        found = through(target, depth: depth + 1)
        if found == nil { return statement.name == "goto" && isCertain ? .ends(nil) : .goesOn }
      // What the library cannot put into words, as extensions of iptables, may be any of both.
      case "xt", "queue", "tproxy":
        mayAccept = true
        return .goesOn
      default: return .goesOn
      }
      if isCertain { return .ends(found) }
      if case .accept? = found { mayAccept = true }
      return .goesOn
    }
  }

  private static let decisions: Set<String> = ["accept", "drop", "reject", "return", "jump", "goto", "xt", "queue"]

  // MARK: Conditions

  /// What a condition looks at, as far as the packet has it.
  private enum Subject {
    case word(String)
    case number(Int64)
    case address(IPAddress)
    /// This packet has no such thing, so no condition about it holds.
    case absent
    case unknown
  }

  private func match(_ condition: JSONValue, _ packet: Packet, in chain: Chain) -> Match {
    guard let left = condition["left"], let right = condition["right"] else { return .unknown }
    let subject = Firewall.subject(left, packet)
    if case .absent = subject { return .no }
    let operation = condition["op"]?.string ?? "=="
    switch operation {
    case "==", "in": return holds(subject, right, chain)
    case "!=": return holds(subject, right, chain).negated
    default:
      guard case .number(let number) = subject, let bound = right.integer else { return .unknown }
      switch operation {
      case "<": return number < bound ? .yes : .no
      case ">": return number > bound ? .yes : .no
      case "<=": return number <= bound ? .yes : .no
      case ">=": return number >= bound ? .yes : .no
      default: return .unknown
      }
    }
  }

  /// The statements of a verdict map that may apply, and whether they surely do.
  private func choose(
    _ map: JSONValue, _ packet: Packet, in chain: Chain
  ) -> (statements: [JSONObject.Member], isCertain: Bool) {
    guard let key = map["key"], let data = map["data"] else { return ([], false) }
    let named = data.string.flatMap { sets["\(chain.family) \(chain.table) \($0.dropFirst())"] }
    let pairs = (named ?? data["set"])?.array ?? []
    let subject = Firewall.subject(key, packet)
    if case .absent = subject { return ([], true) }
    var possible: [JSONObject.Member] = []
    for pair in pairs {
      guard let pair = pair.array, pair.count == 2, let statement = pair[1].object?.members.first else { continue }
      switch holds(subject, pair[0], chain) {
      case .yes: return ([statement], true)
      case .unknown: possible.append(statement)
      case .no: break
      }
    }
    return (possible, possible.isEmpty)
  }

  private func holds(_ subject: Subject, _ right: JSONValue, _ chain: Chain) -> Match {
    if case .unknown = subject { return .unknown }
    if let list = right["set"]?.array ?? right.array { return holdsAny(subject, list, chain) }
    if let inner = right["elem"]?["val"] { return holds(subject, inner, chain) }
    if let range = right["range"]?.array, range.count == 2 { return Firewall.lies(subject, range[0], range[1]) }
    if let prefix = right["prefix"], let address = prefix["addr"]?.string.flatMap({ IPAddress($0) }),
      let length = prefix["len"]?.integer, (0...Int64(address.family.bitCount)).contains(length)
    {
      guard case .address(let own) = subject else { return .unknown }
      return IPPrefix(address, length: Int(length)).contains(own) ? .yes : .no
    }
    if let text = right.string {
      if text.hasPrefix("@") {
        guard let elements = sets["\(chain.family) \(chain.table) \(text.dropFirst())"]?.array else { return .unknown }
        return holdsAny(subject, elements, chain)
      }
      return Firewall.equals(subject, text)
    }
    guard let number = right.integer else { return .unknown }
    switch subject {
    case .number(let own): return own == number ? .yes : .no
    case .word(let word): return word == "udp" && number == 17 ? .yes : .no
    default: return .unknown
    }
  }

  private func holdsAny(_ subject: Subject, _ list: [JSONValue], _ chain: Chain) -> Match {
    var all = Match.no
    for element in list {
      switch holds(subject, element, chain) {
      case .yes: return .yes
      case .unknown: all = .unknown
      case .no: break
      }
    }
    return all
  }

  private static func equals(_ subject: Subject, _ text: String) -> Match {
    switch subject {
    case .word(let word):
      return text.hasSuffix("*") ? (word.hasPrefix(text.dropLast()) ? .yes : .no) : word == text ? .yes : .no
    case .address(let address):
      guard let other = IPAddress(text) else { return .unknown }
      return address == other ? .yes : .no
    case .number, .absent, .unknown: return .unknown
    }
  }

  private static func lies(_ subject: Subject, _ first: JSONValue, _ last: JSONValue) -> Match {
    switch subject {
    case .number(let number):
      guard let first = first.integer, let last = last.integer else { return .unknown }
      return first <= number && number <= last ? .yes : .no
    case .address(let address):
      guard let first = first.string.flatMap({ IPAddress($0) }), let last = last.string.flatMap({ IPAddress($0) })
      else {
        return .unknown
      }
      let own = (address.high, address.low)
      return address.family == first.family && (first.high, first.low) <= own && own <= (last.high, last.low)
        ? .yes : .no
    case .word, .absent, .unknown: return .unknown
    }
  }

  private static func subject(_ left: JSONValue, _ packet: Packet) -> Subject {
    if let payload = left["payload"], let name = payload["protocol"]?.string, let field = payload["field"]?.string {
      return subject(name, field, packet)
    }
    if let key = left["ct"]?["key"]?.string {
      return key == "state" ? .word(packet.isAnswer ? "established" : "new") : .unknown
    }
    guard let key = left["meta"]?["key"]?.string else { return .unknown }
    switch key {
    case "l4proto": return .word("udp")
    case "nfproto": return .word(packet.family == .ipv4 ? "ipv4" : "ipv6")
    case "protocol": return .word(packet.family == .ipv4 ? "ip" : "ip6")
    case "pkttype": return .word("host")
    case "iif", "iifname": return packet.isIncoming ? .word(packet.interface) : .absent
    case "oif", "oifname": return packet.isIncoming ? .absent : .word(packet.interface)
    default: return .unknown
    }
  }

  private static func subject(_ header: String, _ field: String, _ packet: Packet) -> Subject {
    switch header {
    case "udp", "th":
      guard field == (packet.isIncoming ? "dport" : "sport") else { return .unknown }
      return packet.localPort.map { .number(Int64($0)) } ?? .unknown
    case "ip", "ip6":
      guard (header == "ip") == (packet.family == .ipv4) else { return .absent }
      switch field {
      case "protocol", "nexthdr": return .word("udp")
      case packet.isIncoming ? "saddr" : "daddr": return packet.remote.map { .address($0) } ?? .unknown
      default: return .unknown
      }
    case "tcp", "icmp", "icmpv6", "igmp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "gre": return .absent
    default: return .unknown
    }
  }
}

extension Firewall.Chain {
  fileprivate init?(_ chain: JSONValue) {
    guard let family = chain["family"]?.string, let table = chain["table"]?.string, let name = chain["name"]?.string
    else { return nil }
    self.init(family: family, table: table, name: name)
    // Chains that translate addresses see first packets only, and drop none.
    if chain["type"]?.string == "filter" { hook = chain["hook"]?.string }
    priority = chain["prio"]?.integer ?? 0
    dropsByPolicy = chain["policy"]?.string == "drop"
  }

  fileprivate func holds(_ rule: JSONValue) -> Bool {
    rule["family"]?.string == family && rule["table"]?.string == table && rule["chain"]?.string == name
  }

  fileprivate func concerns(_ addresses: IPAddress.Family) -> Bool {
    family == "inet" || family == (addresses == .ipv4 ? "ip" : "ip6")
  }
}
