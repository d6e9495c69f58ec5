import Glibc
import Testing
@testable import Lab
@Suite struct Scratch {
  @Test func write() {
    for bond in [nil, "mptcp"] as [String?] {
      var results = Matrix16.profiles(withBond: bond != nil);
      results[5].outcome = .failed(
        "the wire delivered 0.4 % of the packets too late, three times; close other programs")
      let sub = "16 profiles · 1 flow · cubic · 5 s · up"
      for (n, s) in [
        ("goodput", Charts.goodput(results, bond: bond, subtitle: sub).svg),
        ("latency", Charts.latency(results, bond: bond, subtitle: sub).svg),
      ] {
        let f = fopen("/tmp/benchrec/\(n)-\(bond ?? "none").svg", "w")!
        fputs(s, f); fclose(f)
      }
    }
  }
}
