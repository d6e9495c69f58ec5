import Primitives
import Testing

@Suite struct `Did you mean` {
  static let words = ["link", "node", "event", "gateway", "delay", "duplicate", "up", "down"]

  @Test(arguments: [
    ("lnik", "link"), ("LINK", "link"), ("nodes", "node"), ("gatway", "gateway"), ("dealy", "delay"),
    ("evnet", "event"), ("duplciate", "duplicate"), ("dwon", "down"), ("u", "up"),
  ])
  func `a slip of the fingers finds the word`(typed: String, meant: String) {
    #expect(nearestWord(to: typed, in: `Did you mean`.words) == meant)
  }

  @Test(arguments: ["banana", "xy", "", "gate", String(repeating: "delay", count: 1_000)])
  func `what resembles nothing gets no advice`(typed: String) {
    #expect(nearestWord(to: typed, in: `Did you mean`.words) == nil)
  }

  @Test func `of two equally near words the first is meant, and an exact one wins`() {
    #expect(nearestWord(to: "bit", in: ["bat", "but"]) == "bat")
    #expect(nearestWord(to: "a", in: ["b", "c"]) == nil)
    #expect(nearestWord(to: "but", in: ["bat", "but"]) == "but")
  }
}
