//  OracleClient.swift — carries requests to the server that the user named, and brings back what it says.
//
//  The token goes to that server and to no other: a directory of ALTO may lead anywhere.

import Commands
import Fetch
import Consulting
import Primitives

struct OracleClient {
  private let fetcher: Fetcher
  private let home: ResourceAddress
  private let token: String?

  /// The answer of a large map over a slow line; who waits longer at a terminal has given up.
  private static let patience = Interval.seconds(30)
  /// Of one answer or one event; a cost map of six hundred places has as much.
  private static let most = 16 << 20
  private static let longestToken = 1_024

  init(_ invocation: Invocation, to home: ResourceAddress) throws(Refused) {
    self.home = home
    token = try OracleClient.token(invocation[OracleOptions.tokenFile])
    do throws(FetchFailure) {
      fetcher = try Fetcher(trusting: invocation[OracleOptions.trust])
    } catch {
      throw .system("\(error)")
    }
  }

  private static func token(_ file: String?) throws(Refused) -> String? {
    guard let file else { return nil }
    var bytes = try TextFile.read(file, atMost: longestToken, hint: "a token is one line")[...]
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    guard !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw .usage("\(file): a token is one line of letters, digits and signs, without blanks")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  func ask(_ request: WebRequest) throws(Refused) -> WebReply {
    do throws(FetchFailure) {
      return OracleClient.reply(try fetcher.fetch(outgoing(request)))
    } catch {
      throw .system("\(error)")
    }
  }

  /// Tells each event as it comes, until the stream ends or `each` says false; nil: it was a stream.
  func listen(_ request: WebRequest, _ each: (ServerSentEvent) -> Bool) throws(FetchFailure) -> WebReply? {
    let answer = try fetcher.listen(outgoing(request), each: each)
    return answer.isEventStream ? nil : OracleClient.reply(answer)
  }

  private func outgoing(_ request: WebRequest) -> FetchRequest {
    var outgoing =
      request.body.map { FetchRequest(post: $0.text, as: $0.type, to: request.address.description) }
      ?? FetchRequest(get: request.address.description)
    outgoing.headers.append(.init("Accept", request.accept))
    if let token, request.address.isSameOrigin(as: home) { outgoing.authorize(token) }
    outgoing.limits.total = OracleClient.patience
    outgoing.limits.most = OracleClient.most
    return outgoing
  }

  private static func reply(_ answer: FetchAnswer) -> WebReply {
    WebReply(status: answer.status, type: answer.type, body: answer.body)
  }
}

extension Refused {
  init(_ failure: ConsultingFailure) { self = .system(failure.description) }
}
