//  HTTPServer.swift — answers HTTP/1.1 requests on a socket that somebody else has opened, on a thread of its own.
//
//  Why.  What a program tells others must not cost what it does: the data path never waits for a reader. libmicrohttpd
//  brings the thread, the parser that the world has already attacked, and limits for everything.
//
//  How.  One thread polls the socket and its connections, and calls the handler there, one request at a time. Bodies of
//  requests are never read: the library's callback is called first with the headers alone, and an answer to that closes
//  the connection. So a request that announces a body is answered at once, and one without is answered in the second
//  call and keeps its connection.
//
//  Always true.  (1) At most `connections` connections with `connectionMemory` bytes each; whoever says nothing for
//  `patience` is cut off. (2) The handler is called by one thread. (3) After `stop` the handler is called no more.

import CMicrohttpd

public struct HTTPRequest: Sendable {
  public let method: String
  /// Without the query.
  public let path: String
  /// What the client wants to read, as it says; nil: anything.
  public let accept: String?
  /// A body is announced. It is not read, so the connection ends with the answer.
  public let hasBody: Bool
}

public struct HTTPResponse: Sendable {
  public var status: Int
  public var type: String
  public var body: String
  /// Beyond those that every answer has.
  public var headers: [(name: String, value: String)] = []

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

  public init() {}
}

public struct HTTPServer: ~Copyable {
  public typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse

  private final class Context: Sendable {
    let handler: Handler
    init(_ handler: @escaping Handler) { self.handler = handler }
  }

  private let daemon: OpaquePointer
  private let context: Unmanaged<Context>

  private init(daemon: OpaquePointer, context: Unmanaged<Context>) {
    self.daemon = daemon
    self.context = context
  }

  /// Takes over a listening socket, which does not block. nil when the system refuses a thread or a descriptor.
  public static func start(
    listening descriptor: Int32, limits: HTTPLimits = HTTPLimits(), handler: @escaping Handler
  ) -> HTTPServer? {
    let context = Unmanaged.passRetained(Context(handler))
    let flags =
      MHD_USE_AUTO.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue | MHD_USE_ITC.rawValue
    let options: [any CVarArg] = [
      MHD_OPTION.LISTEN_SOCKET.rawValue, descriptor,
      MHD_OPTION.CONNECTION_LIMIT.rawValue, limits.connections,
      MHD_OPTION.CONNECTION_MEMORY_LIMIT.rawValue, limits.connectionMemory,
      MHD_OPTION.CONNECTION_TIMEOUT.rawValue, limits.patience,
      MHD_OPTION.END.rawValue,
    ]
    let daemon = withVaList(options) { list in
      MHD_start_daemon_va(flags, 0, nil, nil, answer, context.toOpaque(), list)
    }
    guard let daemon else {
      context.release()
      return nil
    }
    return HTTPServer(daemon: daemon, context: context)
  }

  deinit {
    // Waits until the thread has ended, so nobody uses the context any more.
    MHD_stop_daemon(daemon)
    context.release()
  }

  /// What the library calls, first with the headers and then with the request's end.
  private static let answer: MHD_AccessHandlerCallback = {
    context, connection, url, method, _, _, bodyLength, mark in
    guard let context, let connection, let url, let method, let mark, let bodyLength else { return .NO }
    func header(_ name: String) -> String? {
      MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
    }
    if bodyLength.pointee > 0 { return .NO }
    let isFirstCall = mark.pointee == nil
    mark.pointee = context
    let hasBody = header("Content-Length").map { $0 != "0" } ?? (header("Transfer-Encoding") != nil)
    if isFirstCall && !hasBody { return .YES }
    let request = HTTPRequest(
      method: String(cString: method), path: String(cString: url), accept: header("Accept"), hasBody: hasBody)
    let handler = Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().handler
    return send(handler(request), on: connection)
  }

  private static func send(_ response: HTTPResponse, on connection: OpaquePointer) -> MHD_Result {
    var body = response.body
    let made = body.withUTF8 { bytes in
      MHD_create_response_from_buffer(
        bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let made else { return .NO }
    defer { MHD_destroy_response(made) }
    MHD_add_response_header(made, "Content-Type", response.type)
    MHD_add_response_header(made, "Cache-Control", "no-store")
    for header in response.headers { MHD_add_response_header(made, header.name, header.value) }
    return MHD_queue_response(connection, UInt32(response.status), made)
  }
}
