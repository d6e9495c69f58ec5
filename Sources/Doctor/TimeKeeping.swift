//  TimeKeeping.swift — is the clock that people read right?
//
//  A question of a handshake carries its time, and must be later than the last one: a gateway whose clock was set back
//  over a restart is asked back, which costs a moment. Budgets end with days, certificates with seconds.

import CLinux

struct TimeKeeping: Equatable {
  /// What adjtimex said; nil: it was refused.
  var isSynchronised: Bool?

  static func observe() -> TimeKeeping {
    let answer = hawser_clock_is_synchronised()
    return TimeKeeping(isSynchronised: answer < 0 ? nil : answer == 1)
  }

  var diagnosis: Diagnosis {
    switch isSynchronised {
    case true?: .fine("time", "synchronised")
    case false?:
      .warning(
        "time", "nothing keeps the clock right: budgets and certificates go by it",
        remedy: "timedatectl set-ntp true, or install chrony")
    case nil: .warning("time", "the kernel does not say whether it is synchronised", remedy: "see timedatectl")
    }
  }
}
