//  LocalPlaces.swift — which sockets of ours there are, by place, and which of them can be used.
//
//  Why.  A socket is named by a bit of 32 in masks, in routes and in what is on its way to the kernel. Paths come and
//  go while datagrams of theirs are still there; so a place is lent, and is lent again only when nothing of before is
//  left.
//
//  How.
//        0 ..< 16   paths                16 ..< 32   ways over relays, each of one path
//
//      free ──apply──▶ used, open ──closePath──▶ used, closed ──openPath──▶ used, open      its interface comes, goes
//        ▲                  │ apply: nobody wants it any more
//        │                  ▼
//        │             leaving: the others take over, what is on its way arrives ──`linger`──▶ closing ─┐
//        └────────────────────── closed(place): the kernel has nothing of it any more ◀──nextClosing────┘
//
//  A path that leaves is a backup meanwhile, for us and for the other side, who is told so: what was sent on it before
//  arrives, nothing new is sent on it as long as anything else is up, and if nothing is, it goes on until then.
//
//  Rejected.  To close at once (the other side would send to a closed socket until it notices, and repair all of it);
//  places that move up (each mask and each queue would have to be renamed at one moment).
//
//  Always true.  (1) `open` and `leaving` are parts of `used`. (2) A place that was left is used again only after
//  `closed`.

import Primitives

public struct LocalPlaces: Sendable {
  /// As many as a peer can have, and more than any site has lines.
  public static let mostPaths = 16
  public static let mostSlots = 16
  /// Masks have 32 bits.
  public static let count = 32
  /// Longer than a satellite's round trip and the pause of its repair; and no operator waits for it.
  static let linger = Interval.seconds(1)

  private(set) var used: UInt32 = 0
  /// They have a socket that can send.
  private(set) var open: UInt32 = 0
  private(set) var leaving: UInt32 = 0
  /// Their time is over; the driver closes them.
  private var closing: UInt32 = 0
  private var told: UInt32 = 0
  private var ends = InlineArray<32, Instant>(repeating: .zero)
  /// When the first that leaves is to be closed.
  private(set) var deadline: Instant?

  /// Those that somebody wants.
  var all: BitPlaces { (used & ~leaving).places }
  var paths: BitPlaces { (used & ~leaving & 0xffff).places }
  var slots: BitPlaces { (used & ~leaving & ~0xffff).places }

  // MARK: Coming and going

  mutating func take(_ place: Int) {
    precondition(!used.has(place), "a place that somebody has")
    used |= place.bit
    open |= place.bit
  }

  mutating func setOpen(_ place: Int, _ isOpen: Bool) {
    open = isOpen ? open | place.bit : open & ~place.bit
  }

  mutating func leave(_ place: Int, after pause: Interval, at now: Instant) {
    precondition(used.has(place) && !leaving.has(place), "a place that nobody has cannot be left")
    leaving |= place.bit
    ends[place] = now + pause
    deadline = min(deadline ?? ends[place], ends[place])
  }

  /// It was left, and is wanted again.
  mutating func stay(_ place: Int) {
    precondition(leaving.has(place) && !closing.has(place), "a place that is being closed cannot stay")
    leaving &= ~place.bit
  }

  mutating func expire(at now: Instant) {
    deadline = nil
    for place in (leaving & ~closing).places {
      if ends[place] <= now {
        closing |= place.bit
        open &= ~place.bit
      } else {
        deadline = min(deadline ?? ends[place], ends[place])
      }
    }
  }

  /// Of those whose time is over, each once.
  mutating func nextClosing() -> Int? {
    let fresh = closing & ~told
    if fresh == 0 { return nil }
    told |= fresh.trailingZeroBitCount.bit
    return fresh.trailingZeroBitCount
  }

  mutating func free(_ place: Int) {
    precondition(closing.has(place), "a place is freed after it was closed")
    let kept = ~place.bit
    used &= kept
    open &= kept
    leaving &= kept
    closing &= kept
    told &= kept
  }

  // MARK: Who gets which

  /// Where each of some wanted paths and slots is; nil: nowhere, until others have gone.
  struct Arrangement: Sendable {
    var places: [Int?]
    var leaving: UInt32
    /// They were left, and are wanted again before they were closed.
    var returning: UInt32
    var coming: [Int]
  }

  /// A path is known by its name, or by its socket under another name. A slot stays while its path does.
  func arrange(_ wanted: [LocalPath], now present: [LocalPath], isIdle: (Int) -> Bool) -> Arrangement {
    var places = [Int?](repeating: nil, count: wanted.count)
    var left = used & ~leaving
    func keep(_ number: Int, _ place: Int) {
      places[number] = place
      left &= ~place.bit
    }
    let paths = wanted.indices.filter { wanted[$0].carrier == nil }
    for number in paths {
      let found = (left & 0xffff).places.first {
        present[$0].name == wanted[number].name && present[$0].end == wanted[number].end
      }
      if let found { keep(number, found) }
    }
    for number in paths where places[number] == nil && !wanted[number].end.isEmpty {
      let found = (left & 0xffff).places.first { present[$0].end == wanted[number].end }
      if let found { keep(number, found) }
    }
    // A socket that is about to go is taken back: another one could not have its port. One that is being closed has to
    // be waited for.
    var returning: UInt32 = 0
    for number in paths where places[number] == nil && !wanted[number].end.isEmpty {
      let found = (leaving & ~closing & ~returning & 0xffff).places.first { present[$0].end == wanted[number].end }
      guard let found else { continue }
      keep(number, found)
      returning |= found.bit
    }
    let blocked = closing.places.map { present[$0].end }.filter { !$0.isEmpty }
    let kept = places
    var coming: [Int] = []
    var free = ~used
    func settle(_ number: Int, among range: UInt32) {
      guard let place = (free & range).places.first(where: { _ in true }) else { return }
      free &= ~place.bit
      places[number] = place
      coming.append(number)
    }
    for number in paths where places[number] == nil && !blocked.contains(wanted[number].end) {
      settle(number, among: 0xffff)
    }
    let slots = wanted.indices.filter { wanted[$0].carrier != nil }
    for number in slots {
      guard let carrier = wanted[number].carrier, let path = kept[carrier] else { continue }
      let own = (left & ~0xffff).places.filter { present[$0].carrier == path }
      if let found = own.first(where: { !isIdle($0) }) ?? own.first { keep(number, found) }
    }
    for number in slots where places[number] == nil {
      if let carrier = wanted[number].carrier, places[carrier] != nil { settle(number, among: ~0xffff) }
    }
    return Arrangement(places: places, leaving: left, returning: returning, coming: coming)
  }

  /// Of a gateway that is made.
  static func first(for wanted: [LocalPath]) -> ([LocalPath], LocalPlaces) {
    var places = LocalPlaces()
    var list = [LocalPath](repeating: LocalPath(name: ""), count: LocalPlaces.count)
    let arrangement = places.arrange(wanted, now: list) { _ in true }
    for number in arrangement.coming {
      guard let place = arrangement.places[number] else { continue }
      places.take(place)
      list[place] = wanted[number]
      list[place].carrier = wanted[number].carrier.flatMap { arrangement.places[$0] }
    }
    return (list, places)
  }
}
