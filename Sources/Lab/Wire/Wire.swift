//  Wire.swift — the process that is all the lines of a topology.
//
//  It reads the topology from its directory, makes both interfaces of every link that is emulated, each in its node's
//  namespace, says `ready`, and carries frames from the moment at which somebody brings the interfaces up. The
//  interfaces are its own: when it dies they go, so that nothing of the network can be mistaken for working.
//
//  Priority.  The wire is a piece of line: it must run when a frame is due, whoever computes. So it is the least of the
//  real-time processes. Measured beside compilers that kept both cores busy, one TCP flow of 300 Mbit/s, frames more
//  than 1 ms late: 12 to 370 of 110,000; with nice -20 and short slices 140 to 11,400, since a kernel that is not
//  preemptible decides at its next tick. That is what is left where real time is refused. A wire that takes all of a
//  core is stopped for 50 ms of every second (sched_rt_runtime_us), which shows in `late`.
//
//  Memory.  FramePool's bound, the ring's 300 KiB, 4 KiB for each TAP, and some 50 bytes for each frame on a line: 41
//  MB for a link of 1 Gbit/s, of which 25 are the pool.

import CLinux
import Glibc
import POSIX
import Primitives
import Ring
import Simulation
import Topology
import VNIC

public enum Wire {
  /// Shorter than a turn of the loop that has something to do.
  private static let sliceNanoseconds: UInt64 = 100_000

  /// Runs the wire of the topology whose directory this is, until it is told to stop or its interfaces are gone. It
  /// says `ready` on standard output, or `error: ` and a sentence. Returns the exit code.
  public static func run(directory: String) -> Int32 {
    do throws(LabError) {
      becomeUrgent()
      var loop = try prepare(directory)
      say("ready")
      loop.run()
      return 0
    } catch {
      say("error: \(error)")
      return 1
    }
  }

  private static func prepare(_ directory: String) throws(LabError) -> WireLoop {
    let topology = try readTopology(directory + "/topology")
    let source = try SmallFile.readText(directory + "/source").prefix { $0 != "\n" }
    let readTrace: WireLoop.TraceReader = { file throws(LabError) in try Wire.readTrace(file, of: String(source)) }
    var traces: [String: DeliveryTrace] = [:]
    for file in topology.traceFiles { traces[file] = try readTrace(file) }

    var namespaces: [Namespace] = []
    for node in topology.nodes {
      namespaces.append(try Namespace.open(LabState(topology.name).namespaceName(of: node)))
    }
    var loop = try makeLoop(
      for: topology, traces: traces, slots: nil, random: SeededRandom(seed: MonotonicClock.now.nanoseconds),
      control: try WireControl(directory: directory), readTrace: readTrace)
    try addTaps(of: topology, in: namespaces.map(\.descriptor), to: &loop)
    return loop
  }

  /// A loop without its TAPs. It belongs to the calling thread. `slots` nil: what the topology needs.
  static func makeLoop(
    for topology: Topology, traces: [String: DeliveryTrace], slots: Int?, random: SeededRandom,
    control: consuming WireControl, readTrace: @escaping WireLoop.TraceReader
  ) throws(LabError) -> WireLoop {
    let ends = 2 * topology.links.indices.count(where: topology.isEmulated)
    raiseFileLimit(to: ends + 2 * topology.nodes.count + 64)
    let ring: Ring
    do throws(RingFailure) {
      ring = try Ring.make(
        entries: 2 * WireLoop.mostWrites, completions: WireLoop.mostCompletions, bufferGroups: ends)
    } catch {
      throw .refused("\(error)")
    }
    let lent = ends * WireLoop.lentPerTap(of: ends)
    let slots = slots.map { $0 + lent } ?? FramePool.slots(for: topology, traces: traces, lent: lent)
    guard let pool = FramePool(slots: slots, slotLength: FramePool.slotLength(for: topology)) else {
      throw .failed("get memory for \(slots) frames", errno)
    }
    let carrier = Carrier(topology, traces: traces, slots: slots, random: random)
    return WireLoop(
      ring: ring, carrier: carrier, pool: pool, drops: InterfaceDrops(namespaces: topology.nodes.count),
      control: control, readTrace: readTrace)
  }

  /// Makes the interfaces of all emulated links. `namespaces` holds one for each node.
  static func addTaps(of topology: Topology, in namespaces: [Int32], to loop: inout WireLoop) throws(LabError) {
    let plan = AddressPlan(topology)
    for link in topology.links.indices where topology.isEmulated(link) {
      for node in [topology.links[link].a, topology.links[link].b] {
        let name = plan.interface(of: link, at: node).name
        let tap: VNIC
        do throws(OpenFailure) {
          tap = try VNIC.open(name, kind: .tap, offloads: .checksum, in: namespaces[node])
        } catch {
          throw .refused("\(topology.nodes[node].name): \(error)")
        }
        try loop.add(tap)
      }
    }
    for node in topology.nodes.indices {
      let links = topology.links(at: node).filter(topology.isEmulated)
      if links.isEmpty { continue }
      let names = links.map { plan.interface(of: $0, at: node).name }
      try loop.watchDrops(of: names, in: namespaces[node], at: topology.nodes[node].name)
    }
  }

  private static func readTopology(_ file: String) throws(LabError) -> Topology {
    let text = try SmallFile.read(file)
    do throws(Topology.ParseError) {
      return try Topology(parsing: text, file: file)
    } catch {
      throw .refused("\(error)")
    }
  }

  /// A trace's path is relative to the file that names it.
  private static func readTrace(_ file: String, of source: String) throws(LabError) -> DeliveryTrace {
    let directory = source.lastIndex(of: "/").map { source[...$0] } ?? ""
    let path = file.hasPrefix("/") ? file : directory + file
    let text = try SmallFile.read(path)
    do throws(DeliveryTrace.ParseError) {
      return try DeliveryTrace(parsing: text)
    } catch {
      switch error {
      case .malformed(let line, let what): throw .wrongUsage("\(path):\(line):1: \(what)")
      }
    }
  }

  // MARK: The process

  /// What is refused here only costs precision, which the wire measures by itself.
  private static func becomeUrgent() {
    _ = setsid()
    if hawser_run_before_others() == 0 { return }
    // The scheduler weighs sessions before it weighs processes.
    try? SmallFile.set("/proc/self/autogroup", "-20")
    _ = hawser_set_urgency(-20, sliceNanoseconds)
  }

  private static func raiseFileLimit(to count: Int) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    if limit.rlim_cur >= UInt(count) { return }
    limit.rlim_cur = UInt(count)
    limit.rlim_max = max(limit.rlim_max, limit.rlim_cur)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// The last word on standard output: whoever started us reads to its end and goes on.
  private static func say(_ line: String) {
    let text = line + "\n"
    _ = text.utf8.withContiguousStorageIfAvailable { write(1, $0.baseAddress, $0.count) }
    let nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)
    dup2(nowhere, 1)
    close(nowhere)
  }
}
