//  UpdateStreams.swift — clients that want to hear when an answer changes (RFC 8895).
//
//  Why.  A gateway that plans by the oracle's map would have to ask for all of it again and again, to find that three
//  numbers changed. It opens a stream instead, names the questions that it cares about, and is sent what changed.
//
//  How.  A stream has substreams, each a question with a name that the client chose. They come and go through the
//  stream's control URI, which the first event tells and nobody else knows:
//
//      client                                           server
//      POST /alto/updates {"add":{"m":…,"c":…}}  ─────▶
//                                                ◀───── control: control-uri, started [m, c]
//                                                ◀───── network map, whole (unless its tag is the client's already)
//                                                ◀───── cost map, whole
//                       (a new map)              ◀───── merge-patch for m, then for c
//      POST /alto/updates/SECRET {"remove":["c"]} ────▶ 204
//                                                ◀───── control: stopped [c]
//                       (15 s nothing)           ◀───── a comment
//
//  With a new map each question is answered twice, from the old map and from the new, and the difference is sent: as a
//  merge patch when the client takes them and it is shorter, else whole. So a stream keeps questions and no documents.
//  Answers of several parts are always sent whole.
//
//  Rejected.  Keeping what was sent to each client (a map of a megabyte for each of sixty streams). JSON patch (RFC
//  6902), which the RFC allows as well: it is shorter only when arrays change in their middle, and ours are short.
//
//  Always true.  (1) A name is used once in a stream's life. (2) A stream without questions is closed. (3) A refused
//  control request changes nothing. (4) Substreams about the network map come before those that depend on it.
//
//  Cost: a new map costs two answers for each question, whoever and how many ask it.

import JSON
public import Primitives

extension ALTOServer {
  public struct StreamID: Hashable, Sendable {
    let number: UInt64
  }

  /// Bytes for a stream, in their order.
  public struct Output: Sendable {
    public let stream: StreamID
    public let text: String
    /// The stream ends behind it.
    public let isLast: Bool
  }
}

struct UpdateStreams: Sendable {
  struct Substream {
    let name: String
    let resource: ALTODirectory.Resource
    let query: Query
    /// Equal for those that have the same answer.
    let question: String
    let takesPatches: Bool
    /// The client has this version of the network map.
    let tag: String?

    /// What others depend on goes first.
    var rank: Int { resource.kind == .networkMap || resource.kind == .filteredNetworkMap ? 0 : 1 }
  }

  struct Stream {
    let id: ALTOServer.StreamID
    let secret: String
    let client: IPAddress?
    var substreams: [Substream] = []
    /// Every name that was ever used.
    var names: [String] = []
    var lastSent: Instant
  }

  /// Whoever hears nothing for longer asks himself whether we are there (RFC 8895 §6.8).
  static let keepAlive = Interval.seconds(15)

  var list: [Stream] = []
  private var count: UInt64 = 0
  private var outputs: [ALTOServer.Output] = []
  private var taken = 0

  func drained() { precondition(outputs.isEmpty, "outputs are drained before the next input") }

  mutating func nextOutput() -> ALTOServer.Output? {
    guard taken < outputs.count else {
      outputs.removeAll(keepingCapacity: true)
      taken = 0
      return nil
    }
    taken += 1
    return outputs[taken - 1]
  }

  mutating func open(_ client: IPAddress?, secret: String, at now: Instant) -> Int {
    count += 1
    list.append(Stream(id: .init(number: count), secret: secret, client: client, lastSent: now))
    return list.count - 1
  }

  /// Appends what the client is told of its stream itself.
  mutating func tell(_ index: Int, _ members: JSONObject, isLast: Bool = false, at now: Instant) {
    send(index, EventText.event(MediaType.updateControl, JSONValue.object(members).text), isLast: isLast, at: now)
  }

  mutating func send(_ index: Int, _ text: String, isLast: Bool = false, at now: Instant) {
    list[index].lastSent = now
    outputs.append(ALTOServer.Output(stream: list[index].id, text: text, isLast: isLast))
  }
}

extension ALTOServer {
  // MARK: Outputs and time

  /// Drain to nil before the next input.
  public mutating func nextOutput() -> Output? { streams.nextOutput() }

  /// When a stream will have been silent for too long.
  public var deadline: Instant? { streams.list.map { $0.lastSent + UpdateStreams.keepAlive }.min() }

  public mutating func expire(at now: Instant) {
    streams.drained()
    for index in streams.list.indices where streams.list[index].lastSent + UpdateStreams.keepAlive <= now {
      streams.send(index, EventText.keepAlive, at: now)
    }
  }

  /// Open ones.
  public var streamCount: Int { streams.list.count }

  /// The client is gone, or does not take what it is sent.
  public mutating func close(_ stream: StreamID) {
    streams.drained()
    streams.list.removeAll { $0.id == stream }
  }

  // MARK: A new map

  /// From now on answers come from this map, and streams are told what changed.
  public mutating func replace(_ new: ALTOMap, at now: Instant) {
    streams.drained()
    let old = map
    map = new
    // Many ask the same.
    var known: [String: Change] = [:]
    for index in streams.list.indices {
      for substream in streams.list[index].substreams {
        let change =
          known[substream.question] ?? ALTOServer.change(of: substream.query, directory, from: old, to: new)
        known[substream.question] = change
        guard let whole = change.whole else { continue }
        if let patch = change.patch, substream.takesPatches {
          streams.send(index, EventText.event("\(MergePatch.mediaType),\(substream.name)", patch), at: now)
        } else {
          send(whole, of: substream, to: index, at: now)
        }
      }
    }
  }

  private struct Change {
    /// nil: nothing changed.
    var whole: Content?
    /// Shorter, and says the same.
    var patch: String?
  }

  private static func change(
    of query: Query, _ directory: ALTODirectory, from old: ALTOMap, to new: ALTOMap
  ) -> Change {
    let whole = query.answer(new, directory)
    switch (query.answer(old, directory), whole) {
    case (.json(let before), .json(let after)):
      guard let patch = MergePatch.difference(from: before, to: after) else { return Change(whole: whole) }
      if patch == .object([:]) { return Change() }
      let text = patch.text
      return Change(whole: whole, patch: text.utf8.count < whole.text.utf8.count ? text : nil)
    case (let before, _):
      return before.text == whole.text ? Change() : Change(whole: whole)
    }
  }

  private mutating func send(
    _ content: Content, of substream: UpdateStreams.Substream, to index: Int, at now: Instant
  ) {
    let type = content.mediaType(substream.resource.mediaType)
    streams.send(index, EventText.event("\(type),\(substream.name)", content.text), at: now)
  }

  // MARK: Requests

  mutating func open(
    _ fields: Fields, _ client: IPAddress?, at now: Instant, random: inout some RandomNumberGenerator
  ) throws(Failure) -> ALTOAnswer {
    guard let add = try fields.fields("add"), !add.object.isEmpty else { throw .missing("add") }
    let added = try substreams(add, client)
    guard streams.list.count < limits.streams else {
      return .response(unavailable("as many streams are open as may be"))
    }
    guard added.count <= limits.substreams else { return .response(unavailable(ALTOServer.tooMany)) }
    guard canAnswer(added) else { return .response(unavailable(ALTOServer.tooMuch)) }
    let secret = digitsOfChance(&random)
    let index = streams.open(client, secret: secret, at: now)
    var first: JSONObject = ["control-uri": .string(directory.uri("/updates/" + secret))]
    first.append("started", .array(added.map { .string($0.name) }))
    streams.tell(index, first, at: now)
    begin(added, of: index, at: now)
    counters.streamsOpened += 1
    return .stream(streams.list[index].id)
  }

  private static let tooMany = "a stream has so many substreams in its life, and no more"
  private static let tooMuch = "as many different questions are followed as may be"

  private func canAnswer(_ added: [UpdateStreams.Substream]) -> Bool {
    var questions = Set(added.map(\.question))
    for stream in streams.list { questions.formUnion(stream.substreams.map(\.question)) }
    return questions.count <= limits.questions
  }

  /// 32 hexadecimal digits.
  private func digitsOfChance(_ random: inout some RandomNumberGenerator) -> String {
    let words: [UInt64] = [random.next(), random.next()]
    return words.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  mutating func control(_ secret: String, _ request: ALTORequest, at now: Instant) -> ALTOResponse {
    guard let index = streams.list.firstIndex(where: { isSame($0.secret, secret) }) else { return notFound() }
    if let early = refusal(of: request, mediaType: nil, accepts: MediaType.updateParameters) { return early }
    do throws(Failure) {
      return try change(index, Fields(read(request.body)), at: now)
    } catch {
      return refused(error)
    }
  }

  /// Takes as long for a wrong secret as for the right one.
  private func isSame(_ one: String, _ other: String) -> Bool {
    guard one.utf8.count == other.utf8.count else { return false }
    return zip(one.utf8, other.utf8).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private mutating func change(_ index: Int, _ fields: Fields, at now: Instant) throws(Failure) -> ALTOResponse {
    let stream = streams.list[index]
    let add = try fields.fields("add")
    let remove = try fields.strings("remove")
    let addsSome = add.map { !$0.object.isEmpty } ?? false
    guard addsSome || remove != nil else { throw .missing("add") }
    var added: [UpdateStreams.Substream] = []
    if let add, addsSome { added = try substreams(add, stream.client) }
    let again = added.map(\.name).filter { stream.names.contains($0) }
    if !again.isEmpty { throw .wrongValue("add", .array(again.map { .string($0) })) }
    var removed: [String] = []
    if let remove {
      if remove.isEmpty && addsSome { throw .wrongValue("remove", .array([])) }
      let strange = remove.filter { !stream.names.contains($0) }
      if !strange.isEmpty { throw .wrongValue("remove", .array(strange.map { .string($0) })) }
      removed = stream.substreams.map(\.name).filter { remove.isEmpty || remove.contains($0) }
    }
    guard stream.names.count + added.count <= limits.substreams else { return unavailable(ALTOServer.tooMany) }
    guard canAnswer(added) else { return unavailable(ALTOServer.tooMuch) }

    if !added.isEmpty {
      streams.tell(index, ["started": .array(added.map { .string($0.name) })], at: now)
      begin(added, of: index, at: now)
    }
    streams.list[index].substreams.removeAll { removed.contains($0.name) }
    let isOver = streams.list[index].substreams.isEmpty
    if !removed.isEmpty {
      streams.tell(
        index, ["stopped": .array(removed.map { .string($0) }), "description": .string("as the client asked")],
        isLast: isOver, at: now)
    }
    if isOver { streams.list.remove(at: index) }
    counters.streamsChanged += 1
    return ALTOResponse(status: 204, mediaType: nil, body: "")
  }

  /// What the client wants to follow. Its own questions are read as their resources would, with their errors.
  private func substreams(_ add: Fields, _ client: IPAddress?) throws(Failure) -> [UpdateStreams.Substream] {
    var substreams: [UpdateStreams.Substream] = []
    let strange = add.object.members.map(\.name).filter { !Name.isValid($0) }
    if !strange.isEmpty { throw .wrongValue("add", .array(strange.map { .string($0) })) }
    for member in add.object.members {
      let fields = try add.requiredFields(member.name)
      let id = try fields.requiredString("resource-id")
      guard let resource = directory.followed.first(where: { $0.id == id }) else {
        throw .wrongValue(fields.full("resource-id"), id)
      }
      let tag = try fields.string("tag")
      let takesPatches = try fields.bool("incremental-changes") ?? true
      var input = JSONValue.null
      var asker: IPAddress?
      if resource.accepts != nil {
        input = .object(try fields.requiredFields("input").object)
        // A side that is not named is the client.
        asker = client
      }
      substreams.append(
        UpdateStreams.Substream(
          name: member.name, resource: resource,
          query: try Query(resource.kind, input, of: directory, client: client),
          question: "\(id) \(asker?.description ?? "-") \(input.text)", takesPatches: takesPatches,
          tag: resource.kind == .networkMap ? tag : nil))
    }
    return substreams
  }

  /// Sends what the new substreams begin with, and keeps them in the order in which updates go out.
  private mutating func begin(_ added: [UpdateStreams.Substream], of index: Int, at now: Instant) {
    streams.list[index].names += added.map(\.name)
    let ordered = added.filter { $0.rank == 0 } + added.filter { $0.rank != 0 }
    for substream in ordered where substream.tag != map.tag {
      send(substream.query.answer(map, directory), of: substream, to: index, at: now)
    }
    let all = streams.list[index].substreams + added
    streams.list[index].substreams = all.filter { $0.rank == 0 } + all.filter { $0.rank != 0 }
  }
}
