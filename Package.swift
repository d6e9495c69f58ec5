// swift-tools-version: 6.2
import PackageDescription

//  The house, from the ground up. Arrows point down only, and modules of one layer do not import each other;
//  SwiftPM would not notice if they did, so Tests/HouseTests holds the same table and fails when a file breaks it.

/// A Debian library: pkg-config knows its flags, apt its name.
func library(_ module: String, pkgConfig: String, apt: String) -> Target {
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
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, cSettings: glibc, swiftSettings: base)
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
    library("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    library("CNftables", pkgConfig: "libnftables", apt: "libnftables-dev"),
    // L0
    .target(
      name: "Primitives", cSettings: glibc, swiftSettings: strict,
      linkerSettings: [.linkedLibrary("m")]),  // squareRoot() in debug builds
    sansIO("Sealing"),
    sansIO("Commands", ["Primitives"]),
    // L1
    sansIO("Topology", ["Primitives"]),
    sansIO("Wire", ["Primitives"]),
    sansIO("Packets", ["Primitives"]),
    sansIO("Configuration", ["Primitives", "Sealing"]),
    // L2
    sansIO("Striper", ["Primitives"]),
    pump("Resequencer", ["Primitives", "Packets", "Wire"]),
    sansIO("Handshake", ["Primitives", "Sealing", "Wire"]),
    // L3
    sansIO("Simulation", ["Primitives", "Topology"]),
    pump("Engine", ["Primitives", "Sealing", "Wire", "Packets", "Striper", "Resequencer", "Handshake"]),
    // E
    .target(name: "CLinux", cSettings: glibc),
    edge("Netlink", ["CLinux", "CMnl", "CNftables", "Primitives"]),
    edge("Crypto", ["Sealing", "COpenSSL"]),
    edge("Ring", ["CUring", "Primitives"]),
    edge("VNIC", ["CLinux", "Netlink", "Primitives"]),
    edge("Underlay", ["Ring", "Primitives"]),
    // L4
    edge("Driver", ["Engine", "Crypto", "Underlay", "VNIC", "Ring", "Netlink", "Primitives", "Sealing", "CLinux"]),
    edge("Doctor", ["Primitives", "CLinux"]),
    edge("Lab", ["Netlink", "Ring", "Packets", "VNIC", "CLinux", "Simulation", "Topology", "Primitives"]),
    // X
    program("hawser", ["Commands", "Doctor"]),
    program("netlab", ["Primitives", "Commands", "Topology", "Simulation", "Lab"]),
    program("path-oracle", ["Commands", "Primitives", "Resequencer", "Topology"]),
    benchmark("simulation-bench", ["Simulation", "Topology", "Primitives"]),
    // Tests
    tests("PrimitivesTests", ["Primitives"]),
    tests("CommandsTests", ["Commands"]),
    tests("TopologyTests", ["Topology", "Primitives"]),
    tests("ResequencerTests", ["Primitives", "Resequencer", "Simulation"]),
    tests("SimulationTests", ["Simulation", "Primitives", "Topology"]),
    tests("ScenarioTests", ["Simulation", "Primitives", "Topology"]),
    tests("NetlinkTests", ["Netlink", "CLinux", "Primitives"]),
    tests("RingTests", ["Ring", "Primitives"]),
    tests("UnderlayTests", ["Underlay", "Ring", "Primitives"]),
    tests("VNICTests", ["VNIC", "Netlink", "Packets", "CLinux", "Primitives"]),
    tests("PlatformTests", ["Packets", "Ring", "Underlay", "VNIC", "Netlink", "CLinux", "Primitives"]),
    tests("DoctorTests", ["Doctor", "Primitives"]),
    tests("LabTests", ["Lab", "Packets", "Netlink", "VNIC", "Simulation", "Topology", "Primitives", "CLinux"]),
    tests("HawserTests", []),
    tests("PathOracleCommandTests", []),
    tests("HouseTests", ["Topology"]),
    .target(
      name: "FuzzTargets", dependencies: ["Primitives", "Topology", "Simulation"], path: "Tests/FuzzTargets",
      cSettings: glibc, swiftSettings: strict),
    tests("FuzzReplayTests", ["FuzzTargets", "Topology"]),
  ],
  swiftLanguageModes: [.v6]
)
