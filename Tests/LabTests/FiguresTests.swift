import Testing

@testable import Lab

@Suite struct `Numbers that people read` {
  @Test func `quantiles are interpolated between the samples`() {
    let samples = Samples([4, 1, 3, 2, 5])
    #expect(samples.median == 3)
    #expect(samples.quantile(0) == 1 && samples.quantile(1) == 5)
    #expect(samples.quantile(0.25) == 2)
    let quantile = Samples((1...100).map(Double.init)).quantile(0.99)
    #expect(quantile.map { abs($0 - 99.01) < 1e-9 } == true)
  }

  @Test func `no samples have no quantile, one sample is all of them`() {
    #expect(Samples([]).median == nil)
    #expect(Samples([.nan, .infinity]).median == nil)
    #expect(Samples([7]).quantile(0.99) == 7)
  }

  @Test(arguments: [
    (0.0, 1, "0.0"), (0.05, 1, "0.1"), (-1.25, 1, "-1.3"), (286.94, 1, "286.9"), (0.004, 3, "0.004"), (1e300, 0, "-"),
    (.nan, 2, "-"),
  ])
  func `decimals are rounded and filled`(value: Double, places: Int, expected: String) {
    #expect(decimal(value, places: places) == expected)
  }

  @Test func `rates keep three digits that count`() {
    #expect(megabits(7_432_000) == "7.43")
    #expect(megabits(73_940_000) == "73.9")
    #expect(megabits(286_900_000) == "286.9")
    #expect(megabits(9_412_345_678) == "9,412")
    #expect(megabits(nil) == "-")
    #expect(grouped(-1_234_567) == "-1,234,567" && grouped(-123) == "-123" && grouped(1_000) == "1,000")
    #expect(milliseconds(20.26) == "20.3" && milliseconds(640.4) == "640" && milliseconds(0.041) == "0.04")
    #expect(percent(0.9432) == "94 %" && percent(nil) == "-")
  }

  @Test func `a Markdown table is aligned also for those who read it raw`() {
    var table = Table([.text("profile"), .number("Mbit/s")])
    table.rows = [["bw_10to1", "7.43"], ["a|b\nc", "1,024"]]
    #expect(
      table.markdown == """
        | profile  | Mbit/s |
        |----------|-------:|
        | bw_10to1 |   7.43 |
        | a\\|b c   |  1,024 |

        """)
  }

  @Test func `a terminal's columns have fixed widths, and a long cell moves its own row only`() {
    let table = Table([.text("path", width: 8), .number("rate", width: 6), .text("note")])
    #expect(table.terminalHeader == "path        rate  note")
    #expect(table.terminalRow(["fibre", "300", ""]) == "fibre        300")
    #expect(table.terminalRow(["a-long-name", "1", "x"]) == "a-long-name       1  x")
  }

  @Test func `an axis reaches round numbers around its values`() {
    let axis = LogAxis(covering: [5.7, 330], left: 0, right: 100)
    #expect(axis.ticks == [5, 10, 20, 50, 100, 200, 500])
    #expect(axis.place(5) == 0 && axis.place(500) == 100)
    #expect(abs(axis.place(50) - 50) < 1e-9)
    #expect(axis.place(0) == 0 && axis.place(1e12) == 100)
  }

  @Test(arguments: [[], [0], [20], [1e12], [1e-9], [.infinity]] as [[Double]])
  func `an axis has two ticks whatever its values are`(values: [Double]) {
    let axis = LogAxis(covering: values, left: 0, right: 100)
    #expect(axis.ticks.count >= 2)
    #expect(values.allSatisfy { (0...100).contains(axis.place($0)) || !$0.isFinite })
  }
}
