import Primitives
import Simulation
import Testing
import Topology

@testable import Lab

@Suite struct `Talking to a wire` {
  @Test(arguments: [
    "start", "reset", "stop", "stats", "stats fibre", "set fibre down", "set fibre up", "set fibre rate 5mbit",
    "set lte rate 1mbit/2mbit loss 10% burst 3",
  ])
  func `a request reads as it was written`(text: String) throws {
    #expect(try WireRequest(parsing: text).text == text)
    #expect(try WireRequest(parsing: "  \(text)\n") == WireRequest(parsing: text))
  }

  @Test(arguments: ["", "halt", "start now", "set fibre", "stats a b", String(repeating: "x", count: 5_000)])
  func `anything else is answered by what would be right`(text: String) throws {
    let error = try #require(throws: LabError.self) { try WireRequest(parsing: text) }
    #expect(error.description.hasPrefix("a wire takes start, set LINK CHANGE, stats [LINK], reset and stop, not"))
    #expect(error.description.utf8.count < 200)
  }

  @Test func `a change that is none is answered by the sentence that a file would get`() throws {
    let error = try #require(throws: LabError.self) { try WireRequest(parsing: "set fibre rate 5") }
    #expect(error.description.contains("mbit"))
  }

  @Test func `counters arrive as they were sent`() {
    var totals = WireTotals()
    totals.carried = 100_000
    totals.late = 7
    totals.overrun = .max
    var received = WireTotals()
    WireText.read(Substring(WireText.of(totals, WireTotals.fields)), WireTotals.fields, into: &received)
    #expect(received == totals)

    var line = LineStatistics()
    for (value, field) in LineStatistics.fields.enumerated() { line[keyPath: field.path] = UInt64(value) + 1 }
    var both = Topology.Pair(LineStatistics(), LineStatistics())
    let text =
      " " + WireText.of(line, LineStatistics.fields, prefix: "forward.") + " backward.accepted 5 new.word 1 odd"
    WireText.read(Substring(text), LineStatistics.fields, prefix: "forward.", into: &both.forward)
    WireText.read(Substring(text), LineStatistics.fields, prefix: "backward.", into: &both.backward)
    #expect(both.forward == line)
    #expect(both.backward.counters.accepted == 5)
    #expect(both.forward.queued == ByteCount(12) && both.forward.inFlight == ByteCount(13))
  }

  @Test func `a wire is trusted up to one frame in a thousand late or lost by itself`() {
    var totals = WireTotals()
    #expect(totals.isTrustworthy)
    totals.carried = 10_000
    totals.late = 6
    totals.overrun = 3
    totals.noSlot = 1
    #expect(totals.isTrustworthy)
    totals.noSlot = 2
    #expect(!totals.isTrustworthy)
    totals = WireTotals()
    totals.overrun = 1
    #expect(!totals.isTrustworthy)
  }

  @Test func `where no wire is, the client says so`() throws {
    let client = WireClient(directory: "/nonexistent")
    let error = try #require(throws: LabError.self) { try client.start() }
    #expect(error.description.contains("/nonexistent"))
  }
}
