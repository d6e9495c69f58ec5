//  ByteSink.swift — where logs and captures go: the simulator opens no files, so somebody hands it something to write
//  to.

/// Takes bytes in large pieces. What it cannot write is its own to remember: a full disk must not change what is
/// simulated.
public protocol ByteSink: AnyObject {
  func write(_ bytes: Span<UInt8>)
}

/// Keeps all that was written.
public final class MemorySink: ByteSink {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public func write(_ bytes: Span<UInt8>) {
    self.bytes.reserveCapacity(self.bytes.count + bytes.count)
    for index in bytes.indices { self.bytes.append(bytes[index]) }
  }
}

/// Collects lines and records, and hands them on when enough are together.
struct ByteWriter {
  /// Large enough that a write costs nothing for each line, small enough to stay in the cache.
  private static let fullAt = 1 << 16

  private(set) var sink: (any ByteSink)?
  private var buffer: [UInt8] = []

  init(_ sink: (any ByteSink)?) {
    self.sink = sink
    if sink != nil { buffer.reserveCapacity(ByteWriter.fullAt + 4_096) }
  }

  var isOn: Bool { sink != nil }

  mutating func append(_ byte: UInt8) { buffer.append(byte) }
  mutating func append(_ bytes: [UInt8]) { buffer.append(contentsOf: bytes) }
  mutating func append(_ text: String) { buffer.append(contentsOf: text.utf8) }

  mutating func append(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe buffer.append(contentsOf: $0) }
  }

  /// In decimal digits, at least `width` wide, filled with `fill` from the left.
  mutating func append(_ value: UInt64, width: Int, fill: UInt8 = UInt8(ascii: " ")) {
    var digits = 1
    var bound: UInt64 = 10
    while value >= bound && digits < 19 {
      digits += 1
      bound *= 10
    }
    if value >= 10_000_000_000_000_000_000 { digits = 20 }
    for _ in 0..<max(0, width - digits) { buffer.append(fill) }
    let start = buffer.count
    for _ in 0..<digits { buffer.append(0) }
    var rest = value
    for at in stride(from: start + digits - 1, through: start, by: -1) {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      buffer[at] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
      rest = quotient
    }
  }

  mutating func appendLittleEndian(_ value: UInt32) {
    for shift in stride(from: 0 as UInt32, to: 32, by: 8) { buffer.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  /// The end of a line or record.
  mutating func endRecord() { if buffer.count >= ByteWriter.fullAt { flush() } }

  mutating func flush() {
    if buffer.isEmpty { return }
    sink?.write(buffer.span)
    buffer.removeAll(keepingCapacity: true)
  }
}
