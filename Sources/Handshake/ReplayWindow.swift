//  ReplayWindow.swift — which of the last 8,192 counters of a path were seen, so that no datagram is taken twice.
//
//  Why.  What was recorded on the wire can be sent again, authentic as ever. A path is nearly FIFO, yet a batch of
//  datagrams overtaken by the next one is as many as 64, and several queues of an adapter reorder whole batches: the
//  8,192 of the window are 100 ms at a gigabit a second.
//
//  How.  A ring of bits, counter n at bit n modulo 8,192. `next` is the counter behind the greatest one that was
//  accepted; what moves it forward clears the bits between:
//
//            next − 8192                          next
//               ▼                                   ▼
//      too old  │ 1 1 0 1 1 1 1 … 1 1 0 0 1 1 0 1 1 │ always new
//
//  `check` comes before a datagram is opened, since a repetition is not worth the work; `accept` after it, since only
//  what is authentic may move the window. Two copies in one batch both pass the check, so `accept` looks again.
//
//  Rejected.  Clearing whole words only (RFC 6479): it needs no masks, but a window that is sometimes a word shorter
//  than it says.
//
//  Always true.  (1) `accept` says `fresh` at most once for each counter. (2) A counter within the window and not seen
//  is fresh. (3) `check` changes nothing. The property tests compare with a set.

@safe public struct ReplayWindow: ~Copyable {
  public enum Verdict: Equatable, Sendable {
    case fresh
    /// It was there before.
    case repeated
    /// Nobody knows any more whether it was there before.
    case tooOld
  }

  public static let length: UInt64 = 8_192
  @usableFromInline static let words = 128

  @usableFromInline let bits: UnsafeMutablePointer<UInt64>
  /// The smallest counter that nothing accepted has reached.
  @usableFromInline var next: UInt64 = 0

  /// One kibibyte, for one path and one key.
  public init() {
    unsafe bits = .allocate(capacity: ReplayWindow.words)
    unsafe bits.initialize(repeating: 0, count: ReplayWindow.words)
  }

  deinit { unsafe bits.deallocate() }

  @inlinable @inline(__always)
  public func check(_ counter: UInt64) -> Verdict {
    if counter >= next { return .fresh }
    if next &- counter > ReplayWindow.length { return .tooOld }
    let word = unsafe bits[Int(truncatingIfNeeded: counter &>> 6) & (ReplayWindow.words &- 1)]
    return word &>> (counter & 63) & 1 == 0 ? .fresh : .repeated
  }

  /// Only for what was opened.
  @inlinable @inline(__always)
  public mutating func accept(_ counter: UInt64) -> Verdict {
    if counter == next {
      // Nearly all: the next one. Its bit may still stand for the counter one window before.
      let place = Int(truncatingIfNeeded: counter &>> 6) & (ReplayWindow.words &- 1)
      unsafe bits[place] |= 1 &<< (counter & 63)
      next = counter &+ 1
      return .fresh
    }
    return acceptOutOfOrder(counter)
  }

  @usableFromInline
  mutating func acceptOutOfOrder(_ counter: UInt64) -> Verdict {
    if counter > next {
      clear(from: next, to: counter)
      next = counter + 1
    } else {
      let verdict = check(counter)
      guard verdict == .fresh else { return verdict }
    }
    unsafe bits[Int(truncatingIfNeeded: counter >> 6) & (ReplayWindow.words - 1)] |= 1 << (counter & 63)
    return .fresh
  }

  /// Forgets first ..< end, which were never accepted and whose bits stand for older ones.
  private mutating func clear(from first: UInt64, to end: UInt64) {
    guard end - first < ReplayWindow.length else {
      unsafe bits.update(repeating: 0, count: ReplayWindow.words)
      return
    }
    var at = first
    while at < end {
      let place = Int(truncatingIfNeeded: at >> 6) & (ReplayWindow.words - 1)
      let count = min(64 - at & 63, end - at)
      let mask: UInt64 = count == 64 ? .max : (1 << count - 1) << (at & 63)
      unsafe bits[place] &= ~mask
      at += count
    }
  }
}
