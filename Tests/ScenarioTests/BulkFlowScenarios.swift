import Primitives
import Simulation
import Testing
import Topology

//  What a user of `netlab simulate` may expect: a flow fills its line, and what happens to the line shows.

@Suite struct `What a bulk flow makes of a line` {
  /// The payload's share of full frames.
  static let share = 1_448.0 / 1_514

  @Test(arguments: [(50, 10), (50, 70), (12, 20), (100, 8), (5, 270)])
  func `it fills a clean line to 97 % in steady state`(megabits: Int, delay: Int) throws {
    // Slow start and its losses need some round trips.
    let settled = 5 + delay * 40 / 1_000
    let report = try path("rate \(megabits)mbit delay \(delay)ms", seconds: settled + 8)
    let steady = report.eachSecond[settled...].dropLast()
    let mean = Double(steady.reduce(0, +)) / Double(steady.count)
    #expect(mean >= 0.97 * Double(megabits) * 1e6 * `What a bulk flow makes of a line`.share)
    #expect(mean <= 1.001 * Double(megabits) * 1e6 * `What a bulk flow makes of a line`.share)
  }

  @Test func `a rate that falls and rises again shows in the same second`() throws {
    let report = try path(
      "rate 40mbit delay 10ms", seconds: 16, events: "event at 6s l rate 8mbit\nevent at 11s l rate 40mbit")
    let megabits = report.eachSecond.map { Double($0) / 1e6 / `What a bulk flow makes of a line`.share }
    #expect(megabits[4...5].allSatisfy { $0 > 39 } && megabits[7...10].allSatisfy { $0 > 7.7 && $0 < 8.1 })
    #expect(megabits[14] > 30 && report.flow.timeouts == 0)
  }

  @Test func `a line that is cut carries nothing, and comes back`() throws {
    let report = try path("rate 20mbit delay 10ms", seconds: 14, events: "event at 5s l down\nevent at 8s l up")
    #expect(report.eachSecond[5] < 100_000 && report.eachSecond[6] == 0 && report.eachSecond[7] == 0)
    #expect(report.eachSecond[4] > 18_000_000 && report.eachSecond[11...13].allSatisfy { $0 > 18_000_000 })
    #expect(report.pings - report.pingsAnswered >= 58 && report.pings - report.pingsAnswered <= 66)
  }

  @Test func `losses cost a single flow most of a long line, as everybody with a satellite knows`() throws {
    let clean = try path("rate 20mbit delay 150ms", seconds: 20)
    let lossy = try path("rate 20mbit delay 150ms loss 1%", seconds: 20)
    #expect(lossy.goodput < clean.goodput / 4 && lossy.goodput > 100_000)
  }

  @Test func `the queue is what a flow's neighbours feel: its size is the delay under load`() throws {
    let deep = try path("rate 10mbit delay 10ms queue 200ms", seconds: 12)
    let shallow = try path("rate 10mbit delay 10ms queue 30ms", seconds: 12)
    let (most, least) = (try #require(deep.loaded.p99), try #require(shallow.loaded.p99))
    #expect(most > 180 && most < 225 && least > 40 && least < 55)
    #expect(deep.idle.p99 == shallow.idle.p99)
  }

  @Test func `a recorded line carries its mean rate`() throws {
    // 4 ms with two opportunities, then 16 ms of silence: 10 full packets each 20 ms.
    var text = ""
    for millisecond in 1...4 { text += "\(millisecond)\n\(millisecond)\n" }
    text += "20\n20\n"
    let trace = try DeliveryTrace(parsing: Array(text.utf8))
    let network = try Topology(
      parsing: Array("topology t\nnode a gateway\nnode b gateway\nlink l a -- b trace cell delay 10ms\n".utf8),
      file: "t")
    let report = try SimulationRun(network, traces: ["cell": trace], seed: 1, duration: .seconds(15)).run().paths[0]
    let steady = Double(report.eachSecond[8...13].reduce(0, +)) / 6
    #expect(steady > 0.97 * 500 * 1_448 * 8 && steady <= 500 * 1_448 * 8 * 1.001)
    #expect(report.rate == BitRate(bitsPerSecond: 500 * 1_514 * 8))
  }

  private func path(_ attributes: String, seconds: Int, events: String = "") throws -> SimulationSummary.PathReport {
    let network = try Topology(
      parsing: Array("topology t\nnode a gateway\nnode b gateway\nlink l a -- b \(attributes)\n\(events)\n".utf8),
      file: "t")
    return try SimulationRun(network, seed: 11, duration: .seconds(Int64(seconds))).run().paths[0]
  }
}
