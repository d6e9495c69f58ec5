// swift-tools-version: 6.2
import PackageDescription

//  The house, from the ground up. Arrows point down only, and modules of one layer do not import each other;
//  SwiftPM would not notice if they did, so Tests/HouseTests holds the same table and fails when a file breaks it.

/// A Debian library: pkg-config knows its flags (if it needs any), apt its name.
func library(_ module: String, pkgConfig: String? = nil, apt: String) -> Target {
  .systemLibrary(name: module, path: "Sources/System/\(module)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

/// SwiftPM hands C defines of Swift targets to the importer: every module then sees the same glibc.
let glibc: [CSetting] = [.define("_GNU_SOURCE")]
let base: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]
/// For what reads bytes that we did not write: every unsafe spot must say so.
let strict = base + [.strictMemorySafety()]

func sansIO(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: strict)
}
/// Sans-IO like the others, but nearly every line moves bytes that were checked before: the markers would hide the rest.
func pump(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: base)
}
func edge(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: base)
}
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: base)
}
/// A program that measures; it is built with the rest and not installed.
func benchmark(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "benchmarks/\(name)", cSettings: glibc, swiftSettings: base)
}
/// A program in C that ours is measured against. Intel's library is for Intel's processors and their like.
func yardstick(_ name: String) -> Target {
  #if arch(x86_64)
    let libraries: [LinkerSetting] = [.linkedLibrary("IPSec_MB")]
  #else
    let libraries: [LinkerSetting] = []
  #endif
  return .executableTarget(
    name: name, path: "benchmarks/\(name)", cSettings: glibc, linkerSettings: libraries)
}
/// `data` are folders that the tests read where they are.
func tests(_ name: String, _ dependencies: [Target.Dependency], data: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: data, cSettings: glibc, swiftSettings: base)
}

let package = Package(
  name: "hawser",
  products: [
    .executable(name: "hawser", targets: ["hawser"]),
    .executable(name: "netlab", targets: ["netlab"]),
    .executable(name: "path-oracle", targets: ["path-oracle"]),
    .library(name: "FuzzTargets", targets: ["FuzzTargets"]),  // for the package in Tests/Fuzz
  ],
  targets: [
    // System libraries
    library("CUring", pkgConfig: "liburing", apt: "liburing-dev"),
    library("CMnl", pkgConfig: "libmnl", apt: "libmnl-dev"),
    library("CMicrohttpd", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
    library("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev"),
    library("CIpsecMb", apt: "libipsec-mb-dev"),  // x86 only: elsewhere nobody imports it, and nothing is linked
    library("CNftables", pkgConfig: "libnftables", apt: "libnftables-dev"),
    // L0
    .target(
      name: "Primitives", cSettings: glibc, swiftSettings: strict,
      linkerSettings: [.linkedLibrary("m")]),  // squareRoot() in debug builds
    sansIO("Sealing"),
    sansIO("Commands", ["Primitives"]),
    // L1
    sansIO("Topology", ["Primitives"]),
    sansIO("Wire"),
    sansIO("Packets", ["Primitives"]),
    sansIO("Configuration", ["Primitives", "Sealing"]),
    sansIO("Status", ["Primitives", "Sealing"]),
    // L2
    sansIO("Striper", ["Primitives"]),
    pump("Resequencer", ["Primitives", "Packets", "Wire"]),
    sansIO("Handshake", ["Primitives", "Sealing", "Wire"]),
    // L3
    sansIO("Simulation", ["Primitives", "Topology"]),
    pump("Engine", ["Primitives", "Status", "Sealing", "Wire", "Packets", "Striper", "Resequencer", "Handshake"]),
    // E
    .target(name: "CLinux", cSettings: glibc),
    edge("Netlink", ["CLinux", "CMnl", "CNftables", "Primitives"]),
    edge("Crypto", ["Sealing", "COpenSSL", "CIpsecMb"]),
    edge("Ring", ["CUring", "Primitives"]),
    edge("HTTP", ["CMicrohttpd"]),
    edge("VNIC", ["CLinux", "Netlink", "Primitives"]),
    edge("Control", ["HTTP", "Status", "Primitives"]),
    edge("Underlay", ["Ring", "Primitives"]),
    // L4
    edge(
      "Driver",
      [
        "Engine", "Handshake", "Resequencer", "Packets", "Wire", "Configuration", "Status", "Control", "Crypto",
        "Underlay",
        "VNIC", "Ring", "Netlink", "Primitives", "Sealing",
      ]),
    edge("Doctor", ["Primitives", "CLinux"]),
    edge("Lab", ["Netlink", "Ring", "Packets", "VNIC", "CLinux", "Simulation", "Topology", "Primitives"]),
    // X
    program(
      "hawser",
      ["Commands", "Configuration", "Control", "Crypto", "Doctor", "Driver", "Primitives", "Sealing", "Status"]),
    program("netlab", ["Primitives", "Commands", "Topology", "Simulation", "Lab"]),
    program("path-oracle", ["Commands", "Primitives", "Resequencer", "Topology"]),
    yardstick("floor"),
    benchmark("pipe-bench", ["Lab", "Topology", "Commands", "Primitives"]),
    benchmark("resequencer-bench", ["Resequencer", "Packets", "Wire", "Primitives"]),
    benchmark("simulation-bench", ["Simulation", "Topology", "Primitives"]),
    benchmark("seal-bench", ["Crypto", "Sealing"]),
    benchmark("gateway-seeds", ["TestWorld", "AllocationCount"]),
    // Tests
    tests("PrimitivesTests", ["Primitives"]),
    tests("SealingTests", ["Sealing", "Primitives"]),
    tests("CommandsTests", ["Commands"]),
    tests("PacketsTests", ["Packets", "Primitives"]),
    tests("TopologyTests", ["Topology", "Primitives"]),
    tests("WireTests", ["Wire", "Primitives"]),
    tests("ConfigurationTests", ["Configuration", "Primitives", "Sealing"]),
    tests("ControlTests", ["Control", "Status", "Primitives", "Sealing"]),
    tests("StriperTests", ["Striper", "Primitives"]),
    tests("EngineTests", ["Engine", "Packets", "Primitives", "TestWorld", "AllocationCount"]),
    .target(name: "AllocationCount", path: "Tests/AllocationCount", cSettings: glibc),
    tests("ResequencerTests", ["Primitives", "Packets", "Wire", "Resequencer", "Simulation"]),
    tests(
      "HandshakeTests", ["Handshake", "Crypto", "TestWorld", "Primitives", "Sealing", "Wire"], data: ["Vectors"]),
    tests("SimulationTests", ["Simulation", "Primitives", "Topology"]),
    tests("ScenarioTests", ["TestWorld", "Engine", "Handshake", "Wire", "Simulation", "Primitives", "Topology"]),
    tests("NetlinkTests", ["Netlink", "CLinux", "Primitives"]),
    tests("CryptoTests", ["Crypto", "Sealing", "Primitives"], data: ["Vectors"]),
    tests("RingTests", ["Ring", "Primitives"]),
    tests("UnderlayTests", ["Underlay", "Ring", "Primitives"]),
    tests("VNICTests", ["VNIC", "Netlink", "Packets", "CLinux", "Primitives"]),
    tests("PlatformTests", ["Packets", "Ring", "Underlay", "VNIC", "Netlink", "CLinux", "Primitives"]),
    tests("DoctorTests", ["Doctor", "Primitives"]),
    tests("LabTests", ["Lab", "Packets", "Netlink", "VNIC", "Simulation", "Topology", "Primitives", "CLinux"]),
    tests("HawserTests", []),
    tests("PathOracleCommandTests", []),
    tests("HouseTests", ["Configuration", "Topology"]),
    .target(
      name: "TestWorld",
      dependencies: [
        "Engine", "Resequencer", "Handshake", "Packets", "Wire", "Status", "Sealing", "Crypto",
        "Primitives",
      ],
      path: "Tests/TestWorld",
      cSettings: glibc, swiftSettings: base),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "TestWorld", "Primitives", "Topology", "Simulation", "Configuration", "Packets", "Wire", "Handshake", "Sealing",
        "Crypto",
      ],
      path: "Tests/FuzzTargets",
      cSettings: glibc, swiftSettings: strict),
    tests("FuzzReplayTests", ["FuzzTargets", "Configuration", "Topology"]),
  ],
  swiftLanguageModes: [.v6]
)
