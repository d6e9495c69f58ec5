//  FetchTests.swift — asking a server of our own, over loopback.

import Fetch
import Glibc
import HTTP
import Primitives
import Testing

@Suite struct `Asking a web server` {
  @Test func `brings status, type, headers and body, and sends ours`() throws {
    let server = try WebServer { request in
      var answer = HTTPResponse(
        status: request.method == "POST" ? 201 : 200, type: "Application/JSON; charset=utf-8",
        body: "\(request.path) \(request.authorization ?? "-") \(request.type ?? "-") "
          + String(decoding: request.body, as: UTF8.self))
      answer.headers = [("X-One", " two "), ("Retry-After", "3")]
      return answer
    }
    let fetcher = try Fetcher()
    let read = try fetcher.fetch(FetchRequest(get: server.address + "/a/b?c=d"))
    #expect(read.status == 200 && read.isGood && read.type == "application/json" && read.text == "/a/b - - ")
    #expect(read.header("x-one") == "two" && read.header("retry-after") == "3" && read.header("x") == nil)

    var posting = FetchRequest(post: #"{"k":3}"#, as: "application/json", to: server.address + "/v1/query")
    posting.authorize("secret")
    let posted = try fetcher.fetch(posting)
    #expect(posted.status == 201)
    #expect(posted.text == #"/v1/query Bearer secret application/json {"k":3}"#)
    // What one request was given the next one does not show.
    #expect(try fetcher.fetch(FetchRequest(get: server.address + "/x")).text == "/x - - ")
    let empty = try fetcher.fetch(FetchRequest(post: "", as: "text/plain", to: server.address + "/e"))
    #expect(empty.text == "/e - text/plain ")
  }

  @Test func `answers that say no are answers, and nobody is followed elsewhere`() throws {
    let server = try WebServer { request in
      guard request.path == "/away" else { return HTTPResponse(status: 404, type: "text/plain", body: "no") }
      var answer = HTTPResponse(status: 302, type: "text/plain", body: "")
      answer.headers = [("Location", "/here")]
      return answer
    }
    let fetcher = try Fetcher()
    let missing = try fetcher.fetch(FetchRequest(get: server.address + "/here"))
    #expect(missing.status == 404 && !missing.isGood && missing.text == "no")
    #expect(try fetcher.fetch(FetchRequest(get: server.address + "/away")).status == 302)
  }
}
