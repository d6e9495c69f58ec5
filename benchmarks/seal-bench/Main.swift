//  seal-bench — what does it cost to seal, open and mask a datagram, by each library that this machine has?
//
//  Prediction and method are in docs/benchmarks/sealing.md. One core, hot caches, the processor time of this thread;
//  each figure is the median of nine runs with the spread beside it. Apart from the library's own work it contains an
//  indirect call and the making of the nonce, as the engine has them.
//
//      seal-bench             all cases
//      seal-bench quick N     N datagrams by each library and nothing else: for valgrind, which counts allocations

import Crypto
import Glibc
import Sealing

/// One key and the memory that it works on.
final class Case {
  let cryptography: LibraryCryptography
  let key: SealingKey
  private let source = UnsafeMutableRawPointer.allocate(byteCount: 65_536, alignment: 64)
  private let sealed = UnsafeMutableRawPointer.allocate(byteCount: 65_536, alignment: 64)
  private let header = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

  init(_ cryptography: LibraryCryptography, _ suite: CipherSuite, _ secret: borrowing Secret) {
    self.cryptography = cryptography
    for place in [source, sealed] { place.initializeMemory(as: UInt8.self, repeating: 0x5a, count: 65_536) }
    header.initializeMemory(as: UInt8.self, repeating: 1, count: 64)
    key = cryptography.expand(suite, sealing: secret, masking: secret)
  }

  deinit {
    cryptography.destroy(key)
    for place in [source, sealed, header] { place.deallocate() }
  }

  func seal(_ length: Int, times: Int) {
    let key = key
    for counter in 0..<times { key.seal(key.context, 1, UInt64(counter), header, source, length, sealed) }
  }

  /// All of them the same datagram, so that all of them are real.
  func open(_ length: Int, times: Int) {
    let key = key
    key.seal(key.context, 1, 7, header, source, length, sealed)
    for _ in 0..<times {
      let isOpen = key.open(key.context, 1, 7, header, sealed, length, source)
      precondition(isOpen, "what was sealed opens")
    }
  }

  /// One datagram and its masks: the same by every library, or nothing here is worth measuring.
  func specimen() -> [UInt8] {
    seal(1_400, times: 1)
    let datagram = [UInt8](UnsafeRawBufferPointer(start: sealed, count: 1_416))
    mask(44, times: 1)
    return datagram + UnsafeRawBufferPointer(start: sealed, count: 704)
  }

  func mask(_ batch: Int, times: Int) {
    let key = key
    for _ in 0..<times { key.mask(key.context, source, batch, sealed) }
  }
}

@main struct SealBench {
  static func main() throws {
    let libraries = try LibraryCryptography.Library.allCases.map { try LibraryCryptography.make(preferring: $0) }
    let cryptography = libraries[0]
    var secret = Secret()
    secret.withMutableBytes { cryptography.random($0) }
    for suite in CipherSuite.allCases {
      let specimens = libraries.map { Case($0, suite, secret).specimen() }
      precondition(specimens.allSatisfy { $0 == specimens[0] }, "all libraries compute the same")
    }
    if CommandLine.arguments.count > 2, let times = Int(CommandLine.arguments[2]) {
      for one in libraries {
        for suite in CipherSuite.allCases {
          let bench = Case(one, suite, secret)
          bench.seal(1_400, times: times)
          bench.open(1_400, times: times)
          bench.mask(44, times: times)
        }
      }
      return
    }
    print(columns("nanoseconds for each", ["seal 64", "open 64", "seal 1400", "open 1400", "mask 1", "mask of 44"]))
    for suite in CipherSuite.allCases {
      for one in libraries {
        let bench = Case(one, suite, secret)
        var figures: [String] = []
        for length in [64, 1_400] {
          figures.append(measured(40_000) { bench.seal(length, times: $0) })
          figures.append(measured(40_000) { bench.open(length, times: $0) })
        }
        figures.append(measured(100_000) { bench.mask(1, times: $0) })
        figures.append(measured(10_000, of: 44) { bench.mask(44, times: $0) })
        print(columns("\(suite), \(one.implementation(of: suite))", figures))
      }
    }
    try handshake(cryptography)
  }

  /// What a stranger, or a handshake, makes us compute.
  static func handshake(_ cryptography: LibraryCryptography) throws {
    var bytes = [UInt8](repeating: 7, count: 148)
    var private0 = Secret()
    private0.withMutableBytes { cryptography.random($0) }
    let publicKey = cryptography.publicKey(of: private0)
    var code = [UInt8](repeating: 0, count: 32)
    bytes.withUnsafeMutableBytes { bytes in
      code.withUnsafeMutableBytes { code in
        let message = UnsafeRawBufferPointer(rebasing: bytes[..<116])
        let key = UnsafeRawBufferPointer(rebasing: bytes[116...])
        let short = UnsafeMutableRawBufferPointer(rebasing: code[..<16])
        show("short code of 116 bytes", 50_000) { cryptography.shortCode(key: key, [message], into: short) }
        show("hash of 116 bytes", 50_000) { cryptography.hash([message], into: code) }
        show("HMAC of 32 bytes", 20_000) { cryptography.authenticate(key: key, [key], into: code) }
      }
    }
    show("X25519, shared secret", 500) { _ = cryptography.sharedSecret(private0, publicKey) }
    show("X25519, public key", 500) { _ = cryptography.publicKey(of: private0) }
    show("a key of AES-128-GCM", 5_000) {
      cryptography.destroy(cryptography.expand(.aes128GCM, sealing: private0, masking: private0))
    }
    show("make()", 20) { _ = try? LibraryCryptography.make() }
  }

  static func show(_ name: String, _ times: Int, _ body: () -> Void) {
    print(columns(name, [measured(times) { times in for _ in 0..<times { body() } }]))
  }

  /// "95.1 (102)": the best of nine runs of `body`, each divided by its count, and their median. Other programs can
  /// only slow a run down, so the best is what the code costs, and the median what the machine was like.
  static func measured(_ times: Int, of batch: Int = 1, _ body: (Int) -> Void) -> String {
    body(times / 10)  // warm
    var costs: [Double] = []
    for _ in 0..<9 {
      let start = processorTime()
      body(times)
      costs.append(Double(processorTime() - start) / Double(times * batch))
    }
    costs.sort()
    return "\(figure(costs[0])) (\(figure(costs[costs.count / 2])))"
  }

  static func figure(_ nanoseconds: Double) -> String {
    let tenths = Int((nanoseconds * 10).rounded())
    return tenths < 1_000 ? "\(tenths / 10).\(tenths % 10)" : "\((tenths + 5) / 10)"
  }

  static func processorTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  static func columns(_ name: String, _ figures: [String]) -> String {
    let name = name + String(repeating: " ", count: max(1, 44 - name.count))
    return name + figures.map { String(repeating: " ", count: max(1, 14 - $0.count)) + $0 }.joined()
  }
}
