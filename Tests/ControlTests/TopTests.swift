import Primitives
import Testing

@testable import Status

@Suite struct `hawser top` {
  private static func look(_ second: Int) -> TopScreen.Look {
    var look = TopScreen.Look()
    look.interface = "hawser0"
    look.verdict = "degraded"
    look.uptime = .seconds(3_725)
    look.received = UInt64(second) * 1_000_000
    look.sent = 1_000_000
    look.flows = 2
    look.heldBytes = 12_300
    look.mostHeldBytes = 67_100_000
    var fibre = TopScreen.PathLook()
    (fibre.peer, fibre.title, fibre.state) = ("hq", "fibre", "up")
    fibre.received = UInt64(second) * 1_000_000
    fibre.roundTrip = 8.125
    fibre.share = 1
    var lte = TopScreen.PathLook()
    (lte.peer, lte.title, lte.state) = ("hq", "lte", "down")
    look.paths = [fibre, lte]
    look.flowLines = ["FROM  TO", "a     b", "c     d"]
    return look
  }

  private static func screen(_ seconds: Int) -> TopScreen {
    var screen = TopScreen()
    for second in 0..<seconds { screen.add(look(second)) }
    return screen
  }

  @Test func `shows the gateway, its sum, its paths and their last minute, and its flows`() {
    let lines = Self.screen(9).lines(width: 100, height: 40, isPlain: true)
    #expect(
      lines.joined(separator: "\n") == """
        hawser0  degraded  up for 1 h 2 min                                                          q quits
        in    8 Mbit/s              .:-=+*##  out    1 Mbit/s             #########  2 flows
        held 12.3 kB of 67.1 MB

        PEER  PATH   STATE        IN      OUT     RTT  LOSS  SHARE  LAST MINUTE
        hq    fibre  up     8 Mbit/s  0 bit/s  8.1 ms   0 %  100 %                        .:-=+*##
        hq    lte    down    0 bit/s  0 bit/s       -   0 %      -

        FROM  TO
        a     b
        c     d
        """, "\n\(lines.joined(separator: "\n"))")
  }

  @Test func `fits any terminal, with what matters most first`() {
    let screen = Self.screen(200)
    for width in [0, 1, 7, 20, 40, 60, 79, 80, 132, 300] {
      for height in [0, 1, 2, 5, 24, 60] {
        let lines = screen.lines(width: width, height: height, isPlain: true)
        #expect(lines.count <= height && lines.allSatisfy { $0.count <= width }, "\(width) × \(height)")
      }
    }
    #expect(screen.lines(width: 80, height: 1, isPlain: true)[0].hasPrefix("hawser0  degraded"))
    // No room for a picture beside the numbers.
    #expect(!screen.lines(width: 62, height: 24, isPlain: true).joined().contains("LAST MINUTE"))
  }

  @Test func `draws in colours and blocks where the terminal has them`() {
    let text = Self.screen(9).lines(width: 100, height: 40).joined(separator: "\n")
    #expect(text.contains("▁") || text.contains("▂"))
    #expect(text.contains("\u{1b}[31mdown\u{1b}[0m") && text.contains("█"))
  }

  @Test func `a sparkline is as high as its greatest value, and nothing is a blank`() {
    #expect(TopScreen.sparkline([0, 1, 4, 8], width: 6, isPlain: false) == "   ▂▅█")
    #expect(TopScreen.sparkline([1, 2, 3], width: 2, isPlain: false) == "▆█")
    #expect(TopScreen.sparkline([0, 0], width: 3, isPlain: false) == "   ")
    #expect(TopScreen.sparkline([.max, 1], width: 2, isPlain: false) == "█▁")
    #expect(TopScreen.sparkline([], width: 0, isPlain: false).isEmpty)
  }

  @Test func `says that the gateway is gone, above what was true last`() {
    var screen = Self.screen(3)
    screen.trouble = "hawser: nobody listens"
    let lines = screen.lines(width: 80, height: 10, isPlain: true)
    #expect(lines[0] == "hawser: nobody listens" && lines[1].hasPrefix("hawser0"))
    screen.add(Self.look(4))
    #expect(screen.lines(width: 80, height: 10, isPlain: true)[0].hasPrefix("hawser0"))
  }
}
