import Consulting
import Testing

@Suite struct `An address of the web` {
  @Test(
    arguments: [
      ("http://127.0.0.1:8460", "http://127.0.0.1:8460/"),
      ("HTTPS://Oracle.Example.COM/alto", "https://oracle.example.com/alto"),
      ("http://[::1]:8460/a/../b/./c?x=/../y#z", "http://[::1]:8460/b/c?x=/../y"), ("http://a?q", "http://a/?q"),
      ("http://a/..", "http://a/"), ("http://a/b/..", "http://a/"), ("http://a/b/.", "http://a/b/"),
    ])
  func `is read as a browser would`(text: String, address: String) {
    #expect(ResourceAddress(text)?.description == address)
  }

  @Test(arguments: [
    "", "http://", "http:///x", "ftp://a/", "file:///etc/passwd", "127.0.0.1:8460", "http://user:secret@a/",
    "http://a/ b",
    "http://a/\r\nX: y", "http://a/é", "http://a\u{0}/", "http://a/" + String(repeating: "x", count: 2_048),
  ])
  func `is refused when it is none for us`(text: String) {
    #expect(ResourceAddress(text) == nil)
  }

  @Test(
    arguments: [
      ("networkmap", "https://a:1/alto/networkmap"), ("/x/y", "https://a:1/x/y"), ("../z", "https://a:1/z"),
      ("../../../z", "https://a:1/z"), ("//b/c", "https://b/c"), ("http://c/d", "http://c/d"),
      ("?k=2", "https://a:1/alto/?k=2"),
      ("", "https://a:1/alto/?q"), ("./", "https://a:1/alto/"), ("a#b", "https://a:1/alto/a"),
    ])
  func `leads to where a document's references point`(reference: String, address: String) throws {
    let base = try #require(ResourceAddress("https://a:1/alto/?q"))
    #expect(base.resolving(reference)?.description == address)
  }

  @Test(arguments: ["ftp://a/", "http://u@b/", "a b", "\n", "//u@b/"])
  func `leads nowhere when a reference is none for us`(reference: String) throws {
    let base = try #require(ResourceAddress("https://a:1/alto/"))
    #expect(base.resolving(reference) == nil)
  }

  @Test func `is extended whether it ends with a slash or not`() throws {
    #expect(ResourceAddress("http://a")?.appending("v1/query").description == "http://a/v1/query")
    #expect(ResourceAddress("http://a/x/")?.appending("v1/query").description == "http://a/x/v1/query")
  }

  @Test func `belongs to the origin that it names`() throws {
    let base = try #require(ResourceAddress("https://a:1/alto/"))
    #expect(try base.isSameOrigin(as: #require(base.resolving("/x"))))
    #expect(try !base.isSameOrigin(as: #require(base.resolving("http://a:1/alto/"))))
    #expect(try !base.isSameOrigin(as: #require(base.resolving("//b/"))))
  }
}
