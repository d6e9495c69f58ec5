//  ServiceManager.swift — what a program tells the manager that started it: ready, reloading, stopping, alive.
//
//  Without a manager (NOTIFY_SOCKET is not set) nothing of it happens, and nothing is different.
//
//  A manager that does not listen must not stop a gateway: its socket holds a few hundred datagrams, and who sends more
//  waits. So what a loop says while it runs (`alive`) is sent if there is room, and is otherwise missing, as it should
//  be when a manager hangs. What must arrive (ready, descriptors) is said at the start, and waits.

internal import CSystemd
import Glibc
public import Primitives

public enum ServiceManager {
  public static var isThere: Bool { getenv("NOTIFY_SOCKET") != nil }

  /// Everything works from here on; `status` is what `systemctl status` shows.
  public static func ready(_ status: String) { notify("READY=1\nSTATUS=\(line(status))") }

  /// A changed configuration is being read. `ready` ends it, whatever came of it.
  public static func reloading(at now: Instant) {
    notify("RELOADING=1\nMONOTONIC_USEC=\(now.nanoseconds / 1_000)\nSTATUS=reads its configuration")
  }

  public static func stopping() { notifyIfPossible("STOPPING=1") }

  public static func status(_ text: String) { notifyIfPossible("STATUS=\(line(text))") }

  static func alive() { notifyIfPossible("WATCHDOG=1") }

  static func notifyIfPossible(_ state: String) {
    guard let name = getenv("NOTIFY_SOCKET"), var address = address(String(cString: name)) else { return }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if descriptor < 0 { return }
    defer { close(descriptor) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + strlen(name))
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
        var bytes = Array(state.utf8)
        _ = sendto(
          descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL),
          __CONST_SOCKADDR_ARG(__sockaddr__: place), length)
      }
    }
  }

  /// A path, or with "@" in front a name that is in no file system.
  private static func address(_ name: String) -> sockaddr_un? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(name.utf8)
    guard let first = bytes.first, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    if first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return address
  }

  /// How often it wants to hear that we are alive, at least; nil: it does not.
  static var patience: Interval? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
    // No manager waits for a year.
    return .microseconds(Int64(clamping: min(microseconds, 31_536_000_000_000)))
  }

  static func notify(_ state: String) {
    if isThere { sd_notify(0, state) }
  }

  /// The protocol's lines end with a line break, and a status is one of them.
  private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }
}

/// The sign of life that a watchdog waits for. It is given by the loop itself, between two turns: a thread of its own
/// would go on saying "alive" for a loop that hangs.
public struct Heartbeat {
  private let pause: Interval?
  /// When the next is due; whoever waits for something else must not wait longer.
  public private(set) var deadline: Instant?

  /// As the manager wants it. A third of its patience: one beat may come late.
  public init(at now: Instant) { self.init(patience: ServiceManager.patience, at: now) }

  init(patience: Interval?, at now: Instant) {
    pause = patience.map { max(.milliseconds(1), $0 / 3) }
    deadline = pause.map { _ in now }
  }

  /// In each turn. True when there was a beat.
  @discardableResult
  public mutating func beat(at now: Instant) -> Bool {
    guard let pause, let due = deadline, due <= now else { return false }
    deadline = now + pause
    ServiceManager.alive()
    return true
  }
}
