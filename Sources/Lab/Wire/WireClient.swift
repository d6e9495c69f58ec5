//  WireClient.swift — asking the wire of a topology that is up.

import Glibc
import Primitives
public import Topology

public struct WireClient: Sendable {
  private let directory: String

  /// A wire answers between two turns of its loop. What takes longer than this is no wire any more.
  private static let patience = Interval.seconds(5)

  /// `directory` is the topology's, below /run/netlab.
  public init(directory: String) { self.directory = directory }

  /// Whether a wire listens.
  public var isAlive: Bool { WireControl.life(in: directory) == .alive }

  /// Starts the clock of the file's events.
  public func start() throws(LabError) { _ = try ask(.start) }

  /// Changes a link at once.
  public func set(link: String, change: Topology.Change) throws(LabError) {
    _ = try ask(.set(link: link, change: change))
  }

  /// How well the wire keeps its promises, since its start or the last `reset`.
  public func totals() throws(LabError) -> WireTotals {
    var totals = WireTotals()
    WireText.read(try ask(.totals), WireTotals.fields, into: &totals)
    return totals
  }

  /// What happened on a link, from left to right and back.
  public func statistics(of link: String) throws(LabError) -> Topology.Pair<LineStatistics> {
    let text = try ask(.statistics(link: link))
    var pair = Topology.Pair(both: LineStatistics())
    WireText.read(text, LineStatistics.fields, prefix: "forward.", into: &pair.forward)
    WireText.read(text, LineStatistics.fields, prefix: "backward.", into: &pair.backward)
    return pair
  }

  /// The counters of `totals` begin at zero again.
  public func reset() throws(LabError) { _ = try ask(.reset) }

  /// Ends the wire; its interfaces go with it.
  public func stop() throws(LabError) { _ = try ask(.stop) }

  /// The answer without its `ok`.
  private func ask(_ request: WireRequest) throws(LabError) -> Substring {
    switch WireControl.life(in: directory) {
    case .alive: break
    case .dead: throw .wireIsDead(in: directory)
    case .none: throw .refused("\(directory) has no link emulator: all links of the topology are plain")
    }
    // One name for each thread that asks, so that nobody gets another's answer.
    let own = "\(directory)/ask.\(getpid()).\(gettid())"
    let descriptor = try UnixDatagram.bound(to: own)
    defer {
      close(descriptor)
      unlink(own)
    }
    let error = UnixDatagram.connect(descriptor, to: WireControl.socketPath(in: directory))
    if error != 0 { throw .failed("speak to the link emulator in \(directory)", error) }

    try WireClient.wait(for: POLLOUT, on: descriptor)
    let text = request.text
    guard send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) == text.utf8.count else {
      throw .failed("speak to the link emulator in \(directory)", errno)
    }
    try WireClient.wait(for: POLLIN, on: descriptor)
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    guard count >= 0 else { throw .failed("hear the link emulator in \(directory)", errno) }
    let answer = String(decoding: bytes[..<count], as: UTF8.self)
    if answer.hasPrefix("ok") { return answer.dropFirst(2) }
    let sentence = answer.hasPrefix("error: ") ? String(answer.dropFirst(7)) : answer
    throw .wrongUsage(sentence)
  }

  private static func wait(for event: Int32, on descriptor: Int32) throws(LabError) {
    var watched = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    if poll(&watched, 1, Int32(patience.nanoseconds / 1_000_000)) > 0 { return }
    throw .refused("the link emulator has not answered for \(Int(patience.inSeconds)) s; is the machine overloaded?")
  }
}
