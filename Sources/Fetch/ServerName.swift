//  ServerName.swift — whom an address names, for sentences, and whether it is an address of ours at all.

import CCurl

struct ServerName: CustomStringConvertible {
  /// "oracle.example", or "127.0.0.1:8460": with its port when the address says one.
  let description: String
  let host: String

  init(_ url: String) throws(FetchFailure) {
    let refusal = FetchFailure(.malformed, "\"\(ServerName.shown(url))\" is no address of a web server: https://host/…")
    guard !url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }), let parts = curl_url() else { throw refusal }
    defer { curl_url_cleanup(parts) }
    guard curl_url_set(parts, CURLUPART_URL, url, UInt32(CURLU_DISALLOW_USER)) == CURLUE_OK else { throw refusal }
    func part(_ part: CURLUPart) -> String? {
      var text: UnsafeMutablePointer<CChar>?
      guard curl_url_get(parts, part, &text, 0) == CURLUE_OK, let text else { return nil }
      defer { curl_free(text) }
      return String(cString: text)
    }
    guard let scheme = part(CURLUPART_SCHEME), ["http", "https"].contains(scheme), let host = part(CURLUPART_HOST)
    else { throw refusal }
    self.host = host
    description = part(CURLUPART_PORT).map { "\(host):\($0)" } ?? host
  }

  /// Not all of a novel, and nothing that moves a terminal's cursor.
  private static func shown(_ url: String) -> String {
    String(url.unicodeScalars.prefix(100).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
  }
}

/// A request's headers as libcurl's list.
struct HeaderList: ~Copyable {
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ request: FetchRequest) throws(FetchFailure) {
    // libcurl would wait a second for leave to send a long body, which our servers do not give.
    var lines = ["Expect:"]
    for header in request.headers {
      let isName = !header.name.isEmpty && header.name.utf8.allSatisfy(HeaderList.isTokenByte)
      let isValue = header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
      // The value may be a secret: it is not shown.
      if !isName || !isValue {
        throw FetchFailure(.malformed, "a header has characters that a header cannot have")
      }
      lines.append(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
    }
    list = nil
    for line in lines {
      guard let longer = curl_slist_append(list, line) else {
        curl_slist_free_all(list)
        throw FetchFailure(.unreachable, "out of memory")
      }
      list = longer
    }
  }

  deinit { curl_slist_free_all(list) }

  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
