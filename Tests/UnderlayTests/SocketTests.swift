import Glibc
import Primitives
import Testing

@testable import Underlay

@Suite struct `A path's socket` {
  @Test(arguments: ["127.0.0.1", "::1"])
  func `takes a batch of either family, which arrives as one buffer with all that is known of it`(text: String)
    throws
  {
    var pair = try Correspondents.make(try UDPSocket.open(), try UDPSocket.open())
    let address = try #require(IPAddress(text))
    let isPossible = address.family == .ipv4 || pair.receiver.takesIPv6
    try #require(isPossible, "this kernel has no IPv6")
    let bytes = pattern(44 * 1_428 - 100)
    let to = Endpoint(address, port: pair.receiver.port)
    let (results, arrivals) = pair.exchange(bytes, segmentSize: 1_428, to: to, trafficClass: 0xb9)
    #expect(results == [Int32(bytes.count)])
    let arrival = try #require(arrivals.first)
    let from = Endpoint(address, port: pair.sender.port)
    #expect(arrivals.count == 1 && arrival.source == from && arrival.destination == address)
    #expect(arrival.segmentSize == 1_428 && arrival.datagrams.count == 44 && arrival.trafficClass == 0xb9)
    #expect(arrival.datagrams.flatMap { $0 } == bytes)
  }

  @Test func `sends a batch datagram by datagram where an interface refuses more`() throws {
    var pair = try Correspondents.make(try UDPSocket.open(), try UDPSocket.open(), buffers: 16)
    let bytes = pattern(5 * 1_000 + 1)
    let to = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: pair.receiver.port)
    let (results, arrivals) = pair.exchange(bytes, segmentSize: 1_000, to: to, mostSegments: 1)
    #expect(results == [1_000, 1_000, 1_000, 1_000, 1_000, 1])
    #expect(arrivals.flatMap(\.datagrams).flatMap { $0 } == bytes)
    #expect(arrivals.flatMap(\.datagrams).map(\.count) == [1_000, 1_000, 1_000, 1_000, 1_000, 1])
  }

  @Test func `answers from the address that was asked`() throws {
    var there = try Correspondents.make(try UDPSocket.open(), try UDPSocket.open())
    let asked = IPAddress(ipv4: 0x7f00_0009)
    let (_, questions) = there.exchange([1], segmentSize: 1, to: Endpoint(asked, port: there.receiver.port))
    let question = try #require(questions.first)
    #expect(question.destination == asked)
    #expect(question.source.address == IPAddress(ipv4: 0x7f00_0001))
    let (_, answers) = there.exchange(
      [2], segmentSize: 1, to: Endpoint(IPAddress(ipv4: 0x7f00_0001), port: there.receiver.port),
      from: question.destination)
    #expect(answers.first?.source.address == asked)
  }

  @Test func `says that an address to leave from is not ours`() throws {
    var pair = try Correspondents.make(try UDPSocket.open(), try UDPSocket.open())
    let to = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: pair.receiver.port)
    let (results, arrivals) = pair.exchange(
      [1], segmentSize: 1, to: to, from: IPAddress(ipv4: 0xc000_0201))
    #expect(results.count == 1 && results[0] < 0 && arrivals.isEmpty)
  }

  @Test func `serves IPv4 where the kernel has no IPv6`() throws {
    let old = try UDPSocket.open(
      interface: nil, port: 0, receiveBuffer: ByteCount(1 << 20), sendBuffer: ByteCount(1 << 20), mayUseIPv6: false)
    let takesIPv6 = old.takesIPv6
    #expect(!takesIPv6)
    var pair = try Correspondents.make(try UDPSocket.open(), old)
    let address = IPAddress(ipv4: 0x7f00_0001)
    let bytes = pattern(3_000)
    let to = Endpoint(address, port: pair.receiver.port)
    let (_, arrivals) = pair.exchange(bytes, segmentSize: 1_000, to: to, trafficClass: 2)
    let arrival = try #require(arrivals.first)
    #expect(arrival.datagrams.count == 3 && arrival.destination == address && arrival.trafficClass == 2)
    #expect(arrival.source.address == address)
  }

  @Test func `gets the buffers that it asks for, or says what it got`() throws {
    let socket = try UDPSocket.open()
    let (receive, send, limitations) = (socket.receiveBuffer, socket.sendBuffer, socket.limitations)
    #expect(receive >= UDPSocket.wantedReceiveBuffer || limitations.contains { $0.contains("net.core.rmem_max") })
    #expect(receive > .zero && send > .zero)
    let limited = socket.limitSendBuffer(to: ByteCount(100_000))
    #expect(limited == ByteCount(100_000))
  }

  @Test func `counts what the kernel had no room for`() throws {
    let small = try UDPSocket.open(
      interface: nil, port: 0, receiveBuffer: ByteCount(4_096), sendBuffer: ByteCount(1 << 20), mayUseIPv6: true)
    let sender = try UDPSocket.open()
    let before = small.dropped
    #expect(before == 0)
    var address = [UInt8](repeating: 0, count: SocketAddress.room)
    let length = address.withUnsafeMutableBytes { bytes in
      bytes.baseAddress.map {
        SocketAddress.write(Endpoint(IPAddress(ipv4: 0x7f00_0001), port: small.port), to: $0)
      } ?? 0
    }
    let payload = [UInt8](repeating: 0, count: 2_000)
    for _ in 0..<20 {
      address.withUnsafeBytes {
        let name = $0.assumingMemoryBound(to: sockaddr.self).baseAddress
        _ = sendto(sender.descriptor, payload, 2_000, 0, __CONST_SOCKADDR_ARG(__sockaddr__: name), socklen_t(length))
      }
    }
    let after = small.dropped
    #expect(after > 0)
  }
}

@Suite struct `Why a path has no socket` {
  @Test func `a port in use is named, with the program that has it`() throws {
    let first = try UDPSocket.open()
    let port = first.port
    let failure = try #require(throws: UnderlayFailure.self) { _ = try UDPSocket.open(port: port) }
    #expect(failure.operation == .bind(port: port) && failure.errno == EADDRINUSE)
    #expect(
      failure.description.hasPrefix("cannot listen on UDP port \(port): Address already in use; ")
        && failure.description.hasSuffix("(process \(getpid())) has it: stop that, or choose another port"))
  }

  @Test func `an unknown interface is named, with those that there are`() throws {
    let failure = try #require(throws: UnderlayFailure.self) { _ = try UDPSocket.open(interface: "fibre-to-mars") }
    #expect(failure.description.hasPrefix("cannot bind a UDP socket to the interface fibre-to-mars: No such device; "))
    #expect(failure.description.contains("lo"))
    let typo = try #require(throws: UnderlayFailure.self) { _ = try UDPSocket.open(interface: "lO0") }
    #expect(typo.remedy == "did you mean lo?" || typo.remedy?.contains("there are") == true)
  }

  @Test func `a name that is too long is not cut to another interface's`() throws {
    let failure = try #require(throws: UnderlayFailure.self) {
      _ = try UDPSocket.open(interface: "lo\0and-much-more-than-15")
    }
    #expect(failure.errno == ENODEV)
  }

  @Test func `missing rights say which ones`() {
    #expect(UnderlayFailure(.bindToInterface("eth0"), errno: EPERM).remedy == "needs CAP_NET_RAW: run it as root")
    #expect(
      UnderlayFailure(.bind(port: 53), errno: EACCES).description
        == "cannot listen on UDP port 53: Permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: "
        + "run it as root, or choose another port")
  }

  @Test func `a socket table gives the inodes of a port`() {
    let table = """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
       123: 0100007F:CA6C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0
       124: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0 0
      """
    #expect(PortHolder.inodes(in: table, port: 0xca6c) == ["4711"])
    #expect(PortHolder.inodes(in: table, port: 9).isEmpty)
  }
}

@Suite struct `What a name stands for` {
  @Test func `localhost is this machine`() throws {
    let found = try Resolution.endpoints(ofHost: "localhost", port: 51_820)
    #expect(found.allSatisfy { $0.port == 51_820 })
    #expect(found.contains { $0.address == IPAddress(ipv4: 0x7f00_0001) || $0.address == IPAddress("::1") })
  }

  @Test func `an address with an interface's name gets its number`() throws {
    let found = try Resolution.endpoints(ofHost: "fe80::1%lo", port: 5)
    #expect(found.map(\.scope) == [if_nametoindex("lo")])
  }

  @Test func `what is no name says so`() throws {
    let failure = try #require(throws: UnderlayFailure.self) {
      _ = try Resolution.endpoints(ofHost: "not a name", port: 5)
    }
    #expect(failure.description.hasPrefix("cannot find the address of not a name: "))
  }
}
