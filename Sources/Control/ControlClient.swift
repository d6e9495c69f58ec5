//  ControlClient.swift — asks a running gateway, as `hawser status` does.
//
//  A request of one line and an answer that ends with the connection: HTTP/1.0, for which no parser is needed beyond
//  the first lines of the answer. Bounded in bytes and in time, since whatever listens there might be anything.

import Glibc
public import Status

public struct ControlAnswer: Equatable, Sendable {
  public var status: Int
  /// What the gateway thinks of itself; nil when the answer is a refusal.
  public var verdict: StatusSnapshot.Verdict?
  public var body: String
}

public enum ControlClient {
  static let verdictHeader = "Hawser-Verdict"
  /// A hub's answer with all its peers is a few megabytes.
  private static let mostBytes = 64 << 20
  /// More than the gateway takes to give up.
  private static let patienceSeconds = 5
  /// Two name servers, asked twice each.
  private static let slowPatienceSeconds = 60

  /// GET of a page: `/v1/status`, with its query's names and values; as JSON, or as tables.
  public static func get(
    _ page: String, _ query: [(name: String, value: String)] = [], at path: String, asText: Bool
  ) throws(ControlFailure) -> ControlAnswer {
    try ask("GET", address(page, query), at: path, asText: asText, patienceSeconds)
  }

  /// POST of a wish, `/v1/reload`, without a body. It may take as long as a name server needs to be given up.
  public static func post(_ page: String, at path: String, asText: Bool) throws(ControlFailure) -> ControlAnswer {
    try ask("POST", page, at: path, asText: asText, slowPatienceSeconds)
  }

  /// PATCH of a page with JSON.
  public static func patch(
    _ page: String, _ json: String, at path: String, asText: Bool
  ) throws(ControlFailure) -> ControlAnswer {
    try ask("PATCH", page, json: json, at: path, asText: asText, slowPatienceSeconds)
  }

  /// DELETE of a page, or of what its query chooses.
  public static func delete(
    _ page: String, _ query: [(name: String, value: String)] = [], at path: String, asText: Bool
  ) throws(ControlFailure) -> ControlAnswer {
    try ask("DELETE", address(page, query), at: path, asText: asText, slowPatienceSeconds)
  }

  private static func address(_ page: String, _ query: [(name: String, value: String)]) -> String {
    let members = query.map { "\($0.name)=\(Query.encoded($0.value))" }.joined(separator: "&")
    return members.isEmpty ? page : "\(page)?\(members)"
  }

  private static func ask(
    _ method: String, _ page: String, json: String? = nil, at path: String, asText: Bool, _ patienceSeconds: Int
  ) throws(ControlFailure) -> ControlAnswer {
    let descriptor = try ControlSocket.connect(to: path)
    defer { close(descriptor) }
    var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let accept = asText ? "text/plain" : "application/json"
    let kind = json.map { "Content-Type: application/json\r\nContent-Length: \($0.utf8.count)\r\n" } ?? ""
    let request =
      "\(method) \(page) HTTP/1.0\r\nHost: hawser\r\nAccept: \(accept)\r\n\(kind)\r\n" + (json ?? "")
    guard send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL)) == request.utf8.count else {
      throw .failed("ask the gateway at", path: path, errno: errno)
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count < mostBytes {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw .failed("hear the gateway at", path: path, errno: errno == EAGAIN ? ETIMEDOUT : errno) }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    guard let answer = parse(bytes) else { throw .strange(path: path) }
    return answer
  }

  /// The socket of the gateway that runs here, when it is one. What killed gateways left behind does not count.
  public static func onlySocket(in directory: String) throws(ControlFailure) -> String {
    let paths = sockets(in: directory)
    if paths.count == 1 { return paths[0] }
    let alive = paths.filter { isAnswered($0) }
    if alive.count == 1 { return alive[0] }
    if alive.isEmpty { throw .none(directory: directory) }
    throw .several(alive)
  }

  private static func isAnswered(_ path: String) -> Bool {
    do throws(ControlFailure) {
      close(try ControlSocket.connect(to: path))
      return true
    } catch {
      // One that we may not speak to is one that is there.
      if case .nobody = error { return false }
      return true
    }
  }

  /// Of all gateways of this machine, those that are gone included.
  public static func sockets(in directory: String) -> [String] {
    guard let listing = opendir(directory) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".sock") { names.append(name) }
    }
    return names.sorted().map { directory + "/" + $0 }
  }

  static func parse(_ bytes: [UInt8]) -> ControlAnswer? {
    let blank = Array("\r\n\r\n".utf8)
    guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0...].starts(with: blank) }) else { return nil }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
    let body = String(decoding: bytes[(end + blank.count)...], as: UTF8.self)
    var answer = ControlAnswer(status: status, verdict: nil, body: body)
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == verdictHeader.lowercased() else { continue }
      answer.verdict = StatusSnapshot.Verdict(rawValue: String(parts[1].drop { $0 == " " }))
    }
    return answer
  }
}
