//  Transfer.swift — one request on its way: what has come of its answer, and how it ended.
//
//  libcurl calls `takeHeader` for each line and `takeBody` for each piece, on the thread that waits for them. Taking
//  less than was given ends the transfer; `verdict` says why.

import CCurl
import Glibc
import Primitives

final class Transfer {
  enum End {
    /// What libcurl says, and the system's error behind it, if there is one.
    case library(CURLcode, Int)
    case late
    case silent
    case cancelled
  }

  private enum Verdict { case fine, tooLong, headersTooLong, stopped }

  /// A server of ours sends two hundred bytes of them.
  private static let mostHeaders = 64 << 10

  /// libcurl's own explanation goes here.
  let words = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
  private let most: Int
  private let each: ((ServerSentEvent) -> Bool)?
  private var answer = FetchAnswer(status: 0)
  private var events: EventParser
  private var headerBytes = 0
  private var verdict = Verdict.fine
  private var hasNew = false
  /// Its headers said that it is a stream of events.
  private(set) var isListening = false
  private(set) var lastByte = Instant.zero

  init(most: Int, each: ((ServerSentEvent) -> Bool)?) {
    (self.most, self.each) = (most, each)
    events = EventParser(most: most)
    words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit { words.deallocate() }

  /// Callbacks do not look at the clock; this is called after them.
  func note(_ now: Instant) {
    if hasNew { lastByte = now }
    hasNew = false
  }

  // MARK: What comes

  static let takeHeader: hawser_curl_taker = { bytes, size, count, place in
    guard let bytes, let place else { return 0 }
    let transfer = Unmanaged<Transfer>.fromOpaque(place).takeUnretainedValue()
    return transfer.header(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
  }

  static let takeBody: hawser_curl_taker = { bytes, size, count, place in
    guard let bytes, let place else { return 0 }
    let transfer = Unmanaged<Transfer>.fromOpaque(place).takeUnretainedValue()
    return transfer.body(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
  }

  private func header(_ bytes: UnsafeRawBufferPointer) -> Bool {
    hasNew = true
    headerBytes += bytes.count
    if headerBytes > Transfer.mostHeaders {
      verdict = .headersTooLong
      return false
    }
    let line = String(decoding: bytes, as: UTF8.self)
    let text = line.drop(while: \.isWhitespace).prefix { !$0.isNewline }
    if text.hasPrefix("HTTP/") {
      // The first line of an answer, or of the true one behind "100 Continue".
      let words = text.split(separator: " ")
      answer = FetchAnswer(status: words.count > 1 ? Int(words[1]) ?? 0 : 0)
      isListening = false
    } else if let colon = text.firstIndex(of: ":") {
      let name = text[..<colon].lowercased()
      let value = Transfer.trimmed(text[text.index(after: colon)...])
      answer.headers.append(FetchRequest.Header(name, value))
      if name == "content-type" {
        answer.type = Transfer.trimmed(value.prefix { $0 != ";" }).lowercased()
      }
    } else if text.isEmpty {
      isListening = each != nil && answer.isEventStream
    }
    return true
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    var rest = text.drop { $0 == " " || $0 == "\t" }[...]
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return String(rest)
  }

  private func body(_ bytes: UnsafeRawBufferPointer) -> Bool {
    hasNew = true
    if isListening, let each {
      switch events.receive(bytes, each) {
      case .fine: break
      case .stopped: verdict = .stopped
      case .tooLong: verdict = .tooLong
      }
    } else if answer.body.count + bytes.count > most {
      verdict = .tooLong
    } else {
      answer.body += bytes
    }
    return verdict == .fine
  }

  // MARK: How it ended

  func answer(
    _ end: End, from server: ServerName, _ limits: FetchLimits, _ authorities: String?
  ) throws(FetchFailure) -> FetchAnswer {
    switch verdict {
    case .fine: break
    case .stopped: return answer
    case .tooLong:
      let what = isListening ? "an event" : "the answer"
      throw FetchFailure(.tooLong, "\(what) of \(server) is longer than \(most) bytes")
    case .headersTooLong:
      throw FetchFailure(.tooLong, "the headers of \(server) are longer than \(Transfer.mostHeaders) bytes")
    }
    switch end {
    case .library(CURLE_OK, _): return answer
    case .library(let code, let error): throw failure(code, Int32(clamping: error), server, limits, authorities)
    case .late:
      let words = answer.status == 0 ? "did not answer" : "did not end its answer"
      throw FetchFailure(.timedOut, "\(server) \(words) within \(Transfer.text(limits.total))")
    case .silent: throw FetchFailure(.timedOut, "\(server) was silent for \(Transfer.text(limits.silence))")
    case .cancelled: throw FetchFailure(.cancelled, "the request to \(server) was cancelled")
    }
  }

  private static func text(_ interval: Interval) -> String {
    let milliseconds = interval.nanoseconds / 1_000_000
    return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
  }

  private func failure(
    _ code: CURLcode, _ error: Int32, _ server: ServerName, _ limits: FetchLimits, _ authorities: String?
  ) -> FetchFailure {
    let reason = explanation
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST: return FetchFailure(.unreachable, "there is no host \(server.host)")
    case CURLE_COULDNT_CONNECT:
      if error == ECONNREFUSED { return FetchFailure(.unreachable, "nobody listens at \(server)") }
      let words = error == 0 ? reason : String(cString: strerror(error))
      return FetchFailure(.unreachable, "cannot reach \(server): \(words)")
    case CURLE_OPERATION_TIMEDOUT:
      return FetchFailure(.timedOut, "cannot reach \(server) within \(Transfer.text(limits.connecting))")
    case CURLE_PEER_FAILED_VERIFICATION:
      return FetchFailure(.untrusted, "the certificate of \(server) is not trusted: \(reason)")
    case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE:
      return FetchFailure(.untrusted, "there are no certificates in \(authorities ?? "the system's list")")
    case CURLE_SSL_CONNECT_ERROR: return FetchFailure(.untrusted, "\(server) does not speak our TLS: \(reason)")
    case CURLE_GOT_NOTHING: return FetchFailure(.broken, "\(server) closed the connection without an answer")
    case CURLE_PARTIAL_FILE: return FetchFailure(.broken, "\(server) ended in the middle of its answer")
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY:
      return FetchFailure(.broken, "\(server) does not speak HTTP: \(reason)")
    case CURLE_URL_MALFORMAT: return FetchFailure(.malformed, "\(server) is no address of a web server")
    default: return FetchFailure(.broken, "the connection to \(server) broke: \(reason)")
    }
  }

  /// libcurl's sentence, without what would be said twice.
  private var explanation: String {
    let whole = String(cString: words)
    for prefix in ["SSL certificate problem: ", "SSL: "] where whole.hasPrefix(prefix) {
      return String(whole.dropFirst(prefix.count))
    }
    return whole.isEmpty ? "no reason given" : whole
  }
}
