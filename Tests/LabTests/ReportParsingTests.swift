import Testing

@testable import Lab

@Suite struct `What iperf3 and ping say` {
  @Test func `the receiver's sum is the goodput, and retransmits are the sender's`() throws {
    let report = try Iperf3Report(parsing: Array(Recorded.twoStreams.utf8))
    #expect(report.goodputBitsPerSecond == 87_050_342_110.4209)
    #expect(report.seconds == 2.000056)
    #expect(report.retransmits == 3)
    #expect(report.congestionControl == "cubic")
  }

  @Test func `both directions at once are added`() throws {
    let report = try Iperf3Report(parsing: Array(Recorded.bothDirections.utf8))
    #expect(report.goodputBitsPerSecond == 2 * 100_139_708.97796284)
    #expect(report.retransmits == 0)
  }

  @Test func `retransmits that nobody counted are absent and not zero`() throws {
    let text = Recorded.twoStreams.replacing(#""retransmits":3,"#, with: "")
    #expect(try Iperf3Report(parsing: Array(text.utf8)).retransmits == nil)
  }

  @Test func `iperf3's own error is the reason`() {
    let text =
      #"{"start":{"connected":[]},"intervals":[],"end":{},"error":"unable to connect to server: Connection refused"}"#
    #expect(throws: Iperf3Report.Failure("iperf3: unable to connect to server: Connection refused")) {
      try Iperf3Report(parsing: Array(text.utf8))
    }
  }

  @Test(arguments: [
    "", "{", "iperf3: parameter error\nUsage", #"{"end":{}}"#, #"{"end":{"sum_received":{"seconds":1}}}"#,
  ])
  func `what is no report is refused`(text: String) {
    #expect(throws: Iperf3Report.Failure.self) { try Iperf3Report(parsing: Array(text.utf8)) }
  }

  @Test func `every answered ping is a sample`() {
    let report = PingReport(parsing: Array(Recorded.ping.utf8))
    #expect(report.milliseconds.sorted == [0.013, 0.019, 0.037, 0.041, 0.568])
    #expect(report.sent == 5 && report.received == 5 && report.lossShare == 0)
    #expect(report.milliseconds.median == 0.037)
  }

  @Test func `pings without an answer are loss`() {
    let report = PingReport(parsing: Array(Recorded.silence.utf8))
    #expect(report.sent == 3 && report.received == 0 && report.lossShare == 1)
    #expect(report.milliseconds.median == nil)
  }

  @Test func `an answer that came twice counts once`() {
    let text = """
      64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=20.1 ms
      64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=20.4 ms (DUP!)
      64 bytes from 10.0.0.1: icmp_seq=2 ttl=64 time=640 ms

      2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 51ms
      """
    let report = PingReport(parsing: Array(text.utf8))
    #expect(report.milliseconds.sorted == [20.1, 640])
    #expect(report.sent == 2 && report.received == 2)
  }

  @Test func `a ping that was stopped reports what it had`() {
    let report = PingReport(parsing: Array("64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=20.1 ms\n64 bytes fr".utf8))
    #expect(report.sent == 1 && report.received == 1)
  }
}

/// Recorded on loopback with iperf 3.12 and iputils 20221126; intervals and streams cut out.
private enum Recorded {
  static let twoStreams =
    #"{"start":{"version":"iperf 3.12"},"end":{"sum_sent":{"start":0,"end":2.000043,"seconds":2.000043,"#
    + #""bytes":21763194880,"bits_per_second":87050907925.4796,"retransmits":3,"sender":true},"#
    + #""sum_received":{"start":0,"end":2.000056,"seconds":2.000056,"bytes":21763194880,"#
    + #""bits_per_second":87050342110.4209,"sender":true},"#
    + #""sender_tcp_congestion":"cubic","receiver_tcp_congestion":"cubic"}}"#

  static let bothDirections =
    #"{"start":{"version":"iperf 3.12"},"end":{"sum_sent":{"start":0,"end":1.999972,"seconds":1.999972,"#
    + #""bytes":25034752,"bits_per_second":100140409.96573952,"retransmits":0,"sender":true},"#
    + #""sum_received":{"start":0,"end":1.999986,"seconds":1.999986,"bytes":25034752,"#
    + #""bits_per_second":100139708.97796284,"sender":true},"#
    + #""sum_sent_bidir_reverse":{"start":0,"end":1.999972,"seconds":1.999972,"bytes":25034752,"#
    + #""bits_per_second":100140409.96573952,"retransmits":0,"sender":false},"#
    + #""sum_received_bidir_reverse":{"start":0,"end":1.999986,"seconds":1.999986,"bytes":25034752,"#
    + #""bits_per_second":100139708.97796284,"sender":false},"sender_tcp_congestion":"cubic"}}"#

  static let ping = """
    PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.
    [1795180417.490117] 64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.568 ms
    [1795180417.511225] 64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.041 ms
    [1795180417.535198] 64 bytes from 127.0.0.1: icmp_seq=3 ttl=64 time=0.037 ms
    [1795180417.559186] 64 bytes from 127.0.0.1: icmp_seq=4 ttl=64 time=0.013 ms
    [1795180417.583194] 64 bytes from 127.0.0.1: icmp_seq=5 ttl=64 time=0.019 ms

    --- 127.0.0.1 ping statistics ---
    5 packets transmitted, 5 received, 0% packet loss, time 94ms
    rtt min/avg/max/mdev = 0.013/0.135/0.568/0.216 ms
    """

  static let silence = """
    PING 192.0.2.77 (192.0.2.77) 56(84) bytes of data.

    --- 192.0.2.77 ping statistics ---
    3 packets transmitted, 0 received, 100% packet loss, time 407ms

    """
}
