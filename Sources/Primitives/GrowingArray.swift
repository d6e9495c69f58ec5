//  GrowingArray.swift — a row of things that cannot be copied, each changed where it lies, that may get longer.
//
//  As `FixedArray`, but for `append`: the row moves to twice the room when it is full. So nobody may hold the address
//  of an element over an `append`; whoever drives a core appends between two turns. It never gets shorter, since a
//  place is a name that others keep.

@safe public struct GrowingArray<Element: ~Copyable>: ~Copyable {
  @usableFromInline var storage: UnsafeMutablePointer<Element>
  public private(set) var count: Int
  private var capacity: Int

  /// `element` is called once for each index, in order.
  public init(count: Int, _ element: (Int) -> Element) {
    precondition(count >= 0, "fewer than none")
    let room = max(1, count)
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: room)
    for index in 0..<count { unsafe (memory + index).initialize(to: element(index)) }
    unsafe storage = unsafe memory
    self.count = count
    capacity = room
  }

  deinit {
    unsafe storage.deinitialize(count: count)
    unsafe storage.deallocate()
  }

  /// The place of the new one.
  @discardableResult
  public mutating func append(_ element: consuming Element) -> Int {
    if count == capacity {
      let memory = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
      unsafe memory.moveInitialize(from: storage, count: count)
      unsafe storage.deallocate()
      unsafe storage = unsafe memory
      capacity *= 2
    }
    unsafe (storage + count).initialize(to: element)
    count += 1
    return count - 1
  }

  public var indices: Range<Int> { 0..<count }

  @inlinable public subscript(_ index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "beyond the end")
      return unsafe UnsafePointer(storage + index)
    }
    @inline(__always) unsafeMutableAddress {
      precondition(index >= 0 && index < count, "beyond the end")
      return unsafe storage + index
    }
  }
}
