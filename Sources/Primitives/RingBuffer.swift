//  RingBuffer.swift — a queue that grows when it must and never allocates while it runs at a size it has seen.
//
//  First in, first out over one block of memory whose size is a power of two, so that an index wraps by a mask. It
//  grows by doubling and does not shrink: whoever owns it bounds it (a link by its bytes, a lane by its window), and
//  the bound was reached once already. Elements are trivial values: slots and times, never references.
//
//  Inlinable throughout: a generic that another module cannot see into costs forty times as much.

@safe public struct RingBuffer<Element: BitwiseCopyable>: ~Copyable {
  @usableFromInline var storage: UnsafeMutablePointer<Element>
  @usableFromInline var mask: Int
  @usableFromInline var head = 0
  @usableFromInline var held = 0

  @inlinable public init(minimumCapacity: Int = 16) {
    var capacity = 16
    while capacity < minimumCapacity { capacity *= 2 }
    unsafe storage = .allocate(capacity: capacity)
    mask = capacity - 1
  }

  @inlinable deinit { unsafe storage.deallocate() }

  @inlinable public var count: Int { held }

  @inlinable public var isEmpty: Bool { held == 0 }

  @inlinable public var first: Element? { held == 0 ? nil : unsafe storage[head & mask] }

  @inlinable public var last: Element? { held == 0 ? nil : unsafe storage[(head &+ held &- 1) & mask] }

  /// The element at this distance from the front.
  @inlinable public subscript(offset: Int) -> Element {
    get {
      precondition(offset >= 0 && offset < held, "beyond the end of the queue")
      return unsafe storage[(head &+ offset) & mask]
    }
    set {
      precondition(offset >= 0 && offset < held, "beyond the end of the queue")
      unsafe storage[(head &+ offset) & mask] = newValue
    }
  }

  @inlinable public mutating func append(_ element: Element) {
    if held > mask { grow() }
    unsafe storage[(head &+ held) & mask] = element
    held &+= 1
  }

  @inlinable public mutating func popFirst() -> Element? {
    if held == 0 { return nil }
    let element = unsafe storage[head & mask]
    head = (head &+ 1) & mask
    held &-= 1
    return element
  }

  @inlinable public mutating func popLast() -> Element? {
    if held == 0 { return nil }
    held &-= 1
    return unsafe storage[(head &+ held) & mask]
  }

  @inlinable public mutating func removeFirst() {
    precondition(held > 0, "nothing waits")
    head = (head &+ 1) & mask
    held &-= 1
  }

  /// Forgets this many from the end.
  @inlinable public mutating func removeLast(_ number: Int) {
    precondition(number >= 0 && number <= held, "fewer than that wait")
    held &-= number
  }

  @inlinable public mutating func removeAll() {
    head = 0
    held = 0
  }

  @usableFromInline mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: (mask + 1) * 2)
    for offset in 0..<held { unsafe larger[offset] = storage[(head &+ offset) & mask] }
    unsafe storage.deallocate()
    unsafe storage = larger
    head = 0
    mask = mask * 2 + 1
  }
}
