//  Iperf3Report.swift — what iperf3 says in JSON, reduced to what we report.
//
//  The receiver's sum counts: what the sender pushed into its socket buffer has not arrived anywhere. With `--bidir`
//  there are two of each, one for each direction, and they are added. Retransmits are the senders'; a peer whose
//  sockets do not tell (kernel MPTCP) leaves them out, which is not the same as none.

import FoundationEssentials

public struct Iperf3Report: Equatable, Sendable {
  /// At the receiver, after the warm-up.
  public var goodputBitsPerSecond: Double
  /// How long the receiver counted.
  public var seconds: Double
  public var retransmits: Int?
  /// What the sender's sockets really used; the kernel may not have what was asked for.
  public var congestionControl: String?

  /// Why there is no report: iperf3's own sentence, or that it wrote none.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }
  }

  public init(parsing output: [UInt8]) throws(Failure) {
    let document: Document
    do {
      document = try JSONDecoder().decode(Document.self, from: Data(output))
    } catch {
      let start = String(decoding: output.prefix(120), as: UTF8.self).split(separator: "\n").first
      throw Failure("iperf3 wrote no report" + (start.map { ", but \"\($0)\"" } ?? ""))
    }
    if let error = document.error { throw Failure("iperf3: \(error)") }
    guard let end = document.end, let received = end.sum_received else {
      throw Failure("iperf3's report has no receiver's sum")
    }
    let both = [received, end.sum_received_bidir_reverse].compactMap { $0 }
    goodputBitsPerSecond = both.reduce(0) { $0 + $1.bits_per_second }
    seconds = received.seconds
    let sent = [end.sum_sent?.retransmits, end.sum_sent_bidir_reverse?.retransmits].compactMap { $0 }
    retransmits = sent.isEmpty ? nil : sent.reduce(0, +)
    congestionControl = end.sender_tcp_congestion
    guard goodputBitsPerSecond.isFinite, goodputBitsPerSecond >= 0 else {
      throw Failure("iperf3's report has a goodput that is no number")
    }
  }

  private struct Document: Decodable {
    var error: String?
    var end: End?
  }

  private struct End: Decodable {
    var sum_sent: Sum?
    var sum_received: Sum?
    var sum_sent_bidir_reverse: Sum?
    var sum_received_bidir_reverse: Sum?
    var sender_tcp_congestion: String?
  }

  private struct Sum: Decodable {
    var seconds: Double
    var bits_per_second: Double
    var retransmits: Int?
  }
}
