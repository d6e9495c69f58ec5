//  MapChange.swift — something that changed in a map, as a line for people and as a JSON object.
//
//      08:15:04  delay-ow  branch → hq: 20.1 ms → 98.2 ms
//      08:15:09  lossrate  branch → west-1: unknown → 1.2 %
//      08:16:00  place     east-2 appeared, with 203.0.113.9/32
//
//  A change that people would not see, since both figures are written alike, is no line; JSON has all of them.

import JSON
import Primitives

public struct MapChange: Equatable, Sendable {
  public enum What: Equatable, Sendable {
    /// A first version: so many costs, or places when there is no metric.
    case whole(metric: String?, count: Int)
    /// nil: nobody knows.
    case cost(metric: String, from: String, to: String, before: Double?, after: Double?)
    case place(String, isNew: Bool, holds: [String])
    case placeGone(String)
  }

  public let resource: String
  public let what: What

  /// Metrics in a column of their own.
  private static let kindWidth = 8

  /// nil: not worth a line. `time` is what people are to read there.
  public func text(at time: String) -> String? {
    func line(_ kind: String, _ rest: String) -> String {
      "\(time)  \(kind.padded(to: MapChange.kindWidth))  \(rest)"
    }
    switch what {
    case .whole(let metric?, let count): return line(metric, "\(count) costs")
    case .whole(nil, let count): return line("map", "\(count) places")
    case .cost(let metric, let from, let to, let before, let after):
      let (old, new) = (MapChange.figure(before, of: metric), MapChange.figure(after, of: metric))
      return old == new ? nil : line(metric, "\(from) → \(to): \(old) → \(new)")
    case .place(let name, let isNew, let prefixes):
      let list = prefixes.isEmpty ? "no addresses" : prefixes.joined(separator: ", ")
      return line("place", isNew ? "\(name) appeared, with \(list)" : "\(name) has \(list) now")
    case .placeGone(let name): return line("place", "\(name) is gone")
    }
  }

  public func json(at time: String) -> String {
    JSONText.object { page in
      page.member("time", time)
      page.member("resource", resource)
      switch what {
      case .whole(let metric, let count):
        page.member("event", "whole")
        page.member("metric", metric)
        page.member(metric == nil ? "places" : "costs", count)
      case .cost(let metric, let from, let to, let before, let after):
        page.member("event", "cost")
        page.member("metric", metric)
        page.member("from", from)
        page.member("to", to)
        page.member("before" + MapChange.unit(of: metric), before)
        page.member("after" + MapChange.unit(of: metric), after)
      case .place(let name, let isNew, let prefixes):
        page.member("event", isNew ? "appeared" : "addresses")
        page.member("place", name)
        page.array("addresses") { for prefix in prefixes { $0.element(prefix) } }
      case .placeGone(let name):
        page.member("event", "gone")
        page.member("place", name)
      }
    }
  }

  /// The units of RFC 9439, behind the name as in all our JSON.
  private static func unit(of metric: String) -> String {
    switch metric.prefix(while: { $0 != ":" }) {
    case "delay-ow", "delay-rt", "delay-variation": "_us"
    case "lossrate": "_percent"
    case "tput", "bw-available", "bw-residual": "_bytes_per_s"
    default: ""
    }
  }

  private static func figure(_ value: Double?, of metric: String) -> String {
    guard let value = Figures.amount(value) else { return "unknown" }
    switch unit(of: metric) {
    case "_us": return Figures.interval(microseconds: value).map { Figures.time($0) } ?? Figures.number(value)
    case "_percent": return Figures.share(value / 100)
    case "_bytes_per_s": return Figures.rate(bitsPerSecond: value * 8).map { Figures.rate($0) } ?? "0 kbit/s"
    default: return Figures.number(value)
    }
  }
}
