//  CounterKinds.swift — which of the counters count work, which repairs, and which something that was refused or lost.
//
//  Why.  A table that tells what went wrong must not begin with how much went right; and the metrics have one family
//  for all that was dropped. Both ask here. A counter that nobody names is one of refusals: a new verdict of the engine
//  is seen before anybody remembers this list.

extension StatusSnapshot.Counter {
  public enum Kind: Sendable {
    /// As it should be.
    case work
    /// Done against loss.
    case repair
    /// Refused, dropped, lost or odd.
    case refusal
  }

  public var kind: Kind {
    switch (group, verdict) {
    case ("classifier", "classified"), ("classifier", "fragments"), ("queues", "queued"), ("gatekeeper", "initiations"),
      ("gatekeeper", "responses"), ("gatekeeper", "cookies"), ("resequencer", "accepted"),
      ("resequencer", "deliveredPackets"), ("resequencer", "deliveredBytes"), ("resequencer", "deliveries"),
      ("resequencer", "segments"):
      .work
    case ("engine", "repaired"), ("engine", "moved"), ("engine", "copied"), ("engine", "parity"), ("engine", "tried"),
      ("engine", "needless"), ("engine", "rebuilt"), ("resequencer", "salvagedBytes"), ("resequencer", "congested"):
      .repair
    default: .refusal
    }
  }
}
