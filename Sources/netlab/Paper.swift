//  Paper.swift — the commands that need no network: draw, simulate.

import Commands
import Glibc
import Primitives
import Simulation
import Topology

extension Netlab {
  static func draw(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let topology = try Files.topology(invocation[Words.file])
    return Output.write(topology.drawing()) ? 0 : 1
  }

  static func simulate(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let path = invocation[Words.file]
    let topology = try Files.topology(path)
    let traces = try Files.traces(of: topology, at: path)
    let log = try sink(invocation[Words.log])
    let capture = try sink(invocation[Words.pcap])
    let run = SimulationRun(
      topology, traces: traces, seed: invocation[Words.seed],
      duration: .seconds(Int64(invocation[Words.simulated])), log: log, capture: capture)
    let summary: SimulationSummary
    do throws(SimulationRun.Unable) { summary = try run.run() } catch {
      throw Refusal("\(path): \(error)", exitCode: 64)
    }
    try log?.finish()
    try capture?.finish()
    return Output.write(invocation[Words.json] ? summary.json() : summary.table()) ? 0 : 1
  }

  private static func sink(_ path: String?) throws(Refusal) -> FileSink? {
    guard let path else { return nil }
    return try FileSink(path)
  }
}

/// Writes what the simulator hands out. A failure is kept until the end: it must not change what is simulated.
private final class FileSink: ByteSink {
  private let path: String
  private let descriptor: Int32
  private var failure: Int32 = 0

  init(_ path: String) throws(Refusal) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if descriptor < 0 {
      throw Refusal("netlab: cannot write \(path): \(String(cString: strerror(errno)))", exitCode: 2)
    }
  }

  deinit { close(descriptor) }

  func write(_ bytes: Span<UInt8>) {
    bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count && failure == 0 {
        let count = Glibc.write(descriptor, buffer.baseAddress! + sent, buffer.count - sent)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { failure = count < 0 ? errno : EIO } else { sent += count }
      }
    }
  }

  func finish() throws(Refusal) {
    if failure == 0 { return }
    throw Refusal("netlab: \(path) is not complete: \(String(cString: strerror(failure)))", exitCode: 2)
  }
}
