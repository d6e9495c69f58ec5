import Glibc
import Primitives
import Testing

@Suite struct `Addresses as text` {
  @Test(arguments: [
    "::", "::1", "1::", "1::8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1",
    "64:ff9b::192.0.2.33", "0.0.0.0", "255.255.255.255", "1.2.3.4",
  ])
  func `are read as the C library reads them`(text: String) {
    #expect(IPAddress(text)?.bytes == bytesByLibrary(text), "\(text)")
    #expect(IPAddress(text) != nil)
  }

  @Test(arguments: [
    "", ":", ":::", "1:::2", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "g::",
    ":1::2",
    "1::2:", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.", " 1.2.3.4", "::1.2.3", "1.2.3.4::", "::%lo",
  ])
  func `are refused as the C library refuses them`(text: String) {
    #expect(bytesByLibrary(text) == nil)
    #expect(IPAddress(text) == nil)
  }

  @Test(arguments: 0..<200) func `in random, nearly right notations are read as the C library reads them`(seed: UInt64)
  {
    var random = SeededRandom(seed: seed)
    let alphabet = Array("::::..0123af9".utf8)
    for _ in 0..<200 {
      let length = Int.random(in: 1...24, using: &random)
      let text = String(
        decoding: (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }, as: UTF8.self)
      #expect(IPAddress(text)?.bytes == bytesByLibrary(text), "\(text), seed \(seed)")
    }
  }
}

private func bytesByLibrary(_ text: String) -> [UInt8]? {
  var bytes = [UInt8](repeating: 0, count: 16)
  if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
  return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
}
