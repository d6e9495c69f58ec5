//  HTTPServer.swift — answers HTTP/1.1 requests on a socket that somebody else has opened, on a thread of its own.
//
//  Why.  What a program tells others must not cost what it does: the data path never waits for a reader. libmicrohttpd
//  brings the thread, the parser that the world has already attacked, and limits for everything.
//
//  How.  One thread polls the socket and its connections, and calls the handler there, one request at a time. The
//  library calls back first with the headers alone, then with pieces of the body, and in the end once more:
//
//      headers ─▶ a body is announced, and none is read here, or it is too long ─▶ answer; the connection closes
//              └▶ pieces ─▶ kept, up to `mostBody`; beyond it they are thrown away ─▶ end ─▶ answer
//
//  An answer is text, or a stream (HTTPStream) that goes on for as long as somebody listens. With an HTTPIdentity all
//  of it goes over TLS.
//
//  Always true.  (1) At most `connections` connections with `connectionMemory` and `mostBody` bytes each; whoever says
//  nothing for `patience` is cut off. (2) The handler is called by one thread, or by two where some requests are slow.
//  (3) After `stop` the handler is called no more, and every stream has ended.

import CMicrohttpd
import Glibc
public import Primitives
import POSIX

public struct HTTPRequest: Sendable {
  public let method: String
  /// Without the query.
  public let path: String
  /// What stands behind the question mark, as it is; nil: there is none.
  public let query: String?
  /// What the client wants to read, as it says; nil: anything.
  public let accept: String?
  /// A body was announced. One that is not read ends the connection with the answer.
  public let hasBody: Bool
  /// What the client says that its body is, as it says it.
  public let type: String?
  /// Empty when bodies are not read here, or this one is too long.
  public let body: [UInt8]
  public let isTooLong: Bool
  /// nil over a Unix socket.
  public let client: IPAddress?
  /// `Authorization`, as it is.
  public let authorization: String?
  /// `Last-Event-ID`, as it is: what who listens to a stream has seen.
  public let lastEventID: String?
}

public struct HTTPResponse: Sendable {
  public var status: Int
  public var type: String
  public var body: String
  /// Beyond those that every answer has.
  public var headers: [(name: String, value: String)] = []
  /// Goes on behind `body`.
  public var stream: HTTPStream?

  public init(status: Int, type: String, body: String) {
    self.status = status
    self.type = type
    self.body = body
  }
}

public struct HTTPLimits: Sendable {
  /// More wait in the socket's queue until one of these ends. A monitoring system and a few people use two or three.
  public var connections: UInt32 = 16
  /// For the headers of a request; what is longer is refused with 431. Our own client sends a hundred bytes.
  public var connectionMemory = 8 << 10
  /// In seconds. Long enough for a person with a keyboard, short enough that sixteen silent clients do not lock others
  /// out for long.
  public var patience: UInt32 = 10

  /// Of a request; 0: none is read.
  public var mostBody = 0

  public init() {}
}

public struct HTTPServer: ~Copyable {
  public typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse
  /// Whether to answer a request takes so long that others should not wait for it.
  public typealias Slowness = @Sendable (HTTPRequest) -> Bool

  private struct Streams {
    var open: [HTTPStream] = []
    var isEnding = false
  }

  /// Used by the server's thread, and by whoever ends it.
  private final class Context {
    let handler: Handler
    let mostBody: Int
    /// The library reads it as long as it serves.
    private let identity: LoadedIdentity?
    private let streams = Locked(Streams())
    let isSlow: Slowness?
    let lane: SlowLane?

    /// nil when the system refuses a thread.
    init?(_ handler: @escaping Handler, mostBody: Int, isSlow: Slowness?, _ identity: LoadedIdentity?) {
      self.handler = handler
      self.mostBody = mostBody
      self.isSlow = isSlow
      self.identity = identity
      guard isSlow != nil else {
        lane = nil
        return
      }
      let made = SlowLane { job, isAsked in
        let ended = HTTPResponse(status: 503, type: "text/plain", body: "this server ends\n")
        HTTPServer.finish(job, isAsked ? handler(job.request) : ended)
      }
      guard let made else { return nil }
      lane = made
    }

    func add(_ stream: HTTPStream) {
      streams.withLock { streams in
        streams.open.removeAll { !$0.isOpen }
        streams.open.append(stream)
        // What is begun during the end ends with its first text.
        if streams.isEnding { stream.end() }
      }
    }

    /// The library cannot stop while a connection is suspended.
    func endStreams() {
      streams.withLock { streams in
        streams.isEnding = true
        for stream in streams.open { stream.end() }
      }
    }
  }

  /// From a request's headers to the end of its answer.
  private final class Conversation {
    let query: String?
    var hasBegun = false
    var body: [UInt8] = []
    var isTooLong = false
    var stream: HTTPStream?
    /// The slow lane's.
    var response: HTTPResponse?

    /// From the address as it came, before the library takes it apart.
    init(address: String) {
      query = address.firstIndex(of: "?").map { String(address[address.index(after: $0)...]) }
    }
  }

  private let daemon: OpaquePointer
  private let context: Unmanaged<Context>
  /// A socket that it does not read any more, and does not close either.
  private var unread: Int32 = -1

  private init(daemon: OpaquePointer, context: Unmanaged<Context>) {
    self.daemon = daemon
    self.context = context
  }

  /// Nobody is let in any more; who is there is served.
  public mutating func stopListening() {
    if unread < 0 { unread = MHD_quiesce_daemon(daemon) }
  }

  /// Takes over a listening socket, which does not block, also when it fails. nil when the system refuses a thread or a
  /// descriptor. Slow requests are answered on a thread of their own: then two threads call the handler.
  public static func start(
    listening descriptor: Int32, limits: HTTPLimits = HTTPLimits(), isSlow: Slowness? = nil, handler: @escaping Handler
  ) -> HTTPServer? {
    start(
      listening: descriptor, limits: limits, flags: 0, options: [], identity: nil, isSlow: isSlow, handler: handler)
  }

  /// The same over TLS.
  public static func start(
    listening descriptor: Int32, limits: HTTPLimits = HTTPLimits(), identity: HTTPIdentity, isSlow: Slowness? = nil,
    handler: @escaping Handler
  ) throws(HTTPFailure) -> HTTPServer {
    let loaded: LoadedIdentity
    do throws(HTTPFailure) {
      loaded = try LoadedIdentity(identity)
    } catch {
      close(descriptor)
      throw error
    }
    let server = start(
      listening: descriptor, limits: limits, flags: MHD_USE_TLS.rawValue | MHD_USE_ERROR_LOG.rawValue,
      options: [
        MHD_OPTION.EXTERNAL_LOGGER.rawValue, unsafeBitCast(LoadedIdentity.log, to: OpaquePointer.self),
        OpaquePointer(Unmanaged.passUnretained(loaded).toOpaque()),
        MHD_OPTION.HTTPS_MEM_CERT.rawValue, loaded.certificate, MHD_OPTION.HTTPS_MEM_KEY.rawValue, loaded.key,
        MHD_OPTION.HTTPS_PRIORITIES.rawValue, OpaquePointer(LoadedIdentity.priorities.utf8Start),
      ],
      identity: loaded, isSlow: isSlow, handler: handler)
    guard let server else {
      throw HTTPFailure(
        "certificate and key are not accepted: \(loaded.complaint ?? "no thread or no descriptor is left")"
      )
    }
    return server
  }

  private static func start(
    listening descriptor: Int32, limits: HTTPLimits, flags: UInt32, options: [any CVarArg], identity: LoadedIdentity?,
    isSlow: Slowness?, handler: @escaping Handler
  ) -> HTTPServer? {
    guard let made = Context(handler, mostBody: limits.mostBody, isSlow: isSlow, identity) else {
      close(descriptor)
      return nil
    }
    let context = Unmanaged.passRetained(made)
    let flags =
      flags | MHD_USE_AUTO.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
    // A logger comes first, so that nothing is said before it.
    let options: [any CVarArg] =
      options + [
        MHD_OPTION.LISTEN_SOCKET.rawValue, descriptor,
        MHD_OPTION.CONNECTION_LIMIT.rawValue, limits.connections,
        MHD_OPTION.CONNECTION_MEMORY_LIMIT.rawValue, limits.connectionMemory,
        MHD_OPTION.CONNECTION_TIMEOUT.rawValue, limits.patience,
        MHD_OPTION.URI_LOG_CALLBACK.rawValue, unsafeBitCast(begin, to: OpaquePointer.self), Int(0),
        MHD_OPTION.NOTIFY_COMPLETED.rawValue, unsafeBitCast(completed, to: OpaquePointer.self), Int(0),
        MHD_OPTION.END.rawValue,
      ]
    let daemon = withVaList(options) { list in
      MHD_start_daemon_va(flags, 0, nil, nil, answer, context.toOpaque(), list)
    }
    // It has closed the socket then.
    guard let daemon else {
      made.lane?.end()
      context.release()
      return nil
    }
    return HTTPServer(daemon: daemon, context: context)
  }

  deinit {
    context.takeUnretainedValue().lane?.end()
    context.takeUnretainedValue().endStreams()
    // Waits until the thread has ended, so nobody uses the context any more.
    MHD_stop_daemon(daemon)
    if unread >= 0 { close(unread) }
    context.release()
  }

  private static let begin:
    @convention(c) (
      UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
    ) -> UnsafeMutableRawPointer? = { _, address, _ in
      let address = address.map { String(cString: $0) } ?? ""
      return Unmanaged.passRetained(Conversation(address: address)).toOpaque()
    }

  /// What the library calls, first with the headers, then with what there is of a body, and with the request's end.
  private static let answer: MHD_AccessHandlerCallback = {
    context, connection, url, method, _, piece, length, mark in
    guard let context, let connection, let url, let method, let mark, let length else { return .NO }
    let server = Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
    func header(_ name: String) -> String? {
      MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
    }
    let announced = header("Content-Length")
    let hasBody = announced.map { $0 != "0" } ?? (header("Transfer-Encoding") != nil)
    guard let place = mark.pointee else { return .NO }
    let conversation = Unmanaged<Conversation>.fromOpaque(place).takeUnretainedValue()
    if let response = conversation.response {
      conversation.response = nil
      return send(response, on: connection, conversation, server)
    }
    if !conversation.hasBegun {
      conversation.hasBegun = true
      conversation.isTooLong = hasBody && (announced.flatMap { Int($0) } ?? 0) > server.mostBody
      // What is not read is answered now.
      if !hasBody || server.mostBody > 0 && !conversation.isTooLong { return .YES }
    } else if length.pointee > 0, let piece {
      if conversation.body.count + length.pointee > server.mostBody {
        conversation.isTooLong = true
        conversation.body = []
      } else if !conversation.isTooLong {
        conversation.body += UnsafeRawBufferPointer(start: piece, count: length.pointee)
      }
      length.pointee = 0
      return .YES
    }
    let request = HTTPRequest(
      method: String(cString: method), path: String(cString: url), query: conversation.query, accept: header("Accept"),
      hasBody: hasBody,
      type: header("Content-Type"), body: conversation.body, isTooLong: conversation.isTooLong,
      client: client(of: connection), authorization: header("Authorization"),
      lastEventID: header("Last-Event-ID"))
    // One whose body is not read is answered at once: the library would go on reading while it waits.
    if let lane = server.lane, !hasBody || server.mostBody > 0 && !conversation.isTooLong,
      server.isSlow?(request) == true
    {
      let job = SlowLane.Job(
        connection: UInt(bitPattern: connection), conversation: UInt(bitPattern: place), request: request)
      if lane.take(job) { return .YES }
    }
    return send(server.handler(request), on: connection, conversation, server)
  }

  /// The slow lane's thread.
  private static func finish(_ job: SlowLane.Job, _ response: HTTPResponse) {
    guard let connection = OpaquePointer(bitPattern: job.connection),
      let place = UnsafeRawPointer(bitPattern: job.conversation)
    else { return }
    Unmanaged<Conversation>.fromOpaque(place).takeUnretainedValue().response = response
    MHD_resume_connection(connection)
  }

  /// The answer has left, or never will.
  private static let completed: MHD_RequestCompletedCallback = { _, _, mark, _ in
    guard let mark, let place = mark.pointee else { return }
    mark.pointee = nil
    let conversation = Unmanaged<Conversation>.fromOpaque(place).takeRetainedValue()
    conversation.stream?.closed()
  }

  private static func client(of connection: OpaquePointer) -> IPAddress? {
    guard let information = hawser_client_address(connection) else { return nil }
    switch Int32(information.pointee.sa_family) {
    case AF_INET:
      return information.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        IPAddress(ipv4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
      }
    case AF_INET6:
      return information.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
        withUnsafeBytes(of: address.pointee.sin6_addr) { IPAddress(bytes: $0) }
      }
    default: return nil
    }
  }

  private static func send(
    _ response: HTTPResponse, on connection: OpaquePointer, _ conversation: Conversation, _ server: Context
  ) -> MHD_Result {
    guard
      let made = response.stream.map({ open($0, response, on: connection, conversation, server) }) ?? plain(response)
    else { return .NO }
    defer { MHD_destroy_response(made) }
    MHD_add_response_header(made, "Content-Type", response.type)
    MHD_add_response_header(made, "Cache-Control", "no-store")
    for header in response.headers { MHD_add_response_header(made, header.name, header.value) }
    return MHD_queue_response(connection, UInt32(response.status), made)
  }

  private static func plain(_ response: HTTPResponse) -> OpaquePointer? {
    var body = response.body
    return body.withUTF8 { bytes in
      MHD_create_response_from_buffer(
        bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
  }

  private static func open(
    _ stream: HTTPStream, _ response: HTTPResponse, on connection: OpaquePointer, _ conversation: Conversation,
    _ server: Context
  ) -> OpaquePointer? {
    server.add(stream)
    conversation.stream = stream
    stream.begin(on: connection)
    if !response.body.isEmpty { stream.send(response.body) }
    // It lives at least as long as its answer.
    let place = Unmanaged.passRetained(stream).toOpaque()
    return MHD_create_response_from_callback(
      UInt64.max, 65_536,
      { place, _, room, most in
        guard let place, let room else { return -1 }
        let stream = Unmanaged<HTTPStream>.fromOpaque(place).takeUnretainedValue()
        return stream.read(into: UnsafeMutableRawBufferPointer(start: room, count: most))
      }, place,
      { place in
        if let place { Unmanaged<HTTPStream>.fromOpaque(place).release() }
      })
  }
}
