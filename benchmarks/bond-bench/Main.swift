import Glibc
import Primitives
import TestWorld
import Topology

@main struct BondBench {
  static func main() throws {
    let seed = UInt64(CommandLine.arguments[1]) ?? 1
    for path in CommandLine.arguments.dropFirst(2) {
      var bytes: [UInt8] = []
      guard let file = fopen(path, "r") else { continue }
      var buffer = [UInt8](repeating: 0, count: 65536)
      let count = fread(&buffer, 1, 65536, file)
      fclose(file)
      bytes = Array(buffer[..<count])
      let topology = try Topology(parsing: bytes, file: path)
      let result = try BondMeasurement(topology, seed: seed).run()
      print(result.topology)
      for one in result.paths.map({ ($0.name, $0.figures) }) + [("bond", result.bond)] {
        let f = one.1
        print(" ", one.0, f.goodput / 1e6, "idle", quantile(0.5, of: f.idle) ?? 0, "loaded", quantile(0.5, of: f.loaded) ?? 0, quantile(0.99, of: f.loaded) ?? 0, "retr", f.retransmissions, "rto", f.timeouts, "rec", f.recoveries, "undone", f.undone, "over", f.overtaken, f.lostOnLines)
      }
      print("  best", result.bestRatio, "sum", result.sumRatio ?? 0)
      for t in result.tallies { print("   ", t) }
      for t in result.failures { print("   !!", t) }
    }
  }
}
