import Glibc
import Primitives
import Simulation
import Testing
import Topology

@Suite struct `A capture of a simulation` {
  @Test func `it is a nanosecond pcap of IP packets, written when they arrive`() throws {
    let (records, header) = try captured("link l a -- b rate 10mbit delay 20ms", [(ms(1_005), [1, 2, 3])])
    #expect(header == [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 101])
    #expect(records.count == 1)
    // 45 bytes at 10 Mbit/s are 36 µs.
    #expect(records[0].seconds == 1 && records[0].nanoseconds == 25_036_000)
    #expect(records[0].bytes.count == 31 && Array(records[0].bytes[28...]) == [1, 2, 3])
  }

  @Test func `packets have the lab's addresses, right lengths, and checksums that any reader accepts`() throws {
    let (records, _) = try captured(
      "link l a -- b",
      (0..<300).map { length in (ms(Int64(length)), (0..<length).map { UInt8(($0 * 7 + length) & 0xff) }) })
    #expect(records.count == 300)
    for (length, record) in records.enumerated() {
      let ip = record.bytes
      #expect(ip[0] == 0x45 && ip[9] == 17 && ip[8] == 63 && ip[6] == 0x40)
      #expect(word(ip, 2) == 28 + length && word(ip, 24) == 8 + length)
      #expect(Array(ip[12..<20]) == [172, 16, 0, 1, 172, 16, 0, 2])
      #expect(word(ip, 20) == 49_152 && word(ip, 22) == 49_153)
      #expect(sum(ip[..<20]) == 0xffff, "IP header of \(length) bytes")
      // The pseudo-header: addresses, protocol, length.
      #expect(sum(ip[12...], 17 + 8 + length) == 0xffff, "UDP over \(length) bytes")
      #expect(word(ip, 26) != 0)
    }
  }

  @Test func `IPv6 works alike`() throws {
    let (records, _) = try captured("link l a -- b", [(ms(0), [1, 2, 3, 4, 5])], isIPv6: true)
    let ip = records[0].bytes
    #expect(ip[0] == 0x60 && word(ip, 4) == 13 && ip[6] == 17 && ip[7] == 63)
    #expect(Array(ip[8..<24]) == [0xfd, 0x48, 0x61, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    #expect(sum(ip[8...], 17 + 13) == 0xffff)
  }

  @Test func `a corrupted packet shows by its checksum, an intact one beside it does not`() throws {
    let (records, _) = try captured(
      "link l a -- b corrupt 50%", (0..<200).map { (ms(Int64($0)), Array(repeating: 0x11, count: 40)) })
    let isIntact = records.map { $0.bytes[28...].allSatisfy { $0 == 0x11 } }
    #expect(isIntact.contains(true) && isIntact.contains(false))
    for (record, intact) in zip(records, isIntact) { #expect((sum(record.bytes[12...], 17 + 48) == 0xffff) == intact) }
  }

  @Test func `asked for both ends, it has a packet when it leaves and when it arrives`() throws {
    let (records, _) = try captured(
      "node r router\nlink l a -- r delay 1ms\nlink m r -- b delay 2ms", [(ms(1), [9])], over: ["l", "m"],
      includesSending: true)
    #expect(records.map(\.nanoseconds) == [1_000_000, 4_000_000])
    #expect(records.map { $0.bytes[8] } == [64, 62])
    #expect(Array(records[0].bytes[12..<20]) == [172, 16, 0, 1, 172, 16, 1, 2])
  }

  @Test(.enabled(if: access("/usr/bin/tshark", X_OK) == 0, "needs tshark"))
  func `tshark reads every packet of it and finds nothing malformed`() throws {
    let sink = MemorySink()
    let network = try topology(
      "node a gateway\nnode b gateway\nlink l a -- b rate 20mbit delay 5ms jitter 1ms loss 1% duplicate 2% corrupt 1%")
    let summary = try SimulationRun(network, seed: 3, duration: .seconds(1), capture: sink).run()
    var template = Array("/tmp/simulation-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    let written = write(descriptor, sink.bytes, sink.bytes.count)
    close(descriptor)
    try #require(written == sink.bytes.count)
    /// How many packets it shows of those that pass a filter.
    func lines(_ filter: String) throws -> Int {
      let command = "tshark -r \(path) -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y '\(filter)' 2>/dev/null"
      let pipe = try #require(popen(command, "re"))
      var count = 0
      while true {
        let byte = fgetc(pipe)
        if byte == EOF { break }
        if byte == 10 { count += 1 }
      }
      #expect(pclose(pipe) == 0)
      return count
    }
    #expect(try lines("udp") == Int(summary.counters.delivered))
    #expect(try lines("_ws.malformed || ip.checksum.status == 0") == 0)
    let corrupted = summary.lines.map(\.counters.corrupted).reduce(0, +)
    let bad = try lines("udp.checksum.status == 0")
    // A duplicate of a corrupted packet is corrupted too.
    #expect(bad >= Int(corrupted) && bad <= 2 * Int(corrupted) && corrupted > 0)
  }
}

private struct Record {
  var seconds: Int
  var nanoseconds: Int
  var bytes: [UInt8]
}

/// Runs a world between a and b and reads its capture as pcap says that it must be read.
private func captured(
  _ links: String, _ script: [(time: Instant, bytes: [UInt8])], over names: [String] = ["l"], isIPv6: Bool = false,
  includesSending: Bool = false
) throws -> (records: [Record], header: [UInt32]) {
  let network = try topology("node a gateway\nnode b gateway\n" + links)
  let sink = MemorySink()
  var world = World(network, seed: 1, isIPv6: isIPv6, capture: sink, captureIncludesSending: includesSending)
  let a = world.attach(Scripted(script.map { ($0.time, 0, $0.bytes) }), at: 0)
  let b = world.attach(Scripted(), at: 1)
  _ = world.connect(a, b, over: try path(names, from: "a", in: network))
  world.run(until: ms(5_000))
  world.flush()
  let bytes = sink.bytes
  func number(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
  var records: [Record] = []
  var at = 24
  while at < bytes.count {
    let length = Int(number(at + 8))
    try #require(number(at + 12) == number(at + 8) && at + 16 + length <= bytes.count)
    records.append(
      Record(
        seconds: Int(number(at)), nanoseconds: Int(number(at + 4)), bytes: Array(bytes[(at + 16)..<(at + 16 + length)]))
    )
    at += 16 + length
  }
  return (records, stride(from: 0, to: 24, by: 4).map(number))
}

private func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

/// RFC 1071, as plainly as it can be written.
private func sum(_ bytes: ArraySlice<UInt8>, _ more: Int = 0) -> Int {
  var sum = more
  for (offset, byte) in bytes.enumerated() { sum += offset % 2 == 0 ? Int(byte) << 8 : Int(byte) }
  while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
  return sum
}
