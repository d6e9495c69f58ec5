//  Topology.swift — a network as a value: nodes, links between them, and what happens to the links over time.
//
//  A .topo file says in twenty lines which machines there are and what the lines between them are like; the lab builds
//  it from namespaces, the simulator from state machines. This file is the value that both get. Reading and printing
//  it: TopologyParser and TopologyPrinter; a picture of it: Drawing; addresses for it: AddressPlan.
//
//  Always true of a value that the parser made. (1) Names are unique over nodes and links together, so `set NAME` never
//  asks which. (2) Indices point into `nodes` and `links`. (3) A host stands behind a gateway, router or nat, or has
//  links of its own, never both. (4) At most `Limits` of each thing.

public import Primitives

public struct Topology: Equatable, Sendable {
  public var name: String
  public var nodes: [Node]
  public var links: [Link]
  public var events: [Event]

  public init(name: String, nodes: [Node] = [], links: [Link] = [], events: [Event] = []) {
    self.name = name
    self.nodes = nodes
    self.links = links
    self.events = events
  }

  public struct Node: Equatable, Sendable {
    public var name: String
    public var kind: Kind
    /// For a host of a site: the index of the node that connects it.
    public var behind: Int?

    public init(name: String, kind: Kind, behind: Int? = nil) {
      self.name = name
      self.kind = kind
      self.behind = behind
    }

    public enum Kind: String, CaseIterable, Sendable {
      case gateway, relay, router, nat, oracle, host
    }
  }

  /// A line between two nodes. `a` is the node that the file names first: the left end.
  public struct Link: Equatable, Sendable {
    public var name: String
    public var a: Int
    public var b: Int
    /// What the line is like from left to right, and back.
    public var forward: Shape
    public var backward: Shape
    /// The largest IP packet that it carries; nil is the usual 1,500.
    public var mtu: ByteCount?

    public init(
      name: String, a: Int, b: Int, forward: Shape = Shape(), backward: Shape = Shape(), mtu: ByteCount? = nil
    ) {
      self.name = name
      self.a = a
      self.b = b
      self.forward = forward
      self.backward = backward
      self.mtu = mtu
    }

    /// A link with nothing to emulate is a plain wire at full speed.
    public var isPlain: Bool { forward == Shape() && backward == Shape() }
  }

  /// One direction of a link. The empty shape is a wire: no limit, no delay, no loss.
  public struct Shape: Equatable, Sendable {
    public var rate: Rate?
    public var delay: Interval = .zero
    /// The standard deviation of the delay.
    public var jitter: Interval = .zero
    /// Whether jitter may let a later packet overtake an earlier one.
    public var reorders = false
    public var loss: Probability = .never
    /// Mean number of packets that are lost together; nil is independent loss.
    public var burst: Int?
    public var duplication: Probability = .never
    public var corruption: Probability = .never
    /// nil is the default: one bandwidth-delay product, at least 30 ms.
    public var queue: Queue?

    public init() {}
  }

  public enum Rate: Equatable, Sendable {
    case fixed(BitRate)
    /// A file of delivery opportunities, as mahimahi writes them, relative to the topology file.
    case trace(String)
  }

  public enum Queue: Equatable, Sendable {
    case time(Interval)
    case bytes(ByteCount)
  }

  /// At `time` after the start, `link` changes.
  public struct Event: Equatable, Sendable {
    public var time: Interval
    public var link: Int
    public var change: Change

    public init(time: Interval, link: Int, change: Change) {
      self.time = time
      self.link = link
      self.change = change
    }
  }

  public enum Change: Equatable, Sendable {
    /// Both directions drop everything, silently, and what is on the line is lost.
    case down
    case up
    case attributes([Attribute])
  }

  /// One word of a link's description, for both of its directions.
  public enum Attribute: Equatable, Sendable {
    case rate(Pair<Rate>)
    case delay(Pair<Interval>)
    case jitter(Pair<Interval>, reorders: Bool)
    case loss(Pair<Probability>, burst: Int?)
    case duplicate(Pair<Probability>)
    case corrupt(Pair<Probability>)
    case queue(Pair<Queue>)
    case mtu(ByteCount)
  }

  /// Forward is from the node that the file names first to the other.
  public enum Direction: Int, CaseIterable, Sendable {
    case forward, backward
  }

  /// `a/b` of the grammar: left to right, and right to left.
  public struct Pair<Value: Equatable & Sendable>: Equatable, Sendable {
    public var forward: Value
    public var backward: Value

    public init(_ forward: Value, _ backward: Value) {
      self.forward = forward
      self.backward = backward
    }
    public init(both value: Value) { self.init(value, value) }

    public subscript(_ direction: Direction) -> Value { direction == .forward ? forward : backward }
  }

  /// The bounds of a topology. They are far above what a laboratory on one machine carries, and keep a broken or
  /// hostile file from asking for a million namespaces.
  public enum Limits {
    public static let nodes = 256
    public static let links = 1_024
    public static let events = 4_096
    public static let nameLength = 32
    public static let lineLength = 4_096
    public static let fileSize = ByteCount(4 << 20)
    /// RFC 791's least and the largest that common Ethernet carries.
    public static let mtu = ByteCount(576)...ByteCount(9_216)
  }

  public func node(named name: String) -> Int? { nodes.firstIndex { $0.name == name } }
  public func link(named name: String) -> Int? { links.firstIndex { $0.name == name } }

  /// The links at a node, in the file's order.
  public func links(at node: Int) -> [Int] { links.indices.filter { links[$0].a == node || links[$0].b == node } }
}

extension Topology.Link {
  /// Takes over what one attribute says.
  public mutating func apply(_ attribute: Topology.Attribute) {
    if case .mtu(let bytes) = attribute { mtu = bytes }
    forward.apply(attribute, .forward)
    backward.apply(attribute, .backward)
  }

  public subscript(_ direction: Topology.Direction) -> Topology.Shape { direction == .forward ? forward : backward }

  /// The node at the other end.
  public func other(_ node: Int) -> Int { node == a ? b : a }
}

extension Topology.Shape {
  /// Takes over what an attribute says about this direction.
  public mutating func apply(_ attribute: Topology.Attribute, _ direction: Topology.Direction) {
    switch attribute {
    case .rate(let pair): rate = pair[direction]
    case .delay(let pair): delay = pair[direction]
    case .jitter(let pair, let mayReorder):
      jitter = pair[direction]
      reorders = mayReorder
    case .loss(let pair, let meanBurst):
      loss = pair[direction]
      burst = meanBurst
    case .duplicate(let pair): duplication = pair[direction]
    case .corrupt(let pair): corruption = pair[direction]
    case .queue(let pair): queue = pair[direction]
    case .mtu: break  // the link's, not a direction's
    }
  }
}
