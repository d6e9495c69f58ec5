//  SizeSearch.swift — which size to ask for next, between one that fits and one that does not.
//
//  Why.  A size that fits costs one probe and a round trip, one that does not costs three probes and their time. And
//  paths do not have any size: nearly all have one that somebody once chose.
//
//  How.                 confirmed                     tooBig            limit
//      ────────────────────┼─────────?─────?────?───────┼────────────────┼
//       fits                     usual sizes              asked, in vain
//
//  In this order: a wish (a hint, or what was in use before a fall); the interface's own size, since most paths carry
//  that; Ethernet's; then the usual sizes in between, the middle one first. When none is left, the size is most likely
//  the usual one that was answered, so one question a few bytes above it ends the search; else halving does. Last of
//  all the smallest size that failed is asked again, three times: with one datagram in ten lost each way, three losses
//  in a row happen once in 150 sizes, and the search would end far below the truth. Where probes that fit were lost
//  before, it is asked three times more: six in a row happen once in 20,000.
//
//  Always true.  confirmed < tooBig ≤ limit + 1, and what is asked lies between them or is tooBig.

import Primitives

struct SizeSearch: Sendable, BitwiseCopyable {
  /// 8 bytes are half a percent of nothing; each halving below that costs three more probes.
  static let resolution = 8
  /// UDP's length has 16 bits, and there is an IP header in front.
  static let mostLimit = 65_507

  /// Of IP packets: IPv6's least, LTE behind tunnels, VPNs' and tunnels' usual 1,380 to 1,420, NTT's PPPoE, GRE, PPPoE,
  /// Ethernet; then WLAN, POS, jumbo frames and those of clouds.
  private static var usual: InlineArray<14, UInt16> {
    [1_280, 1_358, 1_380, 1_400, 1_420, 1_454, 1_480, 1_492, 1_500, 2_304, 4_470, 8_500, 8_951, 9_000]
  }
  private static let ethernet = 1_500

  static func headers(_ family: IPAddress.Family) -> Int { (family == .ipv4 ? 20 : 40) + 8 }

  /// What IP makes every network carry (RFC 791: 576 bytes, RFC 8200: 1,280), but no more than the base.
  static func promised(_ family: IPAddress.Family) -> Int {
    min((family == .ipv4 ? 576 : 1_280) - headers(family), PathMTU.base)
  }

  private var fits: UInt16
  private var fails: UInt16
  private var most: UInt16
  private var wished: UInt16 = 0
  private let overhead: UInt8
  /// How often the smallest size that failed was given up.
  private var failures: UInt8 = 0
  /// A probe was lost, and the next one of its size was not: three losses prove little here.
  var isLossy = false
  /// Only whether anything more fits than before: one size that fails ends it.
  private var isRaising = false

  init(limit: Int, family: IPAddress.Family) {
    overhead = UInt8(SizeSearch.headers(family))
    most = UInt16(max(1, min(limit, SizeSearch.mostLimit)))
    fits = 0
    fails = most + 1
  }

  var confirmed: Int { Int(fits) }
  var tooBig: Int { Int(fails) }

  var limit: Int {
    get { Int(most) }
    set { most = UInt16(max(1, min(newValue, SizeSearch.mostLimit))) }
  }

  /// Asked for first; 0: nothing in particular.
  var wish: Int {
    get { Int(wished) }
    set { wished = UInt16(clamping: newValue) }
  }

  /// All that is known is that this fits.
  mutating func restart(at size: Int, wish: Int) {
    fits = UInt16(min(size, limit))
    fails = most + 1
    failures = 0
    isRaising = false
    self.wish = wish
  }

  /// Perhaps more fits than before: the least that would be of use is asked for.
  mutating func raise() {
    fails = most + 1
    failures = 0
    isRaising = true
    wish = min(confirmed + SizeSearch.resolution, limit)
  }

  mutating func answered(_ size: Int) {
    if size <= confirmed { return }
    fits = UInt16(size)
    isRaising = false
    if size >= tooBig {
      fails = most + 1
      failures = 0
    }
  }

  mutating func failed(_ size: Int) {
    failures = size == tooBig ? failures + 1 : 1
    if size < tooBig && size > confirmed { fails = UInt16(size) }
    if wish >= tooBig { wish = 0 }
  }

  private var isSure: Bool { isRaising || failures >= (isLossy ? 3 : 2) }

  /// nil: nothing is left to ask.
  var next: Int? {
    if confirmed >= limit { return nil }
    if wish > confirmed && wish < tooBig { return wish }
    if tooBig > limit { return limit }
    if tooBig - confirmed <= SizeSearch.resolution { return isSure ? nil : tooBig }
    let ethernet = SizeSearch.ethernet - Int(overhead)
    if confirmed < ethernet && ethernet < tooBig { return ethernet }
    if let size = middleOfUsual { return size }
    if isUsual(confirmed) { return confirmed + SizeSearch.resolution }
    return confirmed + (tooBig - confirmed) / 2
  }

  private var middleOfUsual: Int? {
    let sizes = SizeSearch.usual
    var first = 0
    while first < sizes.count && Int(sizes[first]) - Int(overhead) <= confirmed { first += 1 }
    var end = first
    while end < sizes.count && Int(sizes[end]) - Int(overhead) < tooBig { end += 1 }
    return first < end ? Int(sizes[(first + end - 1) / 2]) - Int(overhead) : nil
  }

  private func isUsual(_ size: Int) -> Bool {
    let sizes = SizeSearch.usual
    for index in sizes.indices where Int(sizes[index]) - Int(overhead) == size { return true }
    return false
  }
}
