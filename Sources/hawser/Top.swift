//  Top.swift — `hawser top`: a terminal that is drawn anew each second, until somebody presses q.
//
//  The thin edge around TopScreen: it asks the gateway, tells the screen, and puts its lines on the terminal. The
//  terminal is left as it was found, however this ends: by q, Ctrl-C (which arrives as a key, since signals of keys are
//  off), a signal, or a gateway that ends. A frame is one write, of what fits, so that it does not flicker over ssh.

import Commands
import Configuration
import Control
import Glibc
import JSON
import POSIX
import Primitives
import Status
import Synchronization

/// Set by a signal.
private let isOver = Atomic<Bool>(false)

extension Hawser {
  static func top(_ invocation: Invocation) throws(Refusal) -> Int32 {
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
      throw Refusal("hawser top: this is no terminal; hawser status prints the same once", exitCode: 64)
    }
    let path: String
    do throws(ControlFailure) {
      path = try socket(invocation[Words.socket], invocation[Words.interface])
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    // Whoever cannot be asked now is told without a flicker of the screen.
    var screen = TopScreen()
    try look(at: path, &screen)
    // Before a signal can come: the first use makes it.
    isOver.store(false, ordering: .relaxed)
    let terminal = Terminal()
    defer { terminal.restore() }
    for number in [SIGTERM, SIGHUP, SIGINT] { signal(number) { _ in isOver.store(true, ordering: .relaxed) } }
    // poll returns when it comes, and the next frame has the new size.
    signal(SIGWINCH) { _ in }
    var next = MonotonicClock.now + .seconds(1)
    while !isOver.load(ordering: .relaxed) {
      terminal.draw(screen)
      var watched = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      let left = next - MonotonicClock.now
      if left > .zero, poll(&watched, 1, Int32((left.nanoseconds + 999_999) / 1_000_000)) > 0 {
        var keys = [UInt8](repeating: 0, count: 64)
        let count = read(STDIN_FILENO, &keys, keys.count)
        // The end of input, q, Q, Ctrl-C.
        if count <= 0 || keys[..<count].contains(where: { [113, 81, 3].contains($0) }) { return 0 }
        continue
      }
      if MonotonicClock.now < next { continue }
      next = MonotonicClock.now + .seconds(1)
      do throws(Refusal) {
        try look(at: path, &screen)
      } catch {
        screen.trouble = error.text
      }
    }
    return 0
  }

  /// A hub's answer with all its peers.
  static let answerLimits: JSONLimits = {
    var limits = JSONLimits()
    limits.bytes = 64 << 20
    limits.values = 4 << 20
    return limits
  }()

  private static func look(at path: String, _ screen: inout TopScreen) throws(Refusal) {
    let status: ControlAnswer
    let flows: ControlAnswer
    do throws(ControlFailure) {
      status = try ControlClient.get("/v1/status", at: path, asText: false)
      flows = try ControlClient.get("/v1/flows", at: path, asText: true)
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    guard status.status == 200, flows.status == 200,
      let said = try? JSONValue(reading: status.body, limits: answerLimits)
    else { throw Refusal("hawser: the gateway does not answer", exitCode: 2) }
    var look = TopScreen.Look(said)
    look.flowLines = flows.body.split(separator: "\n").map(String.init)
    screen.add(look)
  }
}

/// The terminal, from raw mode on until it is given back.
private struct Terminal {
  private let before: termios
  private let isPlain: Bool

  init() {
    var settings = termios()
    tcgetattr(STDIN_FILENO, &settings)
    before = settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    // Without throwing away what was typed already.
    tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    let names = ["LC_ALL", "LC_CTYPE", "LANG"]
    let words = names.compactMap { (name: String) -> String? in getenv(name).map { String(cString: $0) } }
    let locale = words.first { !$0.isEmpty } ?? ""
    isPlain = !Hawser.wantsColour || !(locale.lowercased().contains("utf"))
    // Another screen, without a cursor: what stood there comes back at the end.
    _ = Output.write(Array("\u{1b}[?1049h\u{1b}[?25l".utf8), to: STDOUT_FILENO)
  }

  func draw(_ screen: TopScreen) {
    var size = winsize()
    // A terminal that does not say has the usual size.
    let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 && size.ws_row > 0
    let lines = screen.lines(
      width: isKnown ? Int(size.ws_col) : 80, height: isKnown ? Int(size.ws_row) : 24, isPlain: isPlain)
    // From the corner, each line cleared behind its end, then all that is below.
    let frame = "\u{1b}[H" + lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J"
    _ = Output.write(Array(frame.utf8), to: STDOUT_FILENO)
  }

  func restore() {
    _ = Output.write(Array("\u{1b}[?25h\u{1b}[?1049l".utf8), to: STDOUT_FILENO)
    var settings = before
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
  }
}

extension TopScreen.Look {
  /// Of `/v1/status`; what is missing is nothing, and what no gateway says is cut to what one could.
  init(_ said: JSONValue) {
    self.init()
    func text(_ value: JSONValue?, _ name: String) -> String { value?[name]?.string ?? "" }
    func count(_ value: JSONValue?, _ name: String) -> UInt64 { UInt64(clamping: value?[name]?.integer ?? 0) }
    interface = text(said, "interface")
    verdict = text(said, "verdict")
    func number(_ value: JSONValue?, atMost most: Double) -> Double? { value?.number.map { min(max($0, 0), most) } }
    uptime = .milliseconds(Int64(min(count(said, "uptime_ms"), 1 << 40)))
    received = count(said, "received_rate_bps")
    sent = count(said, "sent_rate_bps")
    flows = Int(clamping: count(said, "flows"))
    heldBytes = count(said["resequencer"], "held_bytes")
    mostHeldBytes = count(said["resequencer"], "most_bytes")
    for peer in said["peers"]?.array ?? [] {
      for path in peer["paths"]?.array ?? [] {
        var look = TopScreen.PathLook()
        look.peer = text(peer, "name")
        look.title = text(path, "name") + (path["via"]?.string.map { " via \($0)" } ?? "")
        look.state = text(path, "state")
        look.reason = text(path, "state_reason")
        look.received = count(path, "received_rate_bps")
        look.sent = count(path, "sent_rate_bps")
        look.roundTrip = number(path["rtt_ms"], atMost: 1e6)
        look.lossPercent = number(path["loss_percent"], atMost: 100) ?? 0
        look.share = number(path["share"], atMost: 1)
        paths.append(look)
      }
    }
  }
}
