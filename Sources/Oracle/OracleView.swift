//  OracleView.swift — what ALTO clients see: a picture of the map, made anew now and then, and the streams that follow
//  it.
//
//  Why.  To show 200,000 edges takes a second, and to tell a stream what changed in them as long again. Whoever asks
//  for a path at that moment must not wait for it.
//
//  How.  The picture is apart from the oracle, and each has a lock of its own in a program with threads. Between them
//  goes a drawing, which the oracle makes in pieces and which becomes a map wherever there is time:
//
//      Oracle ── draw(250 edges) … draw ──▶ ALTODrawing ──▶ map() ──▶ OracleView.show ──▶ streams
//       a lock      2 ms each, others between                 no lock        another lock
//
//  A picture is made when somebody looks (a request, or an open stream), when something changed, and when the last one
//  is a second old; older if it was large.
//
//  Always true.  (1) Every answer is from one picture. (2) Outputs are drained before the next input.
//
//  Not here.  Who may look: `Oracle.objection`.

public import ALTO
import PathOracle
public import Primitives

/// The map as it was while somebody drew it.
public struct ALTODrawing: Sendable {
  let nodes: [NodeFacts]
  let edges: [EdgeListing]
  let revision: UInt64

  /// Takes a while.
  public func map() throws(ALTOMap.Defect) -> ALTOMap { try ALTOView.make(nodes: nodes, edges: edges) }
}

public struct OracleView: ~Copyable {
  /// Whoever looks at a map of no more edges waits for a new picture; larger ones are made meanwhile.
  public static let small = 2_000

  /// People who watch, and programs that plan by it; each may leave megabytes waiting.
  public static let streams = 32

  public struct Counters: Equatable, Sendable {
    public var requests: UInt64 = 0
    public var views: UInt64 = 0
    public var streams = 0
    public var alto = ALTOServer.Counters()

    public init() {}
  }

  private var alto: ALTOServer
  private var secrets: Secrets
  private var requests: UInt64 = 0
  private var views: UInt64 = 0
  private var shown: (revision: UInt64, made: Instant, edges: Int)?
  private var isAsked = false

  /// Control URIs of streams are made of `secret`'s numbers: nobody should be able to guess the next one from the last.
  public init(secret: @escaping @Sendable () -> UInt64) {
    var limits = ALTOServer.Limits()
    limits.streams = OracleView.streams
    alto = ALTOServer(ALTOView.directory, map: ALTOView.empty, limits: limits)
    secrets = Secrets(draw: secret)
  }

  private struct Secrets: RandomNumberGenerator {
    let draw: @Sendable () -> UInt64
    mutating func next() -> UInt64 { draw() }
  }

  public mutating func respond(to request: OracleRequest, at now: Instant) -> OracleAnswer {
    requests += 1
    isAsked = true
    // A body that nobody kept is longer than one that is refused.
    let body = request.isTooLong ? [UInt8](repeating: 0, count: alto.limits.body + 1) : request.body
    let answer = alto.respond(
      to: ALTORequest(
        method: request.method, path: request.path, mediaType: request.mediaType, accept: request.accept, body: body,
        client: request.client), at: now, random: &secrets)
    switch answer {
    case .response(let response):
      return OracleAnswer(response.status, response.mediaType, response.body, response.headers)
    case .stream(let stream):
      var answer = OracleAnswer(200, ALTOAnswer.streamType, "")
      answer.stream = stream
      return answer
    }
  }

  // MARK: Pictures

  public var isEmpty: Bool { shown == nil }

  /// Somebody looks at it.
  public var isWatched: Bool { isAsked || alto.streamCount > 0 }

  /// Whether it is time for a picture of this revision.
  public func isDue(_ revision: UInt64, at now: Instant) -> Bool {
    guard let shown else { return true }
    // 200,000 edges: five seconds.
    let age: Interval = max(.seconds(1), .microseconds(Int64(shown.edges) * 25))
    return shown.revision != revision && shown.made + age <= now
  }

  public mutating func show(_ map: ALTOMap, of drawing: ALTODrawing, at now: Instant) {
    alto.replace(map, at: now)
    shown = (drawing.revision, now, drawing.edges.count)
    views += 1
    isAsked = false
  }

  // MARK: Streams

  /// Texts for streams, in their order. Drain to nil.
  public mutating func nextOutput() -> ALTOServer.Output? { alto.nextOutput() }

  /// Whoever reads it is gone, or too slow.
  public mutating func close(_ stream: ALTOServer.StreamID) { alto.close(stream) }

  public var deadline: Instant? { alto.deadline }

  public mutating func expire(at now: Instant) { alto.expire(at: now) }

  public var counters: Counters {
    var counters = Counters()
    counters.requests = requests
    counters.views = views
    counters.streams = alto.streamCount
    counters.alto = alto.counters
    return counters
  }
}
