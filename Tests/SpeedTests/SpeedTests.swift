import Crypto
import JSON
import Primitives
import Testing

@testable import Speed

private let engine = EngineCost(paths: 1, sending: 20_000, receiving: 30_000, smallSending: 400, smallReceiving: 500)

@Suite struct `The rate to expect` {
  @Test func `is that of the slower gateway, and names what takes it most`() {
    let slow = Expectation(
      engine, network: TransferCost(out: 10_000, into: 5_000), tunnel: TransferCost(out: 15_000, into: 8_000))
    #expect(slow.side == .receiving && slow.bottleneck == "the engine and its cipher")
    #expect(abs(slow.share - 0.6) < 1e-9)
    #expect(abs(slow.mostBitsPerSecond - 65_536 * 8 / 50e-6) < 1)
    #expect(slow.bitsPerSecond == slow.mostBitsPerSecond * Expectation.part)
    let sender = Expectation(engine, network: TransferCost(out: 40_000, into: 1_000), tunnel: nil)
    #expect(sender.side == .sending && sender.bottleneck == "the kernel's sending")
    #expect(abs(sender.mostBitsPerSecond - 65_536 * 8 / 60e-6) < 1)
  }

  private func report(_ change: (inout SpeedReport) -> Void = { _ in }) -> SpeedReport {
    var three = engine
    three.paths = 3
    three.receiving = 40_000
    var report = SpeedReport(
      cipher: "AES-128-GCM (Intel ipsec-mb)", copy: 12.3e9, seal: 110, open: 105.4, engines: [engine, three],
      network: TransferCost(out: 10_000, into: 5_000), tunnel: TransferCost(out: 15_000, into: 8_000))
    change(&report)
    return report
  }

  @Test func `is a sentence, with three paths where they matter`() {
    #expect(
      report().sentence
        == "Expect about 4.7 Gbit/s of one TCP flow one way over one path: the gateway that is receiving is the slower "
        + "one, and the engine and its cipher takes 60 % of what it does; over 3 paths about 3.9 Gbit/s.")
    #expect(!report { $0.engines[1].receiving = 30_500 }.sentence.contains("paths about"))
  }

  @Test func `says what is not in it`() {
    let bare = report {
      $0.tunnel = nil
      $0.tunnelReason = "it needs root: a network namespace of its own"
    }
    #expect(bare.sentence.hasSuffix(". The virtual interface is not in it, so it will be less."))
    #expect(bare.text.contains("virtual interface  not measured") && bare.text.contains("it needs root"))
    let deaf = report {
      $0.network = nil
      $0.networkReason = "no loopback"
    }
    #expect(deaf.expectations.isEmpty && deaf.sentence.hasPrefix("No rate can be promised"))
  }

  @Test func `is the same as JSON`() throws {
    let json = try JSONValue(reading: report().json)
    #expect(json["expected"]?.array?.first?["pieces_rate_bps"]?.integer == 10_485_760_000)
    #expect(json["engines"]?.array?.count == 2 && json["tunnel_reason"]?.object == nil)
    #expect(json["sentence"]?.string == report().sentence)
  }
}

@Suite struct `Measuring this machine` {
  @Test func `gives a figure for every piece, and costs add up`() throws {
    let report = SpeedReport.measure(try LibraryCryptography.make(), for: .milliseconds(300))
    #expect(report.seal > 0 && report.open > 0 && report.copy > 0)
    #expect(report.engines.map(\.paths) == [1, 3])
    for cost in report.engines {
      for figure in [cost.sending, cost.receiving, cost.smallSending, cost.smallReceiving] {
        #expect(figure > 0 && figure < 1e9, "\(cost)")
      }
    }
    #expect((report.network == nil) == (report.networkReason != nil))
    #expect((report.tunnel == nil) == (report.tunnelReason != nil))
    if let network = report.network { #expect(network.out > 0 && network.into > 0 && network.out < 1e9) }
  }
}
