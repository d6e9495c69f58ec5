//  Processor.swift — how fast will encryption be?
//
//  At 1,400 bytes a datagram, one core: AES-128-GCM with VAES 134 ns, with AES alone about 500 ns, ChaCha20-Poly1305
//  600 ns to 1,000 ns. All of them work.

struct Processor: Equatable {
  /// Names of the instruction sets, as the kernel writes them.
  let features: Set<String>

  static func observe() -> Processor { Processor(cpuinfo: contents(of: "/proc/cpuinfo") ?? "") }

  /// The first processor speaks for all.
  init(cpuinfo: String) {
    let line = field("flags", in: cpuinfo) ?? field("Features", in: cpuinfo) ?? ""
    features = Set(line.split(separator: " ").map(String.init))
  }

  var diagnosis: Diagnosis {
    if features.isEmpty {
      return .warning(
        "cpu", "/proc/cpuinfo does not tell what the processor can do", remedy: "mount /proc in the container")
    }
    if features.isSuperset(of: ["vaes", "vpclmulqdq"]) {
      return .fine("cpu", "AES with VAES: encryption at full speed")
    }
    if features.isSuperset(of: ["aes", "pclmulqdq"]) || features.isSuperset(of: ["aes", "pmull"]) {
      return .fine("cpu", "AES without VAES")
    }
    return .warning(
      "cpu", "no AES instructions: ChaCha20-Poly1305 is used, at a fifth of the speed",
      remedy: "use a processor with AES, or let the virtual machine see it (CPU model 'host')")
  }
}
