//  ControlText.swift — the text of a control datagram: one message behind the other, read and written where it lies.
//
//      │ report of path 0, 32 … 96 bytes │ report of path 2 │ pong, 16 │ plan, 16 │ give up, 8 │ size, 16 or the rest │
//      └─────────────────────────────────┴──────────────────┴──────────┴──────────┴────────────┴──────────────────────┘
//
//  Why.  A datagram costs 72 bytes and a turn of the kernel before it says anything, so what several paths have to
//  report leaves together, with whatever else is due.
//
//  How.  A control text is the text of a sealed datagram whose location has the flag `control`. A message begins with
//  its kind, which says how its length is found. Reading stops at the end, or at the first thing that is not known or
//  not whole: what came before it counts, what follows cannot be found. `isBroken` tells the two ends apart.
//
//      plan      0      1       2      4          8       16        give up   0      1      2      4         8
//                │ kind │ flags │ zero │ patience │ paths │                   │ kind │ zero │ lane │ segment │
//
//  Nothing is allocated, and a value is copied out before the next one is read. All numbers are little-endian.

enum ControlKind: UInt8 {
  case ping = 1
  case pong = 2
  case report = 3
  case plan = 4
  case giveUp = 5
  case terms = 6
  case sizeQuestion = 7
  case sizeAnswer = 8
  case relayBind = 9
  case relayUnbind = 10
  case relayGranted = 11
  case relayRefused = 12
  case sighting = 13
}

/// What a sender tells the receiver about how he sends.
public struct SendingPlan: Equatable, Sendable, BitwiseCopyable {
  public static let length = 16

  /// How long the receiver shall wait for what is missing, in microseconds. He bounds it.
  public var patience: UInt32
  /// The paths that carry data now, a bit for each number below 64.
  public var paths: UInt64
  /// What is lost is sent again: that every path has passed a hole does not yet mean that nothing comes.
  public var repairs: Bool

  public init(patience: UInt32, paths: UInt64, repairs: Bool) {
    self.patience = patience
    self.paths = paths
    self.repairs = repairs
  }
}

/// The sender's word that waiting has no sense: up to and with this segment of the lane, nothing that is missing comes.
public struct GivingUp: Equatable, Sendable, BitwiseCopyable {
  public static let length = 8

  public var lane: UInt16
  public var segment: UInt32

  public init(lane: UInt16, segment: UInt32) {
    self.lane = lane
    self.segment = segment
  }
}

/// Walks the messages of one text. The bytes must outlive it.
@safe public struct ControlReader {
  public enum Message: Equatable, Sendable {
    case probe(ControlMessage)
    case report(PathReport)
    case plan(SendingPlan)
    case giveUp(GivingUp)
    case size(SizeMessage)
    case terms(PathTerms)
    case relay(RelayMessage)
    case sighting(Sighting)
  }

  private let text: UnsafeRawBufferPointer
  private var offset = 0
  /// It ended in the middle of a message, or at one that we do not know.
  public private(set) var isBroken = false

  public init(_ text: UnsafeRawBufferPointer) { unsafe self.text = text }

  /// nil at the end, however it came.
  public mutating func next() -> Message? {
    if unsafe isBroken || offset == text.count { return nil }
    let rest = unsafe UnsafeRawBufferPointer(rebasing: text[offset...])
    guard let (message, length) = unsafe ControlReader.read(rest, of: text.count) else {
      isBroken = true
      return nil
    }
    offset += length
    return message
  }

  /// `whole` is how long the text is.
  private static func read(_ rest: UnsafeRawBufferPointer, of whole: Int) -> (Message, Int)? {
    let kind = unsafe ControlKind(rawValue: rest[0])
    switch kind {
    case .ping, .pong:
      guard rest.count >= ControlMessage.length else { return nil }
      let whole = unsafe UnsafeRawBufferPointer(rebasing: rest[..<ControlMessage.length])
      guard let message = unsafe ControlMessage(whole) else { return nil }
      return (.probe(message), ControlMessage.length)
    case .report:
      guard let report = unsafe PathReport(rest) else { return nil }
      return (.report(report), report.length)
    case .plan:
      guard rest.count >= SendingPlan.length else { return nil }
      let plan = SendingPlan(
        patience: unsafe UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
        paths: unsafe UInt64(littleEndian: rest.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        repairs: unsafe rest[1] & 1 != 0)
      return (.plan(plan), SendingPlan.length)
    case .giveUp:
      guard rest.count >= GivingUp.length else { return nil }
      let giving = GivingUp(
        lane: unsafe UInt16(littleEndian: rest.loadUnaligned(fromByteOffset: 2, as: UInt16.self)),
        segment: unsafe UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
      return (.giveUp(giving), GivingUp.length)
    case .terms:
      guard rest.count >= PathTerms.length else { return nil }
      let terms = PathTerms(
        path: unsafe rest[1], tier: unsafe rest[2],
        price: unsafe UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
        limit: unsafe UInt64(littleEndian: rest.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
      return (.terms(terms), PathTerms.length)
    case .sizeQuestion:
      guard rest.count >= SizeMessage.length else { return nil }
      let message = unsafe SizeMessage(rest, isAnswer: false)
      return Int(message.size) == DataHeader.overhead + whole ? (.size(message), rest.count) : nil
    case .sizeAnswer:
      guard rest.count >= SizeMessage.length else { return nil }
      return unsafe (.size(SizeMessage(rest, isAnswer: true)), SizeMessage.length)
    case .relayBind, .relayUnbind, .relayGranted, .relayRefused:
      guard let kind, let message = unsafe RelayMessage(kind, rest) else { return nil }
      return (.relay(message), message.length)
    case .sighting:
      guard let sighting = unsafe Sighting(rest) else { return nil }
      return (.sighting(sighting), Sighting.length)
    case nil:
      return nil
    }
  }
}

/// Writes messages into given memory, as many as fit. Each `append` says whether there was room; nothing is cut.
@safe public struct ControlWriter {
  private let room: UnsafeMutableRawBufferPointer
  /// Bytes.
  public private(set) var written = 0

  public init(_ room: UnsafeMutableRawBufferPointer) { unsafe self.room = room }

  public mutating func append(_ message: ControlMessage) -> Bool {
    guard let place = unsafe place(for: ControlMessage.length) else { return false }
    unsafe message.write(to: place)
    return true
  }

  public mutating func append(_ report: PathReport) -> Bool {
    guard let place = unsafe place(for: report.length) else { return false }
    unsafe report.write(to: place)
    return true
  }

  public mutating func append(_ plan: SendingPlan) -> Bool {
    guard let place = unsafe place(for: SendingPlan.length) else { return false }
    let head = UInt32(ControlKind.plan.rawValue) | (plan.repairs ? 1 << 8 : 0)
    unsafe place.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe place.storeBytes(of: plan.patience.littleEndian, toByteOffset: 4, as: UInt32.self)
    unsafe place.storeBytes(of: plan.paths.littleEndian, toByteOffset: 8, as: UInt64.self)
    return true
  }

  public mutating func append(_ giving: GivingUp) -> Bool {
    guard let place = unsafe place(for: GivingUp.length) else { return false }
    let head = UInt32(ControlKind.giveUp.rawValue) | UInt32(giving.lane) << 16
    unsafe place.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe place.storeBytes(of: giving.segment.littleEndian, toByteOffset: 4, as: UInt32.self)
    return true
  }

  /// A question takes all that its datagram has left, so nothing can follow it.
  public mutating func append(_ message: SizeMessage) -> Bool {
    guard let length = message.length(after: written), let place = unsafe place(for: length) else { return false }
    unsafe message.write(to: place, length: length)
    return true
  }

  public mutating func append(_ terms: PathTerms) -> Bool {
    guard let place = unsafe place(for: PathTerms.length) else { return false }
    let head = UInt32(ControlKind.terms.rawValue) | UInt32(terms.path) << 8 | UInt32(terms.tier) << 16
    unsafe place.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe place.storeBytes(of: terms.price.littleEndian, toByteOffset: 4, as: UInt32.self)
    unsafe place.storeBytes(of: terms.limit.littleEndian, toByteOffset: 8, as: UInt64.self)
    return true
  }

  public mutating func append(_ message: RelayMessage) -> Bool {
    guard let place = unsafe place(for: message.length) else { return false }
    unsafe message.write(to: place)
    return true
  }

  public mutating func append(_ sighting: Sighting) -> Bool {
    guard let place = unsafe place(for: Sighting.length) else { return false }
    unsafe sighting.write(to: place)
    return true
  }

  private mutating func place(for length: Int) -> UnsafeMutableRawPointer? {
    guard let start = unsafe room.baseAddress, unsafe room.count - written >= length else { return nil }
    defer { written += length }
    return unsafe start + written
  }
}
