//  Footprint.swift — what a hub keeps for each of its branches.

import Glibc
import Primitives

public enum Footprint {
  /// Bytes of memory that the process gained when so many branches had connected, said a word, and were silent. The
  /// branches themselves are gone by then.
  public static func ofHub(branches: Int) throws -> (bytes: Int, connected: Int) {
    let before = residentBytes
    let world = try GatewayWorld.hub(branches: branches)
    world.observer.looksInside = false
    try world.start(0)
    var connected = 0
    for branch in 1...branches {
      try world.start(branch)
      let ping = world.add(.pings, from: branch, to: 0, pause: .milliseconds(100), starting: .milliseconds(50))
      // Many at once make the hub ask for cookies, which takes a little longer.
      if world.run(atMost: .seconds(5), until: { $0.flows[ping].deliveredNumbers > 0 }) { connected += 1 }
      world.flows[ping].next = nil
      world.stop(branch)
    }
    return (residentBytes - before, connected)
  }

  private static var residentBytes: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let fields = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: " "))
    let pages = fields.count > 1 ? Int(String(decoding: fields[1], as: UTF8.self)) ?? 0 : 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
