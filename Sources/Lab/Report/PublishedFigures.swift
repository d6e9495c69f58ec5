//  PublishedFigures.swift — what others say of themselves, for the same profiles.
//
//  mqvpn's author published sixteen profiles, which topologies/matrix follows: one flow of QUIC inside the tunnel, the
//  median of three repeats, the best of the project's four configurations. The figures are his and were not measured
//  again; each ratio is to what he measured over his paths alone, on his machine. Three profiles have no figure.

enum PublishedFigures {
  struct Figure: Equatable {
    /// By the name of the profile's file.
    var profile: String
    var megabits: Double
    var ofBest: Double
    var ofSum: Double
  }

  static let source = "mqvpn"

  static let all: [Figure] = [
    Figure(profile: "baseline", megabits: 73.9, ofBest: 1.82, ofSum: 0.91),
    Figure(profile: "loss_05", megabits: 70.7, ofBest: 2.20, ofSum: 1.14),
    Figure(profile: "loss_2", megabits: 29.0, ofBest: 1.78, ofSum: 0.90),
    Figure(profile: "jit_20", megabits: 37.6, ofBest: 2.16, ofSum: 1.32),
    Figure(profile: "rtt_40", megabits: 49.0, ofBest: 1.21, ofSum: 0.62),
    Figure(profile: "rtt_70", megabits: 40.2, ofBest: 0.99, ofSum: 0.54),
    Figure(profile: "rtt_120", megabits: 40.6, ofBest: 1.00, ofSum: 0.60),
    Figure(profile: "bw_4to1", megabits: 39.9, ofBest: 0.98, ofSum: 0.78),
    Figure(profile: "bw_10to1", megabits: 70.1, ofBest: 0.94, ofSum: 0.85),
    Figure(profile: "dual_lte", megabits: 29.6, ofBest: 1.00, ofSum: 0.61),
    Figure(profile: "fiber_lte", megabits: 212.3, ofBest: 1.00, ofSum: 0.91),
    Figure(profile: "lte_starlink", megabits: 27.2, ofBest: 0.92, ofSum: 0.71),
    Figure(profile: "congested", megabits: 6.4, ofBest: 1.00, ofSum: 0.53),
  ]

  static func figure(of profile: String) -> Figure? { all.first { $0.profile == profile } }
}
