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
/// Sans-IO too, but nearly every line moves bytes that were checked before: markers would hide the rest.
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
func yardstick(_ name: String, seals: Bool = false) -> Target {
  #if arch(x86_64)
    let libraries: [LinkerSetting] = seals ? [.linkedLibrary("IPSec_MB")] : []
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
    library("CIsal", pkgConfig: "libisal", apt: "libisal-dev"),
    library("CUring", pkgConfig: "liburing", apt: "liburing-dev"),
    library("CMnl", pkgConfig: "libmnl", apt: "libmnl-dev"),
    library("CNftables", pkgConfig: "libnftables", apt: "libnftables-dev"),
    library("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev"),
    library("CIpsecMb", apt: "libipsec-mb-dev"),  // x86 only: elsewhere nobody imports it, and nothing is linked
    library("CMicrohttpd", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
    library("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
    library("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
    library("CPostgres", pkgConfig: "libpq", apt: "libpq-dev"),
    library("CSystemd", pkgConfig: "libsystemd", apt: "libsystemd-dev"),
    // L0
    .target(
      name: "Primitives", cSettings: glibc, swiftSettings: strict,
      linkerSettings: [.linkedLibrary("m")]),  // squareRoot() in debug builds
    sansIO("Erasure"),
    sansIO("Sealing"),
    // L1
    sansIO("Commands", ["Primitives"]),
    sansIO("Configuration", ["Primitives", "Sealing"]),
    sansIO("JSON", ["Primitives"]),
    sansIO("Packets", ["Primitives"]),
    sansIO("Status", ["Primitives", "Sealing"]),
    sansIO("Topology", ["Primitives"]),
    sansIO("Wire", ["Primitives"]),
    // L2
    sansIO("ALTO", ["JSON", "Primitives"]),
    sansIO("Advice", ["JSON", "Primitives", "Sealing"]),
    sansIO("Consulting", ["JSON", "Primitives"]),
    sansIO("Handshake", ["Primitives", "Sealing", "Wire"]),
    sansIO("PathHealth", ["Primitives", "Wire"]),
    sansIO("PathMTU", ["Primitives"]),
    sansIO("PathOracle", ["Primitives"]),
    sansIO("Redundancy", ["Erasure", "Primitives", "Wire"]),
    sansIO("Relay", ["Primitives", "Wire"]),
    pump("Resequencer", ["Packets", "Primitives", "Wire"]),
    sansIO("Striper", ["Primitives"]),
    sansIO("Uplinks", ["Primitives"]),
    // L3
    pump(
      "Engine",
      [
        "Erasure", "Handshake", "Packets", "PathHealth", "PathMTU", "Primitives", "Redundancy", "Relay",
        "Resequencer", "Sealing", "Status", "Striper", "Wire",
      ]),
    sansIO("Oracle", ["ALTO", "JSON", "PathOracle", "Primitives", "Resequencer", "Sealing"]),
    sansIO("Simulation", ["Primitives", "Topology"]),
    // E0
    .target(name: "CLinux", cSettings: glibc),
    edge("POSIX", ["Primitives"]),
    // E1
    edge("Crypto", ["CIpsecMb", "COpenSSL", "Sealing"]),
    edge("Fetch", ["CCurl", "POSIX", "Primitives"]),
    edge("HTTP", ["CMicrohttpd", "POSIX", "Primitives"]),
    edge("Netlink", ["CLinux", "CMnl", "CNftables", "Primitives"]),
    edge("Parity", ["CIsal", "Erasure"]),
    edge("Ring", ["CUring", "Primitives"]),
    edge("Service", ["CSystemd", "POSIX", "Primitives"]),
    edge("Store", ["CPostgres", "CSQLite", "POSIX", "Primitives", "Sealing"]),
    // E2
    edge(
      "Control", ["Configuration", "Crypto", "HTTP", "JSON", "POSIX", "Primitives", "Sealing", "Status"]),
    edge("Underlay", ["POSIX", "Primitives", "Ring"]),
    edge("VNIC", ["CLinux", "Netlink", "POSIX", "Primitives"]),
    // L4
    edge(
      "Doctor",
      [
        "CLinux", "Crypto", "Handshake", "JSON", "Netlink", "POSIX", "Primitives", "Sealing", "Underlay", "Uplinks",
        "Wire",
      ]),
    edge(
      "Driver",
      [
        "Advice", "Configuration", "Control", "Crypto", "Engine", "Fetch", "Handshake", "Netlink", "POSIX", "Packets",
        "Parity", "Primitives", "Relay", "Resequencer", "Ring", "Sealing", "Service", "Status", "Underlay", "Uplinks",
        "VNIC",
        "Wire",
      ]),
    edge(
      "Lab",
      [
        "CLinux", "Configuration", "Control", "Crypto", "Netlink", "POSIX", "Packets", "Primitives", "Ring", "Sealing",
        "Simulation", "Topology", "VNIC",
      ]),
    edge(
      "OracleHost",
      [
        "ALTO", "Configuration", "Crypto", "HTTP", "JSON", "Oracle", "POSIX", "PathOracle", "Primitives", "Sealing",
        "Service", "Store",
      ]),
    edge(
      "Speed",
      [
        "CLinux", "Crypto", "Engine", "Handshake", "Netlink", "POSIX", "Packets", "Parity", "Primitives",
        "Resequencer", "Sealing", "Underlay", "VNIC", "Wire",
      ]),
    // X
    program(
      "hawser",
      [
        "Commands", "Configuration", "Control", "Crypto", "Doctor", "Driver", "HTTP", "JSON", "POSIX", "Primitives",
        "Sealing", "Service", "Speed", "Status", "Underlay",
      ]),
    program("netlab", ["Commands", "Lab", "POSIX", "Primitives", "Simulation", "Topology"]),
    program(
      "path-oracle",
      ["Commands", "Consulting", "Fetch", "OracleHost", "POSIX", "Primitives", "Resequencer", "Service", "Topology"]),
    // Benchmarks
    yardstick("floor", seals: true),
    yardstick("relay-floor"),
    benchmark("bond-bench", ["Commands", "Primitives", "Simulation", "TestWorld", "Topology"]),
    benchmark("engine-bench", ["Crypto", "Primitives", "Sealing", "Speed"]),
    benchmark("gateway-seeds", ["AllocationCount", "TestWorld"]),
    benchmark("map-bench", ["PathOracle", "Primitives"]),
    benchmark("oracle-bench", ["Commands", "PathOracle", "Primitives", "Resequencer", "TestWorld", "Topology"]),
    benchmark("oracle-load", ["Commands", "Lab", "POSIX", "Primitives", "Sealing", "Store"]),
    benchmark("parity-bench", ["Erasure", "Parity", "Primitives", "Redundancy", "Wire"]),
    benchmark("paths-bench", ["Commands", "Lab", "Primitives", "Resequencer", "Topology", "Wire"]),
    benchmark("pipe-bench", ["Commands", "Lab", "Primitives", "Topology"]),
    benchmark("relay-bench", ["Primitives", "Relay", "Wire"]),
    benchmark("resequencer-bench", ["Packets", "Primitives", "Resequencer", "Wire"]),
    benchmark("seal-bench", ["Crypto", "Sealing"]),
    benchmark("simulation-bench", ["Primitives", "Simulation", "Topology"]),
    benchmark("striper-bench", ["Primitives", "Striper"]),
    // Tests
    tests("PrimitivesTests", ["Primitives"]),
    tests("SealingTests", ["Primitives", "Sealing"]),
    tests("CommandsTests", ["Commands"]),
    tests("ConfigurationTests", ["Configuration", "Primitives", "Sealing"]),
    tests("JSONTests", ["JSON", "Primitives"]),
    tests("PacketsTests", ["Packets", "Primitives"]),
    tests("TopologyTests", ["Primitives", "Topology"]),
    tests("WireTests", ["Primitives", "Wire"]),
    tests("ALTOTests", ["ALTO", "JSON", "Primitives"]),
    tests("ConsultingTests", ["ALTO", "Consulting", "JSON", "Primitives"]),
    tests(
      "HandshakeTests", ["Crypto", "Handshake", "Primitives", "Sealing", "TestWorld", "Wire"], data: ["Vectors"]),
    tests("AdviceTests", ["Advice", "Primitives", "Sealing"]),
    tests("PathHealthTests", ["PathHealth", "Primitives", "Simulation", "Topology", "Wire"]),
    tests("PathMTUTests", ["PathMTU", "Primitives"]),
    tests("PathOracleTests", ["PathOracle", "Primitives"]),
    tests("RedundancyTests", ["Parity", "Primitives", "Redundancy", "Simulation", "Wire"]),
    tests("RelayTests", ["AllocationCount", "Primitives", "Relay", "Wire"]),
    tests("ResequencerTests", ["Packets", "Primitives", "Resequencer", "Simulation", "Wire"]),
    tests("StriperTests", ["Primitives", "Striper"]),
    tests("UplinksTests", ["Primitives", "Uplinks"]),
    tests("EngineTests", ["AllocationCount", "Engine", "Packets", "Primitives", "TestWorld"]),
    tests(
      "OracleHostTests",
      ["Configuration", "Crypto", "Fetch", "HTTP", "JSON", "Lab", "OracleHost", "Primitives", "Sealing", "Store"]),
    tests("OracleTests", ["ALTO", "JSON", "Oracle", "PathOracle", "Primitives", "Resequencer", "Sealing"]),
    tests("SimulationTests", ["Primitives", "Simulation", "Topology"]),
    tests(
      "ScenarioTests",
      [
        "Engine", "Handshake", "PathHealth", "Primitives", "Redundancy", "Relay", "Sealing", "Simulation", "Status",
        "TestWorld", "Topology", "Wire",
      ]),
    tests("CryptoTests", ["Crypto", "Primitives", "Sealing"], data: ["Vectors"]),
    tests("ParityTests", ["Erasure", "Parity", "Primitives"]),
    tests("NetlinkTests", ["CLinux", "Netlink", "Primitives"]),
    tests("RingTests", ["Primitives", "Ring"]),
    tests("ServiceTests", ["Primitives", "Service"]),
    tests("StoreTests", ["CPostgres", "CSQLite", "Lab", "Primitives", "Sealing", "Store"]),
    tests("FetchTests", ["Crypto", "Fetch", "HTTP", "Primitives"]),
    tests("HTTPTests", ["Crypto", "HTTP", "Primitives"]),
    tests("ControlTests", ["Configuration", "Control", "Crypto", "HTTP", "Primitives", "Sealing", "Status"]),
    tests("UnderlayTests", ["Primitives", "Ring", "Underlay"]),
    tests("VNICTests", ["CLinux", "Netlink", "Packets", "Primitives", "VNIC"]),
    tests("PlatformTests", ["CLinux", "Netlink", "Packets", "Primitives", "Ring", "Underlay", "VNIC"]),
    tests("SpeedTests", ["Crypto", "JSON", "Primitives", "Speed"]),
    tests("DoctorTests", ["Doctor", "JSON", "Primitives", "Sealing", "Uplinks"]),
    tests(
      "LabTests",
      [
        "CLinux", "Configuration", "Lab", "Netlink", "POSIX", "Packets", "Primitives", "Sealing", "Simulation",
        "Topology", "VNIC",
      ]),
    tests("HawserTests", ["Configuration"], data: ["BrokenFiles.txt"]),
    tests("PathOracleCommandTests", ["Crypto", "Fetch", "HTTP", "JSON", "Primitives"]),
    tests(
      "PipeTests",
      ["CLinux", "COpenSSL", "Crypto", "Handshake", "Lab", "Netlink", "Primitives", "Sealing", "Wire"]),
    tests("PackageTests", [], data: ["install.sh", "machine.sh", "two-sites.sh"]),
    tests("HouseTests", ["Configuration", "Topology"]),
    .executableTarget(
      name: "StoreWriter", dependencies: ["POSIX", "Primitives", "Store"], path: "Tests/StoreWriter", cSettings: glibc,
      swiftSettings: base),
    .target(name: "AllocationCount", path: "Tests/AllocationCount", cSettings: glibc),
    .target(
      name: "TestWorld",
      dependencies: [
        "Crypto", "Engine", "Handshake", "Packets", "Parity", "Primitives", "Relay", "Resequencer", "Sealing",
        "Simulation", "Status", "Topology", "Wire",
      ],
      path: "Tests/TestWorld",
      cSettings: glibc, swiftSettings: base),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "ALTO", "Configuration", "Consulting", "Control", "Crypto", "Handshake", "JSON", "Oracle", "Packets", "Parity",
        "PathOracle", "Primitives", "Redundancy", "Relay", "Sealing", "Simulation", "TestWorld", "Topology", "Wire",
      ],
      path: "Tests/FuzzTargets",
      cSettings: glibc, swiftSettings: strict),
    tests("FuzzReplayTests", ["Configuration", "FuzzTargets", "Topology"]),
  ],
  swiftLanguageModes: [.v6]
)
