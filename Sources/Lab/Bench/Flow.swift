//  Flow.swift — what is measured: between whom, over what, and what came of it.

import Primitives

/// Between whom, over what.
struct Course {
  struct End {
    var node: Int
    var address: String
  }

  /// Who opens the connection, and who waits for it.
  var opener: End
  var listener: End
  /// Whether data that goes "up" goes from the opener to the listener.
  var isForward: Bool
}

/// What joined two sites while a flow is measured: everything that differs from plain TCP over one path.
struct Flow {
  var name: String
  var course: Course
  /// Where pings go; a peer that carries only TCP leaves them beside it.
  var pings: Course
  /// What stands before `iperf3` in its command.
  var launcher: [String] = []
  /// Interfaces whose received bytes show how it goes.
  var meters: [Meter] = []
  /// The slowest round trip of anything that the flow runs over, if that is known already: it decides the warm-up.
  var slowestRoundTrip: Interval?
  /// Whether the delay of what it runs over wanders, so that it takes seconds to show where its middle is.
  var wanders = false
  /// Whether the events of the file begin when the counted part does.
  var startsEvents = false

  struct Meter {
    var node: Int
    var interface: String
  }
}

struct Figures {
  var goodputBitsPerSecond: Double
  var retransmits: Int?
  var idle: Samples
  var loaded: Samples
  var warmUp: Interval
  /// The share of packets that the wire did not deliver in time.
  var lateShare: Double?
  /// For each meter of the flow, the bytes that it received in the counted part.
  var received: [UInt64]
  /// The events of the file did not begin with this measurement, for this reason.
  var eventsRefusal: String?
}
