// swift-tools-version: 6.2
import PackageDescription

//  The fuzzers: a package of its own, because libFuzzer needs flags that the main package shall not have. `make fuzz`
//  builds everything below it with the same instrumentation and says where the corpus is.

let package = Package(
  name: "hawser-fuzz",
  dependencies: [.package(name: "hawser", path: "../..")],
  targets: [
    .executableTarget(
      name: "fuzz", dependencies: [.product(name: "FuzzTargets", package: "hawser")],
      swiftSettings: [.unsafeFlags(["-parse-as-library"])],
      // gold stops with an internal error on the instrumented sections.
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
  ],
  swiftLanguageModes: [.v6]
)
