//  Fetcher.swift — asks a web server, waits no longer and takes no more than it was told to, and says what went wrong.
//
//  Why.  An oracle is somebody else's machine: it may be gone, slow, or hostile. Whoever asks it must get on with his
//  work all the same, and his user must learn in one sentence what is the matter. libcurl brings HTTP and TLS, which
//  the world has attacked for decades; here are the bounds.
//
//  How.  One handle, whose connection stays open between requests, so that a request costs one round trip. It is driven
//  by its owner's thread, which waits for three things at once:
//
//      perform ──► wait ─┬─ the socket: go on
//         ▲              ├─ the cancellation's descriptor: end
//         └──────────────┴─ the time that is left: end
//
//  An answer is collected up to `most` bytes, or, when it is a stream of events, told event by event as it comes.
//
//  Rejected.  libcurl's easy calls: they look at a cancellation once a second. Following redirections: the token would
//  go where a stranger points. Proxies from the environment: the same. Compressed answers: `most` would bound the wrong
//  thing.
//
//  Always true.  (1) A call ends within `total`, a stream within `silence` after its last byte, and both at once when
//  they are cancelled. (2) No more than `most` bytes of a body, and 64 KiB of headers, are held. (3) A certificate is
//  always checked, and its name; a token never goes to another host. (4) Whatever a server sends ends in an answer or a
//  `FetchFailure`.
//
//  Not here.  Retries, and what answers mean. One thread uses a fetcher; others may hold its `cancellation`.

import CCurl
import Glibc
import POSIX
import Primitives

public final class Fetcher {
  private static let isReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  public let cancellation: FetchCancellation
  private let authorities: String?
  private let multi: UnsafeMutableRawPointer
  private let easy: UnsafeMutableRawPointer
  private var isBusy = false

  /// Certificates are checked against those of the system, or against those in this PEM file and no others.
  public init(
    trusting authorities: String? = nil, cancelledBy cancellation: FetchCancellation? = nil
  ) throws(FetchFailure) {
    if let cancellation { self.cancellation = cancellation } else { self.cancellation = try FetchCancellation() }
    self.authorities = authorities
    guard Fetcher.isReady, let multi = curl_multi_init() else { throw FetchFailure(.unreachable, "out of memory") }
    guard let easy = curl_easy_init() else {
      curl_multi_cleanup(multi)
      throw FetchFailure(.unreachable, "out of memory")
    }
    (self.multi, self.easy) = (multi, easy)
  }

  deinit {
    curl_multi_cleanup(multi)
    curl_easy_cleanup(easy)
  }

  /// The whole answer, whatever its status.
  public func fetch(_ request: FetchRequest) throws(FetchFailure) -> FetchAnswer {
    try perform(request, { _ in true }, isStream: false)
  }

  /// Tells each event of a stream as it comes, until the server ends it or `each` says false. An answer that is no
  /// stream of events comes back with its body, as from `fetch`. `each` may not use this fetcher.
  public func listen(
    _ request: FetchRequest, each: (ServerSentEvent) -> Bool
  ) throws(FetchFailure) -> FetchAnswer {
    try perform(request, each, isStream: true)
  }

  // MARK: One request

  private func perform(
    _ request: FetchRequest, _ each: (ServerSentEvent) -> Bool, isStream: Bool
  ) throws(FetchFailure) -> FetchAnswer {
    precondition(!isBusy, "a fetcher does one thing at a time")
    isBusy = true
    defer { isBusy = false }
    let server = try ServerName(request.url)
    let headers = try HeaderList(request)
    if cancellation.isCancelled { throw FetchFailure(.cancelled, "the request to \(server) was cancelled") }
    return try withoutActuallyEscaping(each) { each throws(FetchFailure) in
      let transfer = Transfer(most: request.limits.most, each: isStream ? each : nil)
      try prepare(request, headers, transfer)
      guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
        throw FetchFailure(.unreachable, "out of memory")
      }
      defer { curl_multi_remove_handle(multi, easy) }
      let end = drive(transfer, request.limits)
      return try transfer.answer(end, from: server, request.limits, authorities)
    }
  }

  private func prepare(_ request: FetchRequest, _ headers: borrowing HeaderList, _ transfer: Transfer)
    throws(FetchFailure)
  {
    curl_easy_reset(easy)
    let limits = request.limits
    let place = Unmanaged.passUnretained(transfer).toOpaque()
    var isSet = true
    func set(_ option: CURLoption, _ value: Int) {
      isSet = hawser_curl_set_long(easy, option, value) == CURLE_OK && isSet
    }
    func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
      isSet = hawser_curl_set_pointer(easy, option, value) == CURLE_OK && isSet
    }
    func set(_ option: CURLoption, text: String) { text.withCString { set(option, UnsafeRawPointer($0)) } }
    set(CURLOPT_URL, text: request.url)
    set(CURLOPT_PROTOCOLS_STR, text: "http,https")
    set(CURLOPT_PROXY, text: "")
    set(CURLOPT_USERAGENT, text: "hawser")
    set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
    set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
    if let authorities {
      set(CURLOPT_CAINFO, text: authorities)
      set(CURLOPT_CAPATH, nil)
    }
    set(CURLOPT_NOSIGNAL, 1)
    // A name server that does not answer holds nobody who has given up.
    set(CURLOPT_QUICK_EXIT, 1)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(limits.connecting.nanoseconds / 1_000_000)))
    set(CURLOPT_HTTPHEADER, headers.list.map { UnsafeRawPointer($0) })
    set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(transfer.words))
    set(CURLOPT_WRITEDATA, place)
    set(CURLOPT_HEADERDATA, place)
    isSet = hawser_curl_set_taker(easy, CURLOPT_WRITEFUNCTION, Transfer.takeBody) == CURLE_OK && isSet
    isSet = hawser_curl_set_taker(easy, CURLOPT_HEADERFUNCTION, Transfer.takeHeader) == CURLE_OK && isSet
    if request.method == .post {
      set(CURLOPT_POST, 1)
      set(CURLOPT_POSTFIELDSIZE, request.body.count)
      request.body.withUnsafeBytes { set(CURLOPT_COPYPOSTFIELDS, $0.baseAddress ?? UnsafeRawPointer(transfer.words)) }
    }
    if !isSet { throw FetchFailure(.unreachable, "libcurl is older than 7.87, or out of memory") }
  }

  /// Until it is over, in one way or another.
  private func drive(_ transfer: Transfer, _ limits: FetchLimits) -> Transfer.End {
    let last = MonotonicClock.now + limits.total
    while true {
      var running: Int32 = 0
      guard curl_multi_perform(multi, &running) == CURLM_OK else { return .library(CURLE_OUT_OF_MEMORY, 0) }
      if running == 0 { break }
      let now = MonotonicClock.now
      transfer.note(now)
      let deadline = transfer.isListening ? transfer.lastByte + limits.silence : last
      if now >= deadline { return transfer.isListening ? .silent : .late }
      let left = Int32(clamping: (deadline - now).nanoseconds / 1_000_000 + 1)
      var other = curl_waitfd(fd: cancellation.descriptor, events: Int16(CURL_WAIT_POLLIN), revents: 0)
      guard curl_multi_poll(multi, &other, 1, left, nil) == CURLM_OK else {
        return .library(CURLE_OUT_OF_MEMORY, 0)
      }
      if other.revents != 0 { return .cancelled }
    }
    return .library(hawser_curl_result(multi), hawser_curl_long(easy, CURLINFO_OS_ERRNO))
  }
}
