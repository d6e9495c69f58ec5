//  Interruption.swift — Ctrl-C and SIGTERM as something to ask about, so that everything is taken down in order.
//
//  A handler may do next to nothing; ours writes the signal's number into a pipe. Whoever waits, waits for the pipe
//  as well (`descriptor`), and whoever works asks between two steps (`check`). The children have a session of their
//  own, so a Ctrl-C at the terminal comes to us alone, and we end them. A second signal is not more than the first:
//  cleaning up takes a second, and leaving namespaces behind helps nobody. And a reader of our output that went away
//  (`| head`) must not kill us half-way: writing then fails, which nobody minds. SIGKILL remains; `netlab down --all`
//  is for after it.

import Glibc
import Synchronization

final class Interruption {
  private static let writeEnd = Atomic<Int32>(-1)
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// Readable once a signal came.
  let descriptor: Int32
  private var before: [(signal: Int32, action: sigaction)] = []

  /// Takes the signals over until this object goes. One at a time.
  init() throws(LabError) {
    var ends: [Int32] = [0, 0]
    if pipe2(&ends, O_CLOEXEC | O_NONBLOCK) != 0 { throw .failed("make a pipe", errno) }
    descriptor = ends[0]
    Interruption.writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in
      let end = Interruption.writeEnd.load(ordering: .relaxed)
      var byte = UInt8(truncatingIfNeeded: signal)
      let error = errno
      if end >= 0 { _ = write(end, &byte, 1) }
      errno = error
    }
    for signal in Interruption.signals {
      var old = sigaction()
      // Who started us with a signal ignored (nohup) meant it.
      if sigaction(signal, nil, &old) == 0, unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) == 1 {
        continue
      }
      sigaction(signal, &action, &old)
      before.append((signal, old))
    }
    var ignore = sigaction()
    var old = sigaction()
    ignore.__sigaction_handler.sa_handler = SIG_IGN
    sigaction(SIGPIPE, &ignore, &old)
    before.append((SIGPIPE, old))
  }

  deinit {
    for (signal, var action) in before { sigaction(signal, &action, nil) }
    close(Interruption.writeEnd.exchange(-1, ordering: .sequentiallyConsistent))
    close(descriptor)
  }

  /// The first signal that came, if one did. It stays.
  private(set) lazy var signal: Int32? = nil

  func check() throws(LabError) {
    if signal == nil {
      var byte: UInt8 = 0
      if read(descriptor, &byte, 1) == 1 { signal = Int32(byte) }
    }
    if let signal { throw LabError("stopped by \(Interruption.name(of: signal))", exitCode: 128 + signal) }
  }

  private static func name(of signal: Int32) -> String {
    switch signal {
    case SIGINT: "Ctrl-C"
    case SIGTERM: "SIGTERM"
    default: "SIGHUP"
    }
  }
}
