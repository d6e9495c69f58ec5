import Foundation
import Glibc
import Testing

@Suite struct `path-oracle serve` {
  @Test func `says when it is ready, and ends cleanly when it is told to`() throws {
    try withFile("[Oracle]\nListen = 127.0.0.1:\(port)\n") { file in
      let program = try RunningProgram(["serve", "--config", file], readsComplaints: true)
      #expect(try program.line(with: "no Store").hasPrefix("path-oracle: no Store"))
      let ready = try program.line(with: "ready: ")
      #expect(ready == "path-oracle: ready: http://127.0.0.1:\(port); 0 gateways, 0 relays")
      #expect(program.end(with: SIGTERM) == 0)
      #expect(try program.line(with: "ended by a signal") == "path-oracle: ended by a signal")
    }
  }

  @Test func `refuses an address that somebody else has`() throws {
    try withFile("[Oracle]\nListen = 127.0.0.1:\(port)\n") { file in
      let first = try RunningProgram(["serve", "--config", file], readsComplaints: true)
      _ = try first.line(with: "ready: ")
      let second = PathOracle.run(["serve", "--config", file])
      #expect(second.code == 2)
      let last = second.complaint.split(separator: "\n").last ?? ""
      #expect(
        last == "path-oracle: cannot listen on 127.0.0.1:\(port): Address already in use; is another program there, or "
          + "this one twice?")
      #expect(first.end(with: SIGINT) == 0)
    }
  }

  @Test func `only looks at its file with --check`() throws {
    try withFile("[Oracle]\n") { file in
      let answer = PathOracle.run(["serve", "--check", "--config", file])
      #expect(answer.code == 0 && answer.output == "\(file): fine\n" && answer.complaint.isEmpty)
    }
    try withFile("[Oracle]\nStrategy = best\nHalfLive = 3min\n") { file in
      let answer = PathOracle.run(["serve", "--check", "--config", file])
      #expect(answer.code == 64 && answer.output.isEmpty)
      #expect(
        answer.complaint == """
          \(file):2:12: Strategy = best: expected model, random-k, last-good, race-3 or cheapest
          \(file):3:1: unknown key 'HalfLive' in [Oracle]; did you mean 'HalfLife'?
          """)
    }
    #expect(PathOracle.run(["serve", "--config", "/nowhere.conf"]).code == 64)
  }

  /// One that nobody has now.
  private let port: UInt16 = {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
        _ = bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: place), length)
        _ = getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: place), &length)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }()

  private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
    var thrown: (any Error)?
    Files.with(text) { path in
      // It has another ending; the program does not look at it.
      do { try body(path) } catch { thrown = error }
    }
    if let thrown { throw thrown }
  }
}
